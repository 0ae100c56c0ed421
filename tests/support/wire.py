"""Counters to encode, datagrams made by hand, and the round trip that codec tests share."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from flowexport_mgmt.records import (
    COUNTER_DTYPE,
    ETHERNET_DTYPE,
    UNKNOWN64,
    CounterBatch,
    Datagrams,
)
from flowexport_mgmt.wire.decoder import Decoder
from flowexport_mgmt.wire.messages import Message, Record

NOW_NS = 1_800_000_000_123_456_789
SOURCE = ("192.0.2.7", 40_000)

COUNTERS = tuple(name for name in COUNTER_DTYPE.names or () if name.startswith(("in_", "out_")))


def counter_rows(rows: Iterable[Mapping[str, int]]) -> NDArray[np.void]:
    """Make rows of COUNTER_DTYPE; a counter that a row does not name is 0."""
    listed = list(rows)
    array = np.zeros(len(listed), COUNTER_DTYPE)
    for place, row in enumerate(listed):
        for name, value in row.items():
            array[place][name] = value
    return array


def ethernet_rows(rows: Iterable[Mapping[str, int]]) -> NDArray[np.void]:
    """Make rows of ETHERNET_DTYPE; a counter that a row does not name is unknown."""
    listed = list(rows)
    array = np.zeros(len(listed), ETHERNET_DTYPE)
    for made, row in zip(array, listed, strict=True):
        for name in ETHERNET_DTYPE.names or ():
            made[name] = row.get(name, UNKNOWN64) if name != "ifindex" else row[name]
    return array


def counter_batch(
    rows: Iterable[Mapping[str, int]], *, time_ns: int = NOW_NS, uptime_ms: int = 5_000_000_000
) -> CounterBatch:
    array = counter_rows(rows)
    names = tuple(f"eth{index}" for index in array["ifindex"])
    return CounterBatch(time_ns, uptime_ms, array, names, tuple(f"to {name}" for name in names))


def counter_strategy(*, unknown: bool = True) -> st.SearchStrategy[dict[str, int]]:
    """Draw the columns of an interface but its index."""
    small = st.integers(0, 2**32 - 1)
    counter = st.integers(0, 2**64 - 2)
    if unknown:
        counter |= st.just(UNKNOWN64)
    return st.fixed_dictionaries(
        {
            "iftype": small,
            "speed": st.integers(0, 2**64 - 1),
            "direction": st.integers(0, 2),
            "status": st.integers(0, 3),
            "promiscuous": st.integers(0, 2),
            **dict.fromkeys(COUNTERS, counter),
        }
    )


def numbered(rows: Sequence[Mapping[str, int]]) -> list[dict[str, int]]:
    """Give rows the interface indexes 1, 2, ..."""
    return [{**row, "ifindex": index} for index, row in enumerate(rows, 1)]


def decode(
    datagrams: Iterable[bytes | memoryview], decoder: Decoder | None = None
) -> list[Message]:
    """Decode datagrams of one exporter in their order."""
    used = decoder or Decoder()
    return [used.receive(bytes(data), SOURCE, NOW_NS) for data in datagrams]


def round_trip(datagrams: Datagrams, max_size: int) -> list[Record]:
    """Decode what was encoded: without a fault, within the size, counted as it says."""
    messages = decode(datagrams)
    assert [message.faults for message in messages] == [()] * len(datagrams)
    assert all(len(data) <= max_size for data in datagrams)
    assert tuple(len(message.records) for message in messages) == datagrams.records
    return [record for message in messages for record in message.records]


def fault_codes(messages: Iterable[Message]) -> list[str]:
    return [fault.code for message in messages for fault in message.faults]


def u16(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}H", *numbers)


def u32(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)


def one_set(set_id: int, body: bytes, length: int | None = None) -> bytes:
    """Make a set with a true length, or a claimed one."""
    return u16(set_id, 4 + len(body) if length is None else length) + body


def v9_packet(
    *sets: bytes,
    count: int,
    sequence: int = 0,
    uptime_ms: int = 100_000,
    seconds: int = 1_800_000_000,
    domain: int = 1,
) -> bytes:
    return u16(9, count) + u32(uptime_ms, seconds, sequence, domain) + b"".join(sets)


def v5_datagram(
    *records: bytes,
    count: int | None = None,
    sequence: int = 0,
    uptime: int = 100_000,
    seconds: int = 1_800_000_000,
    nanoseconds: int = 5,
) -> bytes:
    counted = len(records) if count is None else count
    times = u32(uptime, seconds, nanoseconds)
    return u16(5, counted) + times + u32(sequence) + u16(1, 0) + b"".join(records)


def v5_record(first: int = 90_000, last: int = 95_000, padding: tuple[int, int] = (0, 0)) -> bytes:
    addresses, counts = u32(1, 2, 3) + u16(4, 5), u32(6, 7, first, last)
    rest = u16(8, 9) + bytes([padding[0], 10, 11, 12]) + u16(13, 14) + bytes([15, 16])
    return addresses + counts + rest + u16(padding[1])


def ipfix_message(
    *sets: bytes,
    sequence: int = 0,
    seconds: int = 1_800_000_000,
    domain: int = 1,
    length: int | None = None,
) -> bytes:
    body = b"".join(sets)
    size = 16 + len(body) if length is None else length
    return u16(10, size) + u32(seconds, sequence, domain) + body


def sflow_datagram(
    *samples: bytes, sequence: int = 1, uptime_ms: int = 100_000, count: int | None = None
) -> bytes:
    counted = len(samples) if count is None else count
    head = u32(5, 1, 0xC0000201, 0, sequence, uptime_ms, counted)
    return head + b"".join(samples)


def sflow_record(format_: int, body: bytes, length: int | None = None) -> bytes:
    """Make a record, or a sample, with a true length or a claimed one."""
    return u32(format_, len(body) if length is None else length) + body
