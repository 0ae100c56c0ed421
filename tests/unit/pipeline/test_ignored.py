"""What sampling lost, from the drops beside the samples."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.flows import sample_batch
from tests.support.wire import NOW_NS

from flowexport_mgmt.pipeline.ignored import IgnoredPackets
from flowexport_mgmt.records.flows import Ignored

MS = NOW_NS // 10**6
Row = dict[str, Any]


def lost(*batches: list[Row]) -> int:
    ignored = IgnoredPackets()
    for rows in batches:
        ignored.take(sample_batch(rows))
    return ignored.total.packets


@pytest.mark.parametrize(
    ("batches", "expected"),
    [
        ([[{"drops": 7}], [{"drops": 7}]], 0),  # what was lost before counts for nobody
        ([[{"drops": 7}], [{"drops": 9}, {"drops": 12}]], 5),
        ([[{"drops": 7}, {"drops": 8}, {"drops": 20}]], 13),
        ([[{"drops": 2**32 - 1}], [{"drops": 3}]], 4),
        ([[{"drops": 9, "epoch": 1}], [{"drops": 2, "epoch": 2}]], 2),
        (
            [[{"source": 1, "drops": 1}, {"source": 2, "drops": 50}], [{"source": 2, "drops": 51}]],
            1,
        ),
        ([[], [{"drops": 4}]], 0),
    ],
)
def test_drops_are_added_up(batches: list[list[Row]], expected: int) -> None:
    assert lost(*batches) == expected


def test_the_first_and_the_last_loss_are_dated() -> None:
    ignored = IgnoredPackets()
    ignored.take(sample_batch([{"drops": 1}]))
    assert ignored.total == Ignored()
    for drops in (2, 5):
        ignored.take(sample_batch([{"drops": drops}]))
    assert ignored.total == Ignored(4, MS, MS)
