"""A request as it came, and the reply around what became of it (RFC 6241, section 4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self
from xml.sax.saxutils import quoteattr

from lxml import etree

from flowexport_mgmt.errors import ErrorTag, ErrorType, ManagementError
from flowexport_mgmt.north.netconf import names
from flowexport_mgmt.north.netconf.names import base

_BASE_ONLY: Final[Mapping[str | None, str]] = {None: names.BASE}


_PLAIN: Final = re.compile(r"[\w:./ #-]*")


def _quoted(value: str) -> str:
    """Quote an attribute; most have nothing to escape, and every reply has a few."""
    return f'"{value}"' if _PLAIN.fullmatch(value) else quoteattr(value)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a reply repeats of its rpc: every attribute, and the namespaces that they need.

    ``prefix`` is the one that stands for the base namespace, None where it is the default.
    """

    prefix: str | None = None
    namespaces: Mapping[str | None, str] = field(default_factory=lambda: _BASE_ONLY)
    attributes: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, rpc: etree._Element) -> Self:
        """Take the envelope of an ``rpc`` element."""
        return cls(rpc.prefix or None, rpc.nsmap, names.attributes_of(rpc))

    def wrap(self, body: bytes) -> bytes:
        """Put the XML of a reply's content into an ``rpc-reply``."""
        name = self.tag("rpc-reply")
        attributes = "".join(self._attributes())
        return f"<{name}{attributes}>".encode() + body + f"</{name}>".encode()

    def tag(self, name: str) -> str:
        """Write the name of an element in the base namespace."""
        return f"{self.prefix}:{name}" if self.prefix else name

    def _attributes(self) -> Iterable[str]:
        for prefix, namespace in self.namespaces.items():
            yield f" xmlns{f':{prefix}' if prefix else ''}={_quoted(namespace)}"
        prefixes = {namespace: prefix for prefix, namespace in self.namespaces.items() if prefix}
        prefixes[names.XML] = "xml"
        for name, value in self.attributes.items():
            namespace = names.namespace_of(name)
            qualifier = f"{prefixes[namespace]}:" if namespace else ""
            yield f" {qualifier}{names.local_name(name)}={_quoted(value)}"


@dataclass(frozen=True, slots=True)
class Rpc:
    """A well-formed request: its envelope and the element of the operation."""

    envelope: Envelope
    operation: etree._Element

    @classmethod
    def read(cls, message: etree._Element) -> Self:
        """Take apart an ``rpc`` element.

        Raises:
            ManagementError: ``missing-attribute`` without a message-id, ``missing-element`` or
                ``bad-element`` unless there is exactly one operation.
        """
        if message.get("message-id") is None:
            raise _rpc_error(
                ErrorTag.MISSING_ATTRIBUTE,
                "an rpc needs a message-id",
                {"bad-attribute": "message-id", "bad-element": "rpc"},
            )
        if len(message) == 0:
            raise _rpc_error(
                ErrorTag.MISSING_ELEMENT, "an rpc needs an operation", {"bad-element": "operation"}
            )
        if len(message) > 1:
            second = names.local_name(str(message[1].tag))
            raise _rpc_error(
                ErrorTag.BAD_ELEMENT, "an rpc has one operation", {"bad-element": second}
            )
        return cls(Envelope.of(message), message[0])


def is_rpc(message: etree._Element) -> bool:
    """Tell whether a message is an ``rpc`` at all."""
    return message.tag == base("rpc")


def _rpc_error(tag: ErrorTag, message: str, info: Mapping[str, str]) -> ManagementError:
    return ManagementError.single(tag, message, type=ErrorType.RPC, info=info)
