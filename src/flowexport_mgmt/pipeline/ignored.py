"""Sampled packets that were lost before they could be metered."""

from __future__ import annotations

from typing import Final

import numpy as np

from flowexport_mgmt.records import SampleBatch
from flowexport_mgmt.records.flows import Ignored

_MODULUS: Final = 1 << 32
_MS: Final = 1_000_000  # nanoseconds


class IgnoredPackets:
    """Adds up what the drops of all samplers grew by since each of them was first seen."""

    def __init__(self) -> None:
        self.total = Ignored()
        self._drops: dict[int, tuple[int, int]] = {}  # by source: epoch, drops

    def take(self, batch: SampleBatch) -> None:
        """Look at the drops beside samples; those of a new epoch begin anew."""
        lost = 0
        for source in np.unique(batch.source).tolist():
            own = np.flatnonzero(batch.source == source)
            for row in (own[0], own[-1]):
                lost += self._follow(
                    source,
                    0 if batch.epoch is None else int(batch.epoch[row]),
                    int(batch.drops[row]),
                )
        if lost:
            self._add(lost, int(batch.time_ns[-1]) // _MS)

    def _follow(self, source: int, epoch: int, drops: int) -> int:
        known = self._drops.get(source)
        self._drops[source] = epoch, drops
        if known is None:
            return 0
        return drops if known[0] != epoch else (drops - known[1]) % _MODULUS

    def _add(self, lost: int, time_ms: int) -> None:
        before = self.total
        self.total = Ignored(before.packets + lost, before.first_ms or time_ms, time_ms)
