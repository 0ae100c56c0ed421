"""Reading the parameters of an rpc (RFC 6241, section 7)."""

from __future__ import annotations

import enum
from collections.abc import Container, Mapping
from typing import Final, TypeVar

from lxml import etree

from flowexport_mgmt.datastore import Store
from flowexport_mgmt.errors import ErrorTag, ErrorType, ManagementError
from flowexport_mgmt.north.netconf import names
from flowexport_mgmt.north.netconf.names import base
from flowexport_mgmt.schema.tree import Defaults

Parameters = Mapping[str, etree._Element]
"""The elements below an operation by local name; checked against what the operation takes."""

SERVED: Final = frozenset({"running", "candidate", "intended", "operational"})
"""The datastores that can be read, by the names of their identities."""

_MAX_UINT32: Final = 0xFFFFFFFF
_Choice = TypeVar("_Choice", bound=enum.StrEnum)


class WithDefaults(enum.StrEnum):
    """How values of the schema are shown (RFC 6243, section 3)."""

    EXPLICIT = "explicit"
    TRIM = "trim"
    REPORT_ALL = "report-all"
    REPORT_ALL_TAGGED = "report-all-tagged"


def check(
    operation: etree._Element,
    taken: Mapping[str, bool],
    namespaces: Mapping[str, str],
    repeated: Container[str] = (),
) -> Parameters:
    """Check the parameters of an operation against those that it takes.

    A parameter in no namespace is taken for the operation's own: what ncclient's users write as
    ``<config>`` arrives like that.

    Args:
        operation: the element of the operation.
        taken: for each parameter whether it must be given; one of another module is named in
            Clark notation.
        namespaces: the modules known, by namespace.
        repeated: those that may be given several times; see :func:`all_of`.

    Raises:
        ManagementError: every fault: ``unknown-namespace``, ``unknown-element``, ``bad-element``
            for one given twice, ``missing-element``.
    """
    found: dict[str, etree._Element] = {}
    faults: list[ManagementError] = []
    namespace = names.namespace_of(str(operation.tag))
    for element in operation:
        name = names.local_name(str(element.tag))
        theirs = names.namespace_of(str(element.tag)) or namespace
        if theirs not in namespaces:
            faults.append(unknown_namespace(element))
        elif (name if theirs == namespace else f"{{{theirs}}}{name}") not in taken:
            faults.append(unknown_element(element))
        elif name in found and name not in repeated:
            faults.append(fault(ErrorTag.BAD_ELEMENT, f"{name} is given twice", element=name))
        else:
            found[name] = element
    faults += [missing(name) for name, needed in taken.items() if needed and name not in found]
    raise_all(faults)
    return found


def all_of(operation: etree._Element, name: str) -> list[etree._Element]:
    """Give every instance of a parameter that may be given several times."""
    return [e for e in operation if names.local_name(str(e.tag)) == name]


def raise_all(errors: list[ManagementError]) -> None:
    """Raise one error with the faults of all, if there is any."""
    if errors:
        raise ManagementError(fault for error in errors for fault in error.faults)


def fault(tag: ErrorTag, message: str, *, element: str = "", **info: str) -> ManagementError:
    """Make an error of the protocol layer that names the element to blame."""
    named = {"bad-element": element} if element else {}
    rest = {name.replace("_", "-"): value for name, value in info.items()}
    return ManagementError.single(tag, message, type=ErrorType.PROTOCOL, info=rest | named)


def missing(name: str) -> ManagementError:
    """Make the error of a parameter that is not there."""
    return fault(ErrorTag.MISSING_ELEMENT, f"{name} is missing", element=name)


def unknown_element(element: etree._Element) -> ManagementError:
    """Make the error of an element that is not expected where it stands."""
    name = names.local_name(str(element.tag))
    return fault(ErrorTag.UNKNOWN_ELEMENT, f"{name} is not known here", element=name)


