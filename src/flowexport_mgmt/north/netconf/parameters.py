"""Reading the parameters of an rpc (RFC 6241, section 7)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from itertools import islice
from typing import Final, TypeVar

from lxml import etree

from flowexport_mgmt.datastore import Store
from flowexport_mgmt.errors import ErrorTag, ErrorType, ManagementError
from flowexport_mgmt.north.netconf import names
from flowexport_mgmt.north.netconf.filters import FilterNode
from flowexport_mgmt.north.netconf.names import base
from flowexport_mgmt.north.netconf.reading import Filter
from flowexport_mgmt.north.netconf.xpath import XPathFilter

Parameters = Mapping[str, etree._Element]
"""The elements below an operation by local name; checked against what the operation takes."""

MAX_FILTER: Final = 4096
"""The most elements that a subtree filter may have: each is matched against all of the data."""

_MAX_UINT32: Final = 0xFFFFFFFF
_Choice = TypeVar("_Choice", bound=enum.StrEnum)


def check(
    operation: etree._Element, taken: Mapping[str, bool], namespaces: Mapping[str, str]
) -> Parameters:
    """Check the parameters of an operation against those that it takes.

    A parameter in no namespace is taken for the operation's own: what ncclient's users write as
    ``<config>`` arrives like that.

    Args:
        operation: the element of the operation.
        taken: for each parameter whether it must be given.
        namespaces: the modules known, by namespace.

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
        elif theirs != namespace or name not in taken:
            faults.append(unknown_element(element))
        elif name in found:
            faults.append(fault(ErrorTag.BAD_ELEMENT, f"{name} is given twice", element=name))
        else:
            found[name] = element
    faults += [missing(name) for name, needed in taken.items() if needed and name not in found]
    raise_all(faults)
    return found


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
    """Read the datastore that ``target`` or ``source`` names."""
    chosen = only_child(parameter)
    name = names.local_name(str(chosen.tag))
    if chosen.tag != base(name) or name not in set(Store):
        raise unknown_element(chosen)
    return Store(name)


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


def filter_of(parameters: Parameters) -> Filter | None:
    """Read the ``filter`` parameter; None where there is none.

    Raises:
        ManagementError: ``bad-attribute`` for a type that is neither subtree nor xpath and for a
            bad expression, ``missing-attribute`` for an xpath filter without ``select``,
            ``too-big``.
    """
    element = parameters.get("filter")
    if element is None:
        return None
    kind = _attribute(element, "type") or "subtree"
    if kind == "subtree":
        if next(islice(element.iterdescendants(), MAX_FILTER, None), None) is not None:
            message = f"a filter has at most {MAX_FILTER} elements"
            raise fault(ErrorTag.TOO_BIG, message, element="filter")
        return FilterNode.read(element)
    if kind != "xpath":
        raise fault(
            ErrorTag.BAD_ATTRIBUTE,
            f"a filter is of type subtree or xpath, not {kind!r}",
            element="filter",
            bad_attribute="type",
        )
    expression = _attribute(element, "select")
    if expression is None:
        raise fault(
            ErrorTag.MISSING_ATTRIBUTE,
            "an xpath filter needs the attribute select",
            element="filter",
            bad_attribute="select",
        )
    return XPathFilter(expression, element.nsmap)


def _attribute(element: etree._Element, name: str) -> str | None:
    value = element.get(name, element.get(base(name)))
    return None if value is None else str(value)
