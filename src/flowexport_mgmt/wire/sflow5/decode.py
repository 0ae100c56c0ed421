"""Strict decoder of sFlow v5 datagrams (sFlow Version 5, section 5)."""

from __future__ import annotations

import functools
import ipaddress
from dataclasses import dataclass, field
from typing import Final

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire.messages import Faults, Message, Record, Source, Value
from flowexport_mgmt.wire.sessions import Sequence, Sessions, modular
from flowexport_mgmt.wire.sflow5.records import COUNTER_RECORDS, FLOW_RECORDS, RecordTable
from flowexport_mgmt.wire.sflow5.xdr import Reader

PROTOCOL: Final = "sflow"
_VERSION: Final = 5
_ADDRESS_SIZES: Final = {1: 4, 2: 16}
_BUDGET: Final = 65_536  # sessions and their sources, all told


@dataclass(slots=True)
class _Session:
    """One agent and sub-agent: its datagrams and each source's samples."""

    datagrams: Sequence = field(default_factory=Sequence)
    uptime_ms: int | None = None
    sources: dict[tuple[str, int, int], Sequence] = field(default_factory=dict)

    @property
    def weight(self) -> int:
        return len(self.sources)


@dataclass(slots=True)
class _Datagram:
    """The datagram under way."""

    session: _Session
    faults: Faults
    records: list[Record] = field(default_factory=list)


class Decoder:
    """Decodes the datagrams of any number of agents and watches over their sequences."""

    def __init__(self) -> None:
        self._sessions = Sessions(_Session, _BUDGET)

    def receive(self, data: bytes, source: Source, now_ns: int) -> Message:
        """Decode one datagram; whatever is wrong with it is in the message's ``faults``."""
        faults = Faults()
        message = functools.partial(Message, PROTOCOL, source, now_ns)
        reader = Reader(data)
        try:
            agent = _read_agent(reader)
            sub_agent, sequence, uptime, samples = reader.unsigned(4)
        except DecodeError as fault:
            return message(faults=(fault,))
        key = (source[0], agent, sub_agent)
        session = self._sessions.open(key)
        lost = _check_header(session, sequence, uptime, faults)
        datagram = _Datagram(session, faults)
        try:
            _read_samples(reader, samples, datagram)
        except DecodeError as fault:
            faults.append(fault)
        self._sessions.settle(key)
        return message(
            sequence=sequence,
            domain=sub_agent,
            uptime_ms=uptime,
            records=tuple(datagram.records),
            faults=tuple(faults.found),
            lost=lost,
        )


def _read_agent(reader: Reader) -> str:
    version, address_type = reader.unsigned(2)
    if version != _VERSION:
        raise DecodeError("version", f"sFlow version {version} is not 5")
    size = _ADDRESS_SIZES.get(address_type)
    if size is None:
        raise DecodeError("agent-address", f"address type {address_type} is not 1 or 2", 4)
    return str(ipaddress.ip_address(bytes(reader.octets(size))))


def _check_header(session: _Session, sequence: int, uptime: int, faults: Faults) -> int:
    """Check sequence and clock; an agent whose uptime and sequence both began anew restarted."""
    turned = session.uptime_ms is not None and modular(uptime, session.uptime_ms) < 0
    if turned and sequence <= 1:
        session.datagrams = Sequence()
        session.sources.clear()
        turned = False
    step = session.datagrams.check(sequence, 1, faults, what="datagrams")
    if turned and not step.late:
        faults.add("uptime-back", f"the uptime fell back to {uptime} ms")
    if not step.late:
        session.uptime_ms = uptime
    return step.lost


def _read_samples(reader: Reader, count: int, datagram: _Datagram) -> None:
    for _ in range(count):
        offset = reader.at
        kind, length = reader.unsigned(2)
        sample = reader.part(length, "sample-length")
        read = _SAMPLES.get(kind)
        if read is not None:
            _isolate(read, sample, datagram, offset)
    reader.finish("datagram-length", f"the last of {count} samples")


def _isolate(read: _ReadSample, sample: Reader, datagram: _Datagram, offset: int) -> None:
    """Read one sample; a fault inside it does not hide the samples that follow."""
    try:
        read(sample, datagram, offset)
    except DecodeError as fault:
        datagram.faults.append(fault)


class _ReadSample:
    """Reads samples of one format: compact (one word a data source or interface) or expanded."""

    def __init__(self, kind: str, table: RecordTable, *, expanded: bool) -> None:
        self._kind = kind
        self._table = table
        self._expanded = expanded

    def __call__(self, sample: Reader, datagram: _Datagram, offset: int) -> None:
        (sequence,) = sample.unsigned(1)
        source_type, source_index = self._read_pair(sample, 24)
        fields: dict[str, Value] = {
            "sampleSequence": sequence,
            "sourceType": source_type,
            "sourceIndex": source_index,
        }
        if self._kind == "flow-sample":
            self._read_sampling(sample, fields)
        (count,) = sample.unsigned(1)
        datagram.records.append(Record(self._kind, fields, offset))
        _check_source(datagram, (self._kind, source_type, source_index), sequence)
        self._table.read(sample, count, fields, datagram.faults)
        sample.finish("sample-length", f"the last of {count} records")

    def _read_pair(self, sample: Reader, bits: int) -> tuple[int, int]:
        if self._expanded:
            high, low = sample.unsigned(2)
            return high, low
        (word,) = sample.unsigned(1)
        return word >> bits, word & ((1 << bits) - 1)

    def _read_sampling(self, sample: Reader, fields: dict[str, Value]) -> None:
        names = ("samplingRate", "samplePool", "drops")
        fields.update(zip(names, sample.unsigned(3), strict=True))
        for name in ("input", "output"):
            fields[f"{name}Format"], fields[name] = self._read_pair(sample, 30)


_SAMPLES: Final = {
    1: _ReadSample("flow-sample", FLOW_RECORDS, expanded=False),
    2: _ReadSample("counter-sample", COUNTER_RECORDS, expanded=False),
    3: _ReadSample("flow-sample", FLOW_RECORDS, expanded=True),
    4: _ReadSample("counter-sample", COUNTER_RECORDS, expanded=True),
}
"""Samples of enterprise 0 by format; others are stepped over."""


def _check_source(datagram: _Datagram, source: tuple[str, int, int], number: int) -> None:
    """Check a source's own sequence, which begins anew when its counters do."""
    sources = datagram.session.sources
    if number <= 1 or (source not in sources and len(sources) < _BUDGET):
        sources[source] = Sequence()
    if source in sources:
        kind, source_type, index = source
        what = f"{kind}s of source {source_type}:{index}"
        sources[source].check(number, 1, datagram.faults, what=what)
