"""The contents of an ``rpc-reply``: ok, data, or every error (RFC 6241, section 4)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from flowexport_mgmt.errors import Fault
from flowexport_mgmt.north.netconf import names
from flowexport_mgmt.north.netconf.rpc import Envelope
from flowexport_mgmt.schema.paths import parse_path

_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_YANG_INFO: Final = frozenset(["non-unique", "missing-choice"])
"""Elements of error-info that RFC 7950 (section 15) puts into YANG's namespace."""

_IDENTITY: Final = "reason"
"""The leaf of a structure whose value has a prefix."""


@dataclass(frozen=True, slots=True)
class Ok:
    """Done, and nothing to say."""

    def render(self, envelope: Envelope) -> bytes:
        """Write ``<ok/>``."""
        return f"<{envelope.tag('ok')}/>".encode()


@dataclass(frozen=True, slots=True)
class Data:
    """Nodes of a datastore: XML whose top elements declare what they use."""

    xml: bytes

    def render(self, envelope: Envelope) -> bytes:
        """Write the ``data`` element."""
        name = envelope.tag("data").encode()
        return b"<%b>%b</%b>" % (name, self.xml, name) if self.xml else b"<%b/>" % name


@dataclass(frozen=True, slots=True)
class Output:
    """The output of an rpc that has an element of its own, as XML that declares what it uses."""

    xml: bytes

    def render(self, _: Envelope) -> bytes:
        """Give it as it is."""
        return self.xml


@dataclass(frozen=True, slots=True)
class Errors:
    """Why a request was refused, with every fault that was found.

    ``prefixes`` gives the namespaces of the prefixes that the faults' paths use.
    """

    faults: tuple[Fault, ...]
    prefixes: Mapping[str, str]

    def render(self, envelope: Envelope) -> bytes:
        """Write an ``rpc-error`` for each fault."""
        return "".join(
            "".join(_rpc_error(fault, envelope, self.prefixes)) for fault in self.faults
        ).encode()


Reply = Ok | Data | Output | Errors


def _rpc_error(fault: Fault, envelope: Envelope, prefixes: Mapping[str, str]) -> Iterator[str]:
    def leaf(name: str, value: str, attributes: str = "") -> str:
        tag = envelope.tag(name)
        return f"<{tag}{attributes}>{_text(value)}</{tag}>"

    outer = envelope.tag("rpc-error")
    yield f"<{outer}>"
    yield leaf("error-type", fault.type)
    yield leaf("error-tag", fault.tag)
    yield leaf("error-severity", "error")
    if fault.app_tag:
        yield leaf("error-app-tag", fault.app_tag)
    if fault.path:
        yield leaf("error-path", fault.path, _declarations(fault.path, prefixes))
    if fault.message:
        yield leaf("error-message", str(fault), ' xml:lang="en"')  # many show nothing else
    if fault.info:
        info = envelope.tag("error-info")
        yield f"<{info}>"
        if fault.structure:
            yield from _structure(fault, prefixes)
        else:
            yield from _info(fault, leaf, prefixes)
        yield f"</{info}>"
    yield f"</{outer}>"


def _info(
    fault: Fault, leaf: Callable[[str, str], str], prefixes: Mapping[str, str]
) -> Iterator[str]:
    for name, value in fault.info.items():
        if name in _YANG_INFO:  # one line for each element (RFC 7950, section 15.1)
            yield from (_yang_leaf(name, line, prefixes) for line in value.splitlines())
        else:
            yield leaf(name, value)


def _structure(fault: Fault, prefixes: Mapping[str, str]) -> Iterator[str]:
    """Write what a module has for the errors of its operations; ``reason`` is an identity."""
    name, namespace = names.local_name(fault.structure), names.namespace_of(fault.structure)
    yield f"<{name} xmlns={quoteattr(namespace)}>"
    for leaf, value in fault.info.items():
        prefix = value.partition(":")[0] if leaf == _IDENTITY else ""
        used = f" xmlns:{prefix}={quoteattr(prefixes[prefix])}" if prefix else ""
        yield f"<{leaf}{used}>{_text(value)}</{leaf}>"
    yield f"</{name}>"


def _yang_leaf(name: str, value: str, prefixes: Mapping[str, str]) -> str:
    used = _declarations(value, prefixes) if value.startswith("/") else ""
    return f'<{name} xmlns="{names.YANG}"{used}>{_text(value)}</{name}>'


def _declarations(path: str, prefixes: Mapping[str, str]) -> str:
    """Declare the prefixes of an instance path."""
    used = dict.fromkeys(step.module for step in parse_path(path))
    known: Iterable[str] = (prefix for prefix in used if prefix in prefixes)
    return "".join(f" xmlns:{prefix}={quoteattr(prefixes[prefix])}" for prefix in known)


def _text(value: str) -> str:
    return escape(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", value))
