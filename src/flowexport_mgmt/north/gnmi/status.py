"""How an RPC fails: the canonical codes, the table from our errors to them, and the details.

A code tells a client whether to try again, so the table follows what each tag means for that: see
the specification, sections 3.3.4, 3.4.7 and 3.5.1.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Final

from flowexport_mgmt.datastore import PendingError
from flowexport_mgmt.errors import ErrorTag, Fault, FlowExportError, ManagementError
from flowexport_mgmt.north.gnmi.messages import (
    BadRequest,
    ErrorInfo,
    PreconditionFailure,
    Status,
)

_DOMAIN: Final = "flowexport-mgmt"
_TOLD: Final = 16
"""Faults that the details tell; they travel in a header, whose size is limited."""
_LONGEST: Final = 512
"""Characters of a message or path in the details."""


class Code(enum.IntEnum):
    """The canonical codes of gRPC that are given here."""

    OK = 0
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


_CODES: Final[Mapping[ErrorTag, Code]] = {
    ErrorTag.IN_USE: Code.ABORTED,
    ErrorTag.LOCK_DENIED: Code.ABORTED,
    ErrorTag.ACCESS_DENIED: Code.PERMISSION_DENIED,
    ErrorTag.RESOURCE_DENIED: Code.RESOURCE_EXHAUSTED,
    ErrorTag.TOO_BIG: Code.RESOURCE_EXHAUSTED,
    ErrorTag.DATA_EXISTS: Code.ALREADY_EXISTS,
    ErrorTag.OPERATION_NOT_SUPPORTED: Code.UNIMPLEMENTED,
    ErrorTag.ROLLBACK_FAILED: Code.INTERNAL,
}
"""Codes by tag; what is not named is a fault of the request: INVALID_ARGUMENT."""

_REPLAY: Final = "replay-conflict"


class RpcError(FlowExportError):
    """An RPC ends with a code other than OK."""

    def __init__(self, code: Code, message: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.faults = tuple(faults)

    @classmethod
    def of(cls, error: ManagementError, code: Code | None = None) -> RpcError:
        """Give the RPC's error for a refused request."""
        return cls(code or code_of(error), str(error), error.faults)

    def details(self) -> bytes:
        """Give the google.rpc.Status that goes into the trailers, with everything that is known."""
        status = Status(code=int(self.code), message=self.message[:_LONGEST])
        for fault in self.faults[:_TOLD]:
            known = {"path": fault.path, "tag": str(fault.tag), "app-tag": fault.app_tag}
            told = {**known, **fault.info, "message": fault.message}
            info = ErrorInfo(
                reason=(fault.app_tag or fault.tag).upper().replace("-", "_"),
                domain=_DOMAIN,
                metadata={name: text[:_LONGEST] for name, text in told.items() if text},
            )
            status.details.add().Pack(info)
        if self.faults:
            self._add_violations(status)
        return bytes(status.SerializeToString())

    def _add_violations(self, status: Status) -> None:
        faults = self.faults[:_TOLD]
        if self.code in (Code.INVALID_ARGUMENT, Code.NOT_FOUND):
            request = BadRequest()
            for fault in faults:
                request.field_violations.add(
                    field=fault.path[:_LONGEST], description=fault.message[:_LONGEST]
                )
            status.details.add().Pack(request)
        elif self.code is Code.FAILED_PRECONDITION:
            failure = PreconditionFailure()
            for fault in faults:
                failure.violations.add(
                    type=str(fault.tag),
                    subject=fault.path[:_LONGEST],
                    description=fault.message[:_LONGEST],
                )
            status.details.add().Pack(failure)


def code_of(error: ManagementError) -> Code:
    """Give the code of a refused request: that of its first fault."""
    if isinstance(error, PendingError):
        return Code.FAILED_PRECONDITION
    fault = error.faults[0]
    if fault.app_tag == _REPLAY:
        return Code.ABORTED
    if fault.tag is ErrorTag.OPERATION_FAILED and not fault.app_tag:
        return Code.FAILED_PRECONDITION  # the state of this system is against it
    return _CODES.get(fault.tag, Code.INVALID_ARGUMENT)


def invalid(message: str) -> RpcError:
    """Make the error of a request that is wrong whatever the state of the server."""
    return RpcError(Code.INVALID_ARGUMENT, message)


def unimplemented(message: str) -> RpcError:
    """Make the error of a request for what is not served here."""
    return RpcError(Code.UNIMPLEMENTED, message)
