"""Moving pieces of different lengths, and spreading them over pages."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowexport_mgmt.errors import EncodeError
from flowexport_mgmt.wire import ragged


@given(st.lists(st.tuples(st.binary(max_size=300), st.integers(0, 9)), max_size=30))
def test_every_piece_arrives_and_nothing_else_is_touched(pieces: list[tuple[bytes, int]]) -> None:
    source, target, at, to = bytearray(), bytearray(), [], []
    for piece, gap in pieces:
        source += b"\xaa" * gap
        at.append(len(source))
        source += piece
        target += b"\xbb" * (9 - gap)
        to.append(len(target))
        target += piece
    into = np.full(len(target), 0xBB, np.uint8)
    ragged.copy(
        into,
        np.array(to, np.int64),
        np.frombuffer(bytes(source), np.uint8),
        np.array(at, np.int64),
        np.array([len(piece) for piece, _ in pieces], np.int64),
    )
    assert into.tobytes() == bytes(target)


def test_a_piece_outside_of_its_buffer_is_refused() -> None:
    numbers = [np.array([value], np.int64) for value in (0, 90, 16)]
    octets = np.zeros(100, np.uint8)
    with pytest.raises(IndexError):
        ragged.copy(octets, numbers[0], octets, numbers[1], numbers[2])


def one_after_the_other(sizes: list[int], room: int) -> list[int]:
    counts: list[int] = []
    used = room + 1
    for size in sizes:
        if used + size > room:
            counts.append(0)
            used = 0
        counts[-1] += 1
        used += size
    return counts


@given(st.lists(st.integers(1, 200), max_size=80), st.integers(200, 1000))
def test_pages_are_as_full_as_they_may_be(sizes: list[int], room: int) -> None:
    counts = ragged.page(np.array(sizes, np.int64), room)
    assert counts.tolist() == one_after_the_other(sizes, room)


def test_a_piece_larger_than_a_page_is_refused() -> None:
    with pytest.raises(EncodeError, match="201 octets"):
        ragged.page(np.array([5, 201], np.int64), 200)
