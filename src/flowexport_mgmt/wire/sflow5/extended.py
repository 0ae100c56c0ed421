"""Reading what samples hold beside counters of interfaces and packets' first octets."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Final

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire.messages import Value
from flowexport_mgmt.wire.sflow5.structures import HOST_CPU, STRUCTURES, Structure
from flowexport_mgmt.wire.sflow5.xdr import Reader

ReadRecord = Callable[[Reader, dict[str, Value]], None]

_ADDRESS_SIZES: Final = {0: 0, 1: 4, 2: 16}
_AS_SET, _AS_SEQUENCE = 1, 2


def _read_switch(record: Reader, fields: dict[str, Value]) -> None:
    names = ("srcVlan", "srcPriority", "dstVlan", "dstPriority")
    fields.update(zip(names, record.unsigned(4), strict=True))


def _read_router(record: Reader, fields: dict[str, Value]) -> None:
    fields["nextHop"] = _read_address(record)
    fields["srcMask"], fields["dstMask"] = record.unsigned(2)


def _read_gateway(record: Reader, fields: dict[str, Value]) -> None:
    fields["bgpNextHop"] = _read_address(record)
    fields["as"], fields["srcAs"], fields["srcPeerAs"], segments = record.unsigned(4)
    fields["dstAsPath"] = " ".join(
        _read_segment(record) for _ in range(_bound(record, segments, 8))
    )
    (count,) = record.unsigned(1)
    communities = record.unsigned(_bound(record, count, 4))
    fields["communities"] = " ".join(f"{each >> 16}:{each & 0xFFFF}" for each in communities)
    (fields["localPref"],) = record.unsigned(1)


def _read_segment(record: Reader) -> str:
    """Read a segment of an AS path; a set stands in braces."""
    kind, count = record.unsigned(2)
    if kind not in {_AS_SET, _AS_SEQUENCE}:
        raise DecodeError("as-path", f"segment type {kind} is not 1 or 2", record.at - 8)
    systems = " ".join(map(str, record.unsigned(_bound(record, count, 4))))
    return systems if kind == _AS_SEQUENCE else f"{{{systems}}}"


def _read_address(record: Reader) -> str | None:
    (kind,) = record.unsigned(1)
    size = _ADDRESS_SIZES.get(kind)
    if size is None:
        raise DecodeError("address-type", f"address type {kind} is not 0, 1 or 2", record.at - 4)
    return str(ipaddress.ip_address(record.octets(size))) if size else None


def _read_description(record: Reader, fields: dict[str, Value]) -> None:
    fields["hostname"] = _read_string(record)
    fields["uuid"] = record.octets(16).hex()
    fields["machineType"], fields["osName"] = record.unsigned(2)
    fields["osRelease"] = _read_string(record)


def _read_adapters(record: Reader, fields: dict[str, Value]) -> None:
    (count,) = record.unsigned(1)
    for number in range(_bound(record, count, 8)):
        ifindex, addresses = record.unsigned(2)
        texts = [record.octets(6).hex(":") for _ in range(_bound(record, addresses, 8))]
        fields[f"adapter{number + 1}"] = " ".join((str(ifindex), *texts))


def _read_string(record: Reader) -> str:
    (length,) = record.unsigned(1)
    return record.octets(_bound(record, length, 1)).decode(errors="replace")


def _bound(record: Reader, count: int, width: int) -> int:
    """Refuse a count of things of ``width`` octets for which no room is left."""
    if count * width > record.left:
        message = f"{count} times {width} octets with {record.left} left"
        raise DecodeError("record-count", message, record.at - 4)
    return count


def _make_reader(structure: Structure) -> ReadRecord:
    layout = structure.layout

    def read(record: Reader, fields: dict[str, Value]) -> None:
        fields.update(structure.decode(record.unpack(layout)))

    return read


def _read_cpu(record: Reader, fields: dict[str, Value]) -> None:
    """Read what an agent says of its processors; newer ones add times of virtual machines."""
    _make_reader(STRUCTURES[HOST_CPU])(record, fields)
    if record.left:
        names = ("cpuSteal", "cpuGuest", "cpuGuestNice")
        fields.update(zip(names, record.unsigned(3), strict=True))


def _read_word(name: str) -> ReadRecord:
    def read(record: Reader, fields: dict[str, Value]) -> None:
        (fields[name],) = record.unsigned(1)

    return read


FLOW_READERS: Final[dict[int, ReadRecord]] = {
    1001: _read_switch,
    1002: _read_router,
    1003: _read_gateway,
    1036: _read_word("egressQueue"),
    1039: _read_word("transitDelay"),
    1040: _read_word("queueDepth"),
}
"""Readers of records in flow samples, by format."""

COUNTER_READERS: Final[dict[int, ReadRecord]] = {
    2000: _read_description,
    2001: _read_adapters,
    **{format_: _make_reader(structure) for format_, structure in STRUCTURES.items()},
    HOST_CPU: _read_cpu,
}
"""Readers of records in counter samples, by format."""
