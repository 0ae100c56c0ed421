"""Records that stay columns until they are written."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.wire import NOW_NS

from flowexport_mgmt.records import Datagrams
from flowexport_mgmt.wire import ipfix
from flowexport_mgmt.wire.columns import Columns
from flowexport_mgmt.wire.templates import DataSet, Template, template

LAYOUT = template(300, (7, 2), (1, 8), (4, 1), (10, 4))


def columns(count: int) -> Columns:
    """Make records of one column, one constant, one column of another width, and a field of 0."""
    numbers = np.arange(count, dtype=np.uint64)
    pairs = (
        ("sourceTransportPort", numbers.astype(np.uint32) * np.uint32(77)),
        ("octetDeltaCount", numbers << np.uint64(40)),
        ("protocolIdentifier", 17),
    )
    return Columns(LAYOUT.dtype, count, pairs)


def rows(count: int) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Make the same records row by row."""
    listed = [(at * 77 % 2**16, at << 40, 17, 0) for at in range(count)]
    return np.array(listed, LAYOUT.dtype)


def compose(*sets: Template | DataSet, max_size: int) -> Datagrams:
    return ipfix.compose(
        sets, domain=1, sequence=0, export_time_s=NOW_NS // 10**9, max_size=max_size
    )


@given(st.integers(0, 400), st.integers(64, 1500))
def test_they_page_as_rows_do(count: int, max_size: int) -> None:
    ours = compose(LAYOUT, DataSet(LAYOUT, columns(count)), max_size=max_size)
    theirs = compose(LAYOUT, DataSet(LAYOUT, rows(count)), max_size=max_size)
    assert ours == theirs


def test_more_than_a_block_of_them_page_as_rows_do() -> None:
    ours = compose(DataSet(LAYOUT, columns(20_000)), max_size=1400)
    assert ours == compose(DataSet(LAYOUT, rows(20_000)), max_size=1400)


@pytest.mark.parametrize("part", [slice(0, 0), slice(3, 7), slice(5), slice(9, None), slice(8, 3)])
def test_a_part_has_its_rows(part: slice) -> None:
    for of in (part, slice(1, 3)):
        assert columns(12)[part][of].tobytes() == rows(12)[part][of].tobytes()
    assert len(columns(12)[part]) == len(rows(12)[part])