def unknown_namespace(element: etree._Element) -> ManagementError:
    """Make the error of an element of a module that nobody knows."""
    namespace = names.namespace_of(str(element.tag))
    return fault(
        ErrorTag.UNKNOWN_NAMESPACE,
        f"no module has the namespace {namespace!r}",
        element=names.local_name(str(element.tag)),
        bad_namespace=namespace,
    )


def store(parameter: etree._Element) -> Store:
    """Read the datastore that ``target`` or ``source`` names, in the way of RFC 8526 too."""
    chosen = only_child(parameter)
    name = names.local_name(str(chosen.tag))
    if chosen.tag == f"{{{names.NMDA}}}datastore":
        return writable(chosen)
    if chosen.tag != base(name) or name not in set(Store):
        raise unknown_element(chosen)
    return Store(name)


def datastore(element: etree._Element) -> str:
    """Read the identity of a datastore (RFC 8342) and give its name.

    Raises:
        ManagementError: ``invalid-value`` for one that is not served.
    """
    name = identity(element, names.DATASTORES)
    if name not in SERVED:
        raise fault(
            ErrorTag.INVALID_VALUE,
            f"there is no datastore {text(element)!r}; those are {', '.join(sorted(SERVED))}",
            element=names.local_name(str(element.tag)),
        )
    return name


def writable(element: etree._Element) -> Store:
    """Read the identity of a datastore that can be written.

    Raises:
        ManagementError: ``invalid-value`` for any other.
    """
    name = datastore(element)
    if name not in set(Store):
        message = f"the datastore {name} can only be read"
        raise fault(ErrorTag.INVALID_VALUE, message, element=names.local_name(str(element.tag)))
    return Store(name)


def identity(element: etree._Element, namespace: str) -> str:
    """Give the name of an identity of one module; empty where it is of another."""
    prefix, colon, name = text(element).rpartition(":")
    scope = element.nsmap.get(prefix if colon else None)
    return name if scope == namespace else ""


def only_child(parameter: etree._Element) -> etree._Element:
    """Give the one element of a choice."""
    name = names.local_name(str(parameter.tag))
    if len(parameter) == 0:
        raise fault(ErrorTag.MISSING_ELEMENT, f"{name} names no datastore", element=name)
    if len(parameter) > 1:
        second = names.local_name(str(parameter[1].tag))
        raise fault(ErrorTag.BAD_ELEMENT, f"{name} takes one element", element=second)
    return parameter[0]


def choice(parameters: Parameters, name: str, kind: type[_Choice]) -> _Choice | None:
    """Read an enumeration; None where it is not given."""
    element = parameters.get(name)
    if element is None:
        return None
    value = text(element)
    if value not in set(kind):
        allowed = ", ".join(kind)
        message = f"{name}: {value!r} is none of {allowed}"
        raise fault(ErrorTag.INVALID_VALUE, message, element=name)
    return kind(value)


def defaults(parameters: Parameters) -> Defaults | None:
    """Read ``with-defaults`` (RFC 6243, section 4.5); None where it is not given."""
    mode = choice(parameters, "with-defaults", WithDefaults)
    return None if mode is None else Defaults[mode.name]


def number(element: etree._Element) -> int:
    """Read an unsigned integer of 32 bits."""
    value, name = text(element), names.local_name(str(element.tag))
    if not (value.isascii() and value.isdecimal()) or int(value) > _MAX_UINT32:
        message = f"{name}: {value!r} is no integer from 0 to {_MAX_UINT32}"
        raise fault(ErrorTag.INVALID_VALUE, message, element=name)
    return int(value)


def text(element: etree._Element) -> str:
    """Give the text of a parameter without the white space around it."""
    return (element.text or "").strip()


def boolean(parameters: Parameters, name: str) -> bool | None:
    """Read a boolean; None where it is not given."""
    element = parameters.get(name)
    if element is None:
        return None
    value = text(element)
    if value not in ("true", "false"):
        message = f"{name}: {value!r} is neither true nor false"
        raise fault(ErrorTag.INVALID_VALUE, message, element=name)
    return value == "true"
