"""Strict decoder of NetFlow v5 export datagrams."""

from __future__ import annotations

import functools
import struct
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Final

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire.messages import Faults, Message, Record, Source, Value
from flowexport_mgmt.wire.netflow5.encode import MAX_RECORDS, VERSION
from flowexport_mgmt.wire.sessions import Sequence, Sessions, modular
from flowexport_mgmt.wire.times import Clock, check_times

PROTOCOL: Final = "netflow5"
_BUDGET: Final = 65_536  # sessions
_HEADER: Final = struct.Struct(">HHIIIIHH")
_RECORD: Final = struct.Struct(">IIIHHIIIIHHBBBBHHBBH")
_ADDRESSES: Final = 3  # the first fields
_FIELDS: Final = (
    "sourceIPv4Address",
    "destinationIPv4Address",
    "ipNextHopIPv4Address",
    "ingressInterface",
    "egressInterface",
    "packetDeltaCount",
    "octetDeltaCount",
    "flowStartSysUpTime",
    "flowEndSysUpTime",
    "sourceTransportPort",
    "destinationTransportPort",
    "",
    "tcpControlBits",
    "protocolIdentifier",
    "ipClassOfService",
    "bgpSourceAsNumber",
    "bgpDestinationAsNumber",
    "sourceIPv4PrefixLength",
    "destinationIPv4PrefixLength",
    "",
)
"""IANA's names of what a record holds; padding has none."""


@dataclass(slots=True)
class _Session:
    """One engine of one exporter."""

    sequence: Sequence = field(default_factory=Sequence)
    export_time_ns: int = 0
    uptime_ms: int | None = None
    weight: int = 0


class Decoder:
    """Decodes the datagrams of any number of exporters and watches over their sequences."""

    def __init__(self) -> None:
        self._sessions = Sessions(_Session, _BUDGET)

    def receive(self, data: bytes, source: Source, now_ns: int) -> Message:
        """Decode one datagram; whatever is wrong with it is in the message's ``faults``.

        The message's ``domain`` is engine type and engine id as one number of 16 bits. Records
        carry, beside what is in them, the header's ``samplingInterval`` and ``samplingMode``.
        """
        faults = Faults()
        message = functools.partial(Message, PROTOCOL, source, now_ns)
        if len(data) < _HEADER.size:
            return message(faults=(DecodeError("truncated", f"{len(data)} octets", len(data)),))
        version, count, uptime, seconds, nanos, sequence, engine, sampling = _HEADER.unpack_from(
            data
        )
        if version != VERSION:
            return message(faults=(DecodeError("version", f"version {version} is not 5"),))
        key = (source, engine)
        session = self._sessions.open(key)
        whole = _check_length(len(data), count, faults)
        step = session.sequence.check(sequence, count if whole else None, faults, what="records")
        if not step.late:
            _check_clock(session, seconds * 1_000_000_000 + nanos, uptime, faults)
        clock = Clock(seconds, uptime)
        records = _read_records(data, count, sampling, clock, faults)
        self._sessions.settle(key)
        return message(
            sequence=sequence,
            domain=engine,
            uptime_ms=uptime,
            export_time_s=seconds,
            records=records,
            faults=tuple(faults.found),
            lost=step.lost,
        )


def _check_length(length: int, count: int, faults: Faults) -> bool:
    """Compare the header's count with what is there; tell whether the two agree."""
    if not 1 <= count <= MAX_RECORDS:
        faults.add("count", f"{count} records, not 1 to {MAX_RECORDS}", 2)
    expected = _HEADER.size + count * _RECORD.size
    if length != expected:
        faults.add("message-length", f"{count} records need {expected} octets, not {length}", 2)
    return length == expected


def _check_clock(session: _Session, time_ns: int, uptime: int, faults: Faults) -> None:
    if time_ns < session.export_time_ns:
        faults.add("export-time-back", f"from {session.export_time_ns} to {time_ns} ns", 8)
    if session.uptime_ms is not None and modular(uptime, session.uptime_ms) < 0:
        faults.add("uptime-back", f"from {session.uptime_ms} to {uptime} ms", 4)
    session.export_time_ns, session.uptime_ms = time_ns, uptime


def _read_records(
    data: bytes, count: int, sampling: int, clock: Clock, faults: Faults
) -> tuple[Record, ...]:
    there = min(count, (len(data) - _HEADER.size) // _RECORD.size)
    records = []
    for number in range(there):
        offset = _HEADER.size + number * _RECORD.size
        fields = _read_record(data, offset, faults)
        fields["samplingMode"] = sampling >> 14
        fields["samplingInterval"] = sampling & 0x3FFF
        check_times(fields, clock, faults, offset)
        records.append(Record("data", fields, offset))
    return tuple(records)


def _read_record(data: bytes, offset: int, faults: Faults) -> dict[str, Value]:
    values = _RECORD.unpack_from(data, offset)
    fields: dict[str, Value] = {}
    for position, (name, value) in enumerate(zip(_FIELDS, values, strict=True)):
        if name:
            fields[name] = str(IPv4Address(value)) if position < _ADDRESSES else value
        elif value:
            faults.add("padding", f"padding is {value}, not 0", offset)
    return fields
