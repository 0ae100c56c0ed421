"""Numbering the samples of each source (sFlow Version 5, section 5: sequence_number)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.records.samples import SampleBatch


class SampleSequences:
    """Sequence numbers of one agent's flow samples; each source has its own, from 1 on.

    They begin anew when the source's pool and drops do, which a new ``epoch`` tells.
    """

    def __init__(self) -> None:
        self._sources: dict[int, tuple[int, int]] = {}  # epoch and last number by source

    def assign(self, batch: SampleBatch) -> NDArray[np.uint32]:
        """Give the samples of a batch their numbers, which count as used from here on."""
        order, begins = _streams(batch)
        ends = np.append(begins[1:], len(batch))
        numbers = np.arange(1, len(batch) + 1)
        heads = begins if order is None else order[begins]
        sources = batch.source[heads].tolist()
        epochs = [0] * len(heads) if batch.epoch is None else batch.epoch[heads].tolist()
        counts = ends - begins
        bases = [
            self._advance(source, epoch, count)
            for source, epoch, count in zip(sources, epochs, counts.tolist(), strict=True)
        ]
        numbers += np.repeat(np.array(bases, np.int64) - begins, counts)
        if order is None:
            return numbers.astype(np.uint32)
        assigned = np.empty(len(batch), np.uint32)
        assigned[order] = numbers.astype(np.uint32)
        return assigned

    def _advance(self, source: int, epoch: int, count: int) -> int:
        """Give a stream's last number, and add to it."""
        known, last = self._sources.get(source, (epoch, 0))
        if known != epoch:
            last = 0
        self._sources[source] = epoch, (last + count) & 0xFFFFFFFF
        return last


def _streams(batch: SampleBatch) -> tuple[NDArray[np.int64] | None, NDArray[np.int64]]:
    """Put samples of one source and epoch next to each other: their order, and where each begins.

    The order is None where they are in it. The first epoch of a source comes first.
    """
    source, epoch = batch.source, batch.epoch
    if not len(source):
        return None, np.zeros(0, np.int64)
    order = None
    if (source != source[0]).any():
        order = np.argsort(_narrow(source), kind="stable")
        source = source[order]
        epoch = None if epoch is None else epoch[order]
    changes = source[1:] != source[:-1]
    if epoch is not None:
        changes |= epoch[1:] != epoch[:-1]
    return order, np.concatenate(([0], np.flatnonzero(changes) + 1))


def _narrow(values: NDArray[np.uint32]) -> NDArray[Any]:
    """Give numbers in the same order, of 16 bits where that is enough: those sort much faster."""
    low = values.min()
    return (values - low).astype(np.uint16) if values.max() - low < 1 << 16 else values
