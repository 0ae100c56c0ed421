"""Numbering the samples of each source (sFlow Version 5, section 5: sequence_number)."""

from __future__ import annotations

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
        epochs = np.zeros(len(batch), np.uint32) if batch.epoch is None else batch.epoch
        keys = batch.source.astype(np.uint64) << 32 | epochs
        streams, stream, counts = np.unique(keys, return_inverse=True, return_counts=True)
        order = np.argsort(stream, kind="stable")
        begins = np.cumsum(counts) - counts
        within = np.empty(len(batch), np.int64)
        within[order] = np.arange(len(batch)) - np.repeat(begins, counts)
        bases = [
            self._advance(int(key), int(count)) for key, count in zip(streams, counts, strict=True)
        ]
        numbers = np.array(bases, np.int64)[stream] + within + 1
        return (numbers & 0xFFFFFFFF).astype(np.uint32)

    def _advance(self, key: int, count: int) -> int:
        """Give a stream's last number, and add to it."""
        source, epoch = key >> 32, key & 0xFFFFFFFF
        known, last = self._sources.get(source, (epoch, 0))
        if known != epoch:
            last = 0
        self._sources[source] = epoch, (last + count) & 0xFFFFFFFF
        return last
