"""What the decoders make of a datagram: records, and every fault in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flowexport_mgmt.errors import DecodeError

Value = int | str | None
"""A decoded field: a number, a text (addresses and octets too), or None for "unknown"."""

Source = tuple[str, int]
"""Address and UDP port that a datagram came from."""

_MAX_FAULTS: Final = 64


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a datagram.

    ``kind`` is ``counter-sample`` or ``flow-sample`` (sFlow), ``data`` or ``options`` (NetFlow v9,
    IPFIX). ``fields`` has the names that IANA, or the sFlow specification, gives them.
    ``offset`` is the octet of the datagram where the record begins.
    """

    kind: str
    fields: dict[str, Value]
    offset: int


@dataclass(frozen=True, slots=True)
class Message:
    """One datagram as it was understood.

    ``sequence`` is the number in its header, ``domain`` the observation domain, source id or
    sub-agent. ``uptime_ms`` is None in IPFIX, ``export_time_s`` None in sFlow.
    """

    protocol: str
    source: Source
    time_ns: int
    sequence: int = 0
    domain: int = 0
    uptime_ms: int | None = None
    export_time_s: int | None = None
    records: tuple[Record, ...] = ()
    faults: tuple[DecodeError, ...] = ()
    lost: int = 0
    """How much the sequence says was lost before it: datagrams, in IPFIX data records."""


class Faults:
    """The faults of one datagram; a hostile one cannot fill more than a bounded list."""

    def __init__(self) -> None:
        self.found: list[DecodeError] = []

    def add(self, code: str, message: str, offset: int = 0) -> None:
        """Report a fault that decoding can go on after."""
        self.append(DecodeError(code, message, offset))

    def append(self, fault: DecodeError) -> None:
        """Report a fault that was raised."""
        if len(self.found) < _MAX_FAULTS:
            self.found.append(fault)
        elif len(self.found) == _MAX_FAULTS:
            self.found.append(DecodeError("more-faults", "the rest is not listed", fault.offset))
