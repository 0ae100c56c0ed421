"""Which of two paths of a prefix is the better one (RFC 4271, section 9.1.2.2)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.enrich.rib_memory import Memory
from flowexport_mgmt.rib.columns import grow
from flowexport_mgmt.rib.facts import Facts
from flowexport_mgmt.rib.slots import Mask

Columns = tuple[NDArray[Any], ...]

_FIRST_SOURCES: Final = 64


class Preference:
    """What is known of the sources of one address family, by the number of the source."""

    def __init__(self, memory: Memory) -> None:
        self._neighbour_as = memory.neighbour_as
        self.usable = np.zeros(_FIRST_SOURCES, np.bool_)
        """Whether its paths count at all."""
        self.kind = np.zeros(_FIRST_SOURCES, np.uint8)
        """The lower the better: first of all."""
        self.era = np.zeros(_FIRST_SOURCES, np.uint16)
        """Grows with each session; a path of an earlier one is stale, and worse than others."""
        self.lost = np.zeros(_FIRST_SOURCES, np.bool_)
        """Whether there is no session, so that all paths are stale."""
        self.tie = np.zeros(_FIRST_SOURCES, np.uint64)
        """The lower the better: when all else is equal."""

    def make_room(self, sources: int) -> None:
        """Have columns for so many sources."""
        if sources > len(self.usable):
            for name in ("usable", "kind", "era", "lost", "tie"):
                setattr(self, name, grow(getattr(self, name), 2 * sources))

    def is_better(self, one: Columns, other: Columns, facts: Facts) -> Mask:
        """Tell which paths are better than others: source, era, facts and identifier of each.

        The discriminator (MULTI_EXIT_DISC) is compared among routes of one neighbouring AS.
        """
        mine, theirs = one[2], other[2]
        same_neighbour = self._neighbour_as[mine] == self._neighbour_as[theirs]
        better = np.zeros(len(mine), np.bool_)
        undecided = np.ones(len(mine), np.bool_)
        for left, right in (
            (self._class(one), self._class(other)),
            (facts.rank[mine], facts.rank[theirs]),
            (
                np.where(same_neighbour, facts.med[mine], 0),
                np.where(same_neighbour, facts.med[theirs], 0),
            ),
            (facts.tie[mine], facts.tie[theirs]),
            (self.tie[one[0]], self.tie[other[0]]),
            (one[3], other[3]),
        ):
            better |= undecided & (left < right)
            undecided &= left == right
        return better

    def _class(self, paths: Columns) -> NDArray[np.uint16]:
        """Give what comes before all that is said of a route: where it is from, and how fresh."""
        source, era = paths[0], paths[1]
        is_stale = self.lost[source] | (self.era[source] != era)
        return np.asarray(self.kind[source].astype(np.uint16) << 1 | is_stale)
