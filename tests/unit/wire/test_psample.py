from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import psample
from tests.support.psample import FAMILY, attribute, group_change, message, parse, recorded, sample

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire.psample import GroupChange, Parser, Samples


def packet(samples: Samples, row: int) -> bytes:
    begin = samples.at[row]
    return samples.octets[begin : begin + samples.length[row]].tobytes()


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
    samples = parsed.samples
    assert parsed.positions.tolist() == list(range(2, 12))
    assert samples.group.tolist() == [6, 6, 5, 5, 6, 5, 5, 6, 5, 6]
    assert samples.in_if.tolist() == [2 if group == 5 else 0 for group in samples.group]
    assert samples.out_if.tolist() == [2 if group == 6 else 0 for group in samples.group]
    assert samples.sequence.tolist() == [0, 1, 0, 1, 2, 2, 3, 3, 4, 4]
    assert samples.size.tolist() == [82] * 4 + [1042] * 2 + [42] * 2 + [98] * 2
    assert samples.length.tolist() == [82] * 4 + [96] * 2 + [42] * 2 + [96] * 2
    assert samples.protocol.tolist() == [0x0800] * 6 + [0x0806] * 2 + [0x0800] * 2
    assert set(samples.rate.tolist()) == {1}
    assert samples.queue is samples.depth is samples.latency is None
    assert (np.diff(samples.time_ns.astype(np.int64)) > 0).all()
    frames = [packet(samples, row) for row in range(len(samples))]
    assert all(messages[at].count(frame) for at, frame in zip(range(2, 12), frames, strict=True))
    types = [frame[12:14].hex() for frame in frames]
    assert types == ["0800"] * 6 + ["0806"] * 2 + ["0800"] * 2


def test_what_a_device_tells_of_its_queue_is_read() -> None:
    told = [
        attribute(psample.QUEUE, "H", 3),
        attribute(psample.DEPTH, "Q", 70_000),
        attribute(psample.LATENCY, "Q", 1 << 40),
    ]
    samples = parse([sample(1), sample(2, oif=9, more=told), sample(3)]).samples
    columns = [samples.queue, samples.depth, samples.latency]
    assert [None if column is None else column.tolist() for column in columns] == [
        [0xFFFFFFFF, 3, 0xFFFFFFFF],
        [0xFFFFFFFF, 70_000, 0xFFFFFFFF],
        [0xFFFFFFFF] * 3,  # what 32 bits cannot hold is saturated
    ]
    assert samples.out_if.tolist() == [0, 9, 0]


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
    read = parse([wide]).samples
    assert [c.tolist() for c in (read.in_if, read.time_ns, read.protocol)] == [[70_001], [0], [0]]


def test_what_follows_the_packet_is_skipped() -> None:
    plain = sample(7)
    tunnel = attribute(psample.TUNNEL | 0x8000, "20s", bytes(20))
    length = len(plain) + len(tunnel)
    with_tunnel = struct.pack("=I", length) + plain[4:] + tunnel
    samples = parse([plain, with_tunnel]).samples
    assert samples.sequence.tolist() == [7, 7]
    assert samples.length.tolist() == [60, 60]


def test_a_packet_that_was_cut_by_the_buffer_keeps_what_is_there() -> None:
    whole = sample(1, data=bytes(range(200)))
    samples = parse([whole[:-120], sample(2)]).samples
    assert samples.length.tolist() == [80, 60]


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
    assert parsed.samples.sequence.tolist() == [1, 2]
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
        assert parsed.samples.sequence.tolist() == list(range(60))
        assert parsed.samples.in_if.tolist() == [number % 2 for number in range(60)]
        assert parsed.samples.out_if.tolist() == [number % 3 for number in range(60)]


def test_nothing_is_no_samples() -> None:
    assert len(parse([]).samples) == 0
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
        assert len(parsed.samples) + parsed.malformed + len(parsed.changes) == len(offsets)
        assert (parsed.samples.length >= 0).all()
        for row, position in enumerate(parsed.positions.tolist()):
            begin = offsets[position]
            message = buffer[begin : begin + lengths[position]].tobytes()
            assert packet(parsed.samples, row) in message
