from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import psample
from tests.support.psample import FAMILY, attribute, group_change, message, parse, recorded, sample

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire.psample import GroupChange, Parser


def test_what_linux_sent_is_read() -> None:
    messages = recorded()
    parsed = parse(messages)
    assert not parsed.malformed
    assert parsed.changes == (
        GroupChange(0, 5, True),
        GroupChange(1, 6, True),
        GroupChange(12, 8, True),
        GroupChange(13, 5, False),
    )
    rows = parsed.rows
    assert parsed.positions.tolist() == list(range(2, 12))
    assert rows["group"].tolist() == [6, 6, 5, 5, 6, 5, 5, 6, 5, 6]
    assert rows["in_if"].tolist() == [2 if group == 5 else 0 for group in rows["group"]]
    assert rows["out_if"].tolist() == [2 if group == 6 else 0 for group in rows["group"]]
    assert rows["sequence"].tolist() == [0, 1, 0, 1, 2, 2, 3, 3, 4, 4]
    assert rows["size"].tolist() == [82] * 4 + [1042] * 2 + [42] * 2 + [98] * 2
    assert rows["length"].tolist() == [82] * 4 + [96] * 2 + [42] * 2 + [96] * 2
    assert rows["protocol"].tolist() == [0x0800] * 6 + [0x0806] * 2 + [0x0800] * 2
    assert set(rows["rate"].tolist()) == {1}
    assert set(rows["queue"].tolist()) == {0xFFFFFFFF}
    assert (np.diff(rows["time_ns"].astype(np.int64)) > 0).all()
    # The frames begin with their addresses, the ingress ones with those of this end.
    begins = np.cumsum([0, *map(len, messages)])[parsed.positions]
    buffer = b"".join(messages)
    assert (rows["at"] > begins).all()
    types = [buffer[at + 12 : at + 14].hex() for at in rows["at"]]
    assert types == ["0800"] * 6 + ["0806"] * 2 + ["0800"] * 2


def test_what_a_device_tells_of_its_queue_is_read() -> None:
    told = [
        attribute(psample.QUEUE, "H", 3),
        attribute(psample.DEPTH, "Q", 70_000),
        attribute(psample.LATENCY, "Q", 1 << 40),
    ]
    rows = parse([sample(1), sample(2, oif=9, more=told), sample(3)]).rows
    assert rows["queue"].tolist() == [0xFFFFFFFF, 3, 0xFFFFFFFF]
    assert rows["depth"].tolist() == [0xFFFFFFFF, 70_000, 0xFFFFFFFF]
    assert rows["latency"].tolist() == [0xFFFFFFFF] * 3  # what 32 bits cannot hold is saturated
    assert rows["out_if"].tolist() == [0, 9, 0]


def test_an_ifindex_of_32_bits_is_read() -> None:
    wide = message(
        [
            attribute(psample.IIFINDEX, "I", 70_001),
            attribute(psample.RATE, "I", 5),
            attribute(psample.ORIGSIZE, "I", 60),
            attribute(psample.GROUP, "I", 1),
            attribute(psample.SEQUENCE, "I", 0),
            attribute(psample.DATA, "4s", b"abcd"),
        ]
    )
    (row,) = parse([wide]).rows
    assert (row["in_if"], row["time_ns"], row["protocol"]) == (70_001, 0, 0)


def test_what_follows_the_packet_is_skipped() -> None:
    plain = sample(7)
    tunnel = attribute(psample.TUNNEL | 0x8000, "20s", bytes(20))
    length = len(plain) + len(tunnel)
    with_tunnel = struct.pack("=I", length) + plain[4:] + tunnel
    rows = parse([plain, with_tunnel]).rows
    assert rows["sequence"].tolist() == [7, 7]
    assert rows["length"].tolist() == [60, 60]


def test_a_packet_that_was_cut_by_the_buffer_keeps_what_is_there() -> None:
    whole = sample(1, data=bytes(range(200)))
    rows = parse([whole[:-120], sample(2)]).rows
    assert rows["length"].tolist() == [80, 60]


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        (b"", "message-length"),
        (sample(1)[:19], "message-length"),
        (struct.pack("=I", 12) + sample(1)[4:], "message-length"),
        (struct.pack("=I", 100) + sample(1)[4:], "message-length"),
        (message([], family=FAMILY + 1), "message-type"),
        (message([], command=1), "command"),
        (message([]), "missing-attribute"),
        (message([], command=2), "missing-attribute"),
        (message([attribute(psample.DATA, "4s", b"abcd")]), "missing-attribute"),
        (sample(1)[:60], "missing-attribute"),
        (message([attribute(psample.RATE, "H", 1)]), "attribute-length"),
        (message([struct.pack("=HH", 3, psample.RATE)]), "attribute-length"),
        (message([struct.pack("=HH", 400, psample.RATE)]), "attribute-length"),
    ],
)
def test_a_broken_message_harms_no_other(broken: bytes, code: str) -> None:
    parsed = parse([sample(1), broken, sample(2)], gap=8)
    assert parsed.rows["sequence"].tolist() == [1, 2]
    assert parsed.positions.tolist() == [0, 2]
    assert parsed.malformed == 1
    assert isinstance(parsed.error, DecodeError)
    assert parsed.error.code == code


def test_messages_keep_their_order_whatever_their_layouts() -> None:
    parser = Parser(FAMILY)
    mixed = [
        sample(number, iif=number % 2, oif=number % 3, more=[attribute(99, "I", 0)] * (number % 5))
        for number in range(60)
    ]
    for _ in range(3):  # more layouts than are remembered, known and unknown
        parsed = parse(mixed, parser)
        assert parsed.rows["sequence"].tolist() == list(range(60))
        assert parsed.rows["in_if"].tolist() == [number % 2 for number in range(60)]
        assert parsed.rows["out_if"].tolist() == [number % 3 for number in range(60)]


def test_nothing_is_no_samples() -> None:
    assert len(parse([]).rows) == 0
    assert parse([group_change(4, is_new=False)]).changes == (GroupChange(0, 4, False),)


@given(
    st.lists(
        st.tuples(st.integers(0, 1 << 16), st.binary(max_size=6)) | st.just((0, b"")), max_size=6
    ),
    st.integers(0, 3),
)
def test_any_octets_are_read_or_refused(edits: list[tuple[int, bytes]], repeat: int) -> None:
    """Real messages with octets changed anywhere: nothing but DecodeError, and no row too many."""
    octets = bytearray(b"".join(recorded()[2:8]))
    for at, change in edits:
        begin = at % len(octets)
        octets[begin : begin + len(change)] = change[: len(octets) - begin]
    buffer = np.frombuffer(bytes(octets), np.uint8)
    size = 168
    offsets = np.arange(0, len(buffer) - size, size // 2, dtype=np.int64)
    lengths = np.minimum(size, len(buffer) - offsets)
    parser = Parser(FAMILY)
    for _ in range(repeat + 1):
        parsed = parser.parse(buffer, offsets, lengths)
        assert len(parsed.rows) + parsed.malformed + len(parsed.changes) == len(offsets)
        ends = parsed.rows["at"] + parsed.rows["length"]
        assert (parsed.rows["length"] >= 0).all()
        assert (ends <= (offsets + lengths)[parsed.positions]).all()
