"""From entries to records: nothing is told twice, nothing that grew is left out."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.records import FlowBatch
from flowexport_mgmt.sources.conntrack.batches import Grown, make_batches
from flowexport_mgmt.sources.conntrack.keys import make_keys
from flowexport_mgmt.sources.conntrack.table import FlowTable, Growth
from flowexport_mgmt.wire.conntrack import Entries

_S = 1_000_000_000  # nanoseconds


class Accounting:
    """Makes records of what the kernel says of its flows.

    Flows that are met for the first time have grown from nothing, with two exceptions, whose
    counters become a baseline and give no record: flows that began before ``started_ns``, and, if
    the kernel keeps no times, those of the first dump. The former are told by their time until the
    second whole dump; after that every flow that is met for the first time is new.

    Not thread-safe. Times are Unix nanoseconds.
    """

    def __init__(self, started_ns: int, seed: int) -> None:
        self.zones: Collection[int] = ()
        """Zones whose flows give records; none stands for all."""
        self.table = FlowTable()
        self.exported = 0
        """Records made: one per flow and direction that grew."""
        self._started_ns = started_ns
        self._seed = seed
        self._dumps = 0
        self._since = started_ns // _S
        self._begun = self._since

    def begin(self, now_ns: int) -> None:
        """Begin a dump."""
        self._begun = now_ns // _S
        self.table.begin()

    def see(self, found: Sequence[Entries], now_ns: int) -> list[FlowBatch]:
        """Take a piece of a dump; give records of what grew."""
        return self._account(found, now_ns, ended=False)

    def finish(self, *, whole: bool, aging: bool = True) -> int:
        """End a dump.

        Args:
            whole: whether every flow was in it.
            aging: whether a flow that was in neither of two such dumps is to be forgotten.

        Returns:
            How many flows were forgotten, of whose end nobody told.
        """
        if whole:
            self._dumps += 1
            self._since = self._begun
        return self.table.finish(whole=whole and aging)

    def end(self, found: Sequence[Entries], now_ns: int) -> list[FlowBatch]:
        """Take flows that ended; give records of what was left to tell."""
        return self._account(found, now_ns, ended=True)

    def _account(self, found: Sequence[Entries], now_ns: int, *, ended: bool) -> list[FlowBatch]:
        groups = [entries for entries in found if len(entries) and entries.ended == ended]
        if not groups:
            return []
        keys = np.concatenate([make_keys(entries, self._seed) for entries in groups])
        counters = np.concatenate([entries.counters() for entries in groups])
        known = np.concatenate([self._precedes(entries) for entries in groups])
        take = self.table.remove if ended else self.table.update
        batches = list(
            make_batches(self._select(groups, take(keys, counters, self._since, known)), now_ns)
        )
        self.exported += sum(map(_count_records, batches))
        return batches

    def _precedes(self, entries: Entries) -> NDArray[np.bool_]:
        """Tell which entries were there before anybody looked."""
        if entries.has("start_ns") and self._dumps < 2:
            earlier: NDArray[np.bool_] = entries.column("start_ns") < np.uint64(self._started_ns)
            return earlier
        return np.full(len(entries), self._dumps == 0 and not entries.has("start_ns"))

    def _select(self, groups: Sequence[Entries], growth: Growth) -> list[Grown]:
        """Take the rows that grew and are wanted."""
        ends = np.cumsum([len(entries) for entries in groups])
        bounds = [0, *np.searchsorted(growth.rows, ends).tolist()]
        selected = []
        for entries, end, first, last in zip(groups, ends, bounds, bounds[1:], strict=False):
            grew, counters, since = entries, growth.counters[first:last], growth.since[first:last]
            if len(counters) < len(entries):
                grew = entries.select(growth.rows[first:last] - (end - len(entries)))
            if self.zones:
                wanted = np.isin(grew.zones(), list(self.zones))
                grew, counters, since = grew.select(wanted), counters[wanted], since[wanted]
            selected.append(Grown(grew, counters, since))
        return selected


def _count_records(batch: FlowBatch) -> int:
    backward = 0 if batch.reverse_packets is None else np.count_nonzero(batch.reverse_packets)
    return int(np.count_nonzero(batch.packets) + backward)
