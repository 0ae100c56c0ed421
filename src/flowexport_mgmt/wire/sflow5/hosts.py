"""Counter samples about a host (sFlow Host Structures)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple

import numpy as np

from flowexport_mgmt.errors import EncodeError
from flowexport_mgmt.records import Datagrams
from flowexport_mgmt.records.hosts import Adapter, HostCounters, HostDescription
from flowexport_mgmt.wire.sflow5.encode import COUNTERS_SAMPLE_EXPANDED
from flowexport_mgmt.wire.sflow5.headers import header_size, make_headers
from flowexport_mgmt.wire.sflow5.structures import STRUCTURES
from flowexport_mgmt.wire.templates import cut

HOST_DESCRIPTION: Final = 2000
HOST_ADAPTERS: Final = 2001
HOST_SOURCE: Final = (2, 1)
"""Source type (entPhysicalEntry) and index that stand for the host."""

_MAX_HOSTNAME: Final = 64
_MAX_RELEASE: Final = 32
_SAMPLE: Final = struct.Struct(">IIIIII")  # format, length, sequence, source, records
_RECORD: Final = struct.Struct(">II")  # format, length


class HostDatagrams(NamedTuple):
    """What became of a host's counters."""

    datagrams: Datagrams
    samples: int
    adapters_left_out: int


def encode_host_counters(
    host: HostCounters,
    *,
    agent: IPv4Address | IPv6Address,
    sub_agent_id: int,
    sequence: int,
    sample_sequence: int,
    uptime_ms: int,
    max_size: int,
) -> HostDatagrams:
    """Encode a host's counters, one sample to a datagram and as few as hold all records.

    The list of adapters is one record: what does not fit a datagram is left out, and counted.

    Args:
        host: the counters.
        agent: the agent address.
        sub_agent_id: tells agents that share an address apart.
        sequence: the sequence number of the first datagram; each datagram advances it by one.
        sample_sequence: the sequence number of the first sample; each advances it by one.
        uptime_ms: milliseconds since boot, sent modulo 2^32.
        max_size: octets of the largest datagram.

    Raises:
        EncodeError: a record other than the list of adapters does not fit a datagram.
    """
    room = (max_size & ~3) - header_size(agent) - _SAMPLE.size
    kept, records = _encode_records(host, room)
    groups = list(_group(records, room))
    headers = make_headers(
        np.ones(len(groups), np.int64),
        agent=agent,
        sub_agent_id=sub_agent_id,
        sequence=sequence,
        uptime_ms=uptime_ms,
    )
    chunks = [
        header.tobytes() + _encode_sample(group, sample_sequence + number)
        for number, (header, group) in enumerate(zip(headers, groups, strict=True))
    ]
    ends = np.cumsum([0, *map(len, chunks)])
    count = len(chunks)
    datagrams = Datagrams(b"".join(chunks), tuple(ends.tolist()), (1,) * count, (0,) * count)
    return HostDatagrams(datagrams, count, len(host.adapters) - kept)


def _encode_records(host: HostCounters, room: int) -> tuple[int, list[bytes]]:
    """Encode all records; tell how many adapters are in theirs."""
    records = []
    if host.description is not None:
        records.append(_record(HOST_DESCRIPTION, _encode_description(host.description)))
    adapters = _encode_adapters(host.adapters, room)
    if adapters:
        body = struct.pack(">I", len(adapters)) + b"".join(adapters)
        records.append(_record(HOST_ADAPTERS, body))
    for format_, values in sorted(host.counters.items()):
        records.append(_record(format_, STRUCTURES[format_].encode(values)))
    return len(adapters), records


def _encode_description(host: HostDescription) -> bytes:
    return (
        _string(cut(host.hostname, _MAX_HOSTNAME))
        + host.uuid
        + struct.pack(">II", host.machine_type, host.os_name)
        + _string(cut(host.os_release, _MAX_RELEASE))
    )


def _encode_adapters(adapters: Sequence[Adapter], room: int) -> list[bytes]:
    """Encode as many adapters as fit one record."""
    encoded: list[bytes] = []
    left = room - _RECORD.size - 4
    for adapter in adapters:
        addresses = b"".join(address.ljust(8, b"\0") for address in adapter.addresses)
        entry = struct.pack(">II", adapter.ifindex, len(adapter.addresses)) + addresses
        left -= len(entry)
        if left < 0:
            break
        encoded.append(entry)
    return encoded


def _group(records: Sequence[bytes], room: int) -> Iterator[list[bytes]]:
    """Put records together to samples of at most ``room`` octets."""
    group: list[bytes] = []
    size = 0
    for record in records:
        if len(record) > room:
            raise EncodeError(f"a counter record of {len(record)} octets does not fit {room}")
        if size + len(record) > room:
            yield group
            group, size = [], 0
        group.append(record)
        size += len(record)
    if group:
        yield group


def _encode_sample(records: Sequence[bytes], sequence: int) -> bytes:
    body = b"".join(records)
    length = _SAMPLE.size - 8 + len(body)
    source_type, index = HOST_SOURCE
    head = (COUNTERS_SAMPLE_EXPANDED, length, sequence & 0xFFFFFFFF, source_type, index)
    return _SAMPLE.pack(*head, len(records)) + body


def _record(format_: int, body: bytes) -> bytes:
    return _RECORD.pack(format_, len(body)) + body


def _string(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text + bytes(-len(text) % 4)
