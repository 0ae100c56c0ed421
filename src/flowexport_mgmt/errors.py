"""Every error that this project raises on purpose.

::

    FlowExportError
    |-- ManagementError    a refused request: one or more Fault, rendered by each door
    |-- DecodeError        bytes from the network that break their protocol
    |-- EncodeError        a record that its format cannot carry
    |-- LinkError          the peer process went away or broke the protocol between processes
    `-- StartError         the program cannot start: a message and an exit code

A fault holds what RFC 6241 (section 4.3) calls rpc-error; gNMI and the CLI's caret are rendered
from the same fields, so that each error is worded once.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self

_NO_INFO: Mapping[str, str] = MappingProxyType({})


class ErrorType(enum.StrEnum):
    """The layer that an error belongs to (RFC 6241, section 4.3, error-type)."""

    TRANSPORT = "transport"
    RPC = "rpc"
    PROTOCOL = "protocol"
    APPLICATION = "application"


class ErrorTag(enum.StrEnum):
    """What went wrong (RFC 6241, appendix A)."""

    IN_USE = "in-use"
    INVALID_VALUE = "invalid-value"
    TOO_BIG = "too-big"
    MISSING_ATTRIBUTE = "missing-attribute"
    BAD_ATTRIBUTE = "bad-attribute"
    UNKNOWN_ATTRIBUTE = "unknown-attribute"
    MISSING_ELEMENT = "missing-element"
    BAD_ELEMENT = "bad-element"
    UNKNOWN_ELEMENT = "unknown-element"
    UNKNOWN_NAMESPACE = "unknown-namespace"
    ACCESS_DENIED = "access-denied"
    LOCK_DENIED = "lock-denied"
    RESOURCE_DENIED = "resource-denied"
    ROLLBACK_FAILED = "rollback-failed"
    DATA_EXISTS = "data-exists"
    DATA_MISSING = "data-missing"
    OPERATION_NOT_SUPPORTED = "operation-not-supported"
    OPERATION_FAILED = "operation-failed"
    MALFORMED_MESSAGE = "malformed-message"


class ExitCode(enum.IntEnum):
    """How the programs end (sysexits where one fits)."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    RESOURCE_MISSING = 69
    PERMISSION = 77
    CONFIGURATION = 78


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong with a request.

    ``path`` is an instance path in the form of a YANG instance-identifier, with module prefixes
    (``/fe:flow-export/fe:collector[fe:name='a']/fe:port``), or empty when no node is to blame.
    ``info`` holds error-info by element name, such as ``session-id`` or ``bad-element``; the lines
    of ``non-unique`` are elements of their own. ``structure`` is the element of a module that they
    stand in (``{namespace}name``, RFC 8040's yang-data), where they are not NETCONF's own.
    """

    tag: ErrorTag
    message: str
    type: ErrorType = ErrorType.APPLICATION
    app_tag: str = ""
    path: str = ""
    info: Mapping[str, str] = field(default_factory=lambda: _NO_INFO)
    structure: str = ""

    def __str__(self) -> str:
        """Render the place and the message on one line."""
        return f"{self.path}: {self.message}" if self.path else self.message


class FlowExportError(Exception):
    """The root of the project's errors."""


class ManagementError(FlowExportError):
    """A refused request, with every fault that was found."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(map(str, self.faults)))

    @classmethod
    def single(
        cls,
        tag: ErrorTag,
        message: str,
        *,
        type: ErrorType = ErrorType.APPLICATION,  # noqa: A002 - the name in RFC 6241
        app_tag: str = "",
        path: str = "",
        info: Mapping[str, str] = _NO_INFO,
    ) -> Self:
        """Make an error of one fault."""
        fault = Fault(tag=tag, message=message, type=type, app_tag=app_tag, path=path, info=info)
        return cls((fault,))


class DecodeError(FlowExportError):
    """Bytes that break their protocol.

    ``code`` is a stable kebab-case name of the fault (``set-length``, ``sequence-gap``), ``offset``
    the octet in the message where it was found.
    """

    def __init__(self, code: str, message: str, offset: int = 0) -> None:
        self.code = code
        self.offset = offset
        super().__init__(f"{code} at octet {offset}: {message}")


class EncodeError(FlowExportError):
    """A record that its format cannot carry, or that does not fit a datagram."""


class LinkError(FlowExportError):
    """The process at the other end of a link went away or broke the protocol."""


class StartError(FlowExportError):
    """The program cannot start; shown as one readable line."""

    def __init__(self, message: str, code: ExitCode = ExitCode.UNEXPECTED) -> None:
        self.code = code
        super().__init__(message)
