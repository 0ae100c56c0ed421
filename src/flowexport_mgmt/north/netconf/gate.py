"""Who may try to log in, and when: a bound on strangers before a single octet is exchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from flowexport_mgmt.north.failures import source_of

GRACE: Final = 2.0
"""Seconds that a stranger may take while others wait; a client that means it needs a fraction."""

MAX_WAITING: Final = 128
"""Strangers that may wait for their turn, so that many can come at once."""


@dataclass(eq=False, slots=True)
class Visitor:
    """A connection that has not logged in.

    ``admit`` is called when its turn has come, ``dismiss`` when it has to go, before or after that.
    """

    address: str
    admit: Callable[[], None]
    dismiss: Callable[[], None]
    since: float = 0.0

    @property
    def source(self) -> str:
        """What counts as one source: an IPv4 address, or an IPv6 /64, all of one host's."""
        return source_of(self.address)


class Gate:
    """Admits strangers up to ``limit`` at once, the others after them, and keeps nobody out.

    One source has half of the places at most. While others wait for a place, whoever has had his
    for longer than GRACE gives it up: the oldest of the waiting one's own source when that has its
    share, else the oldest of the source that has most. Those who wait are admitted one source
    after another, the latest first, since the earliest of a flood will never log in; when too many
    wait, the oldest of the source that has most is turned away. So silent connections, however
    many, cost a client that logs in a moment and not its place.

    Nothing here knows a clock: ``now`` is in seconds, and `due` says when `move` is to be called.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.due: float | None = None
        self._inside = _Crowd()
        self._waiting = _Crowd()

    @property
    def inside(self) -> int:
        """The strangers that were admitted and have not logged in."""
        return len(self._inside)

    @property
    def waiting(self) -> int:
        """The strangers whose turn has not come."""
        return len(self._waiting)

    def arrive(self, visitor: Visitor, now: float) -> None:
        """Let a stranger in, now or later."""
        self._waiting.add(visitor)
        self.move(now)
        if len(self._waiting) > MAX_WAITING:
            oldest = self._waiting.oldest_of_most()
            self._waiting.remove(oldest)
            oldest.dismiss()

    def leave(self, visitor: Visitor, now: float) -> None:
        """Let a stranger out: it logged in, or is gone; a second time does nothing."""
        self._inside.remove(visitor)
        self._waiting.remove(visitor)
        self.move(now)

    def move(self, now: float) -> None:
        """Admit whoever may be admitted by now."""
        while self._admit_one(now):
            pass

    def close(self) -> None:
        """Send everybody away."""
        for visitor in (*self._waiting.all(), *self._inside.all()):
            self._waiting.remove(visitor)
            self._inside.remove(visitor)
            visitor.dismiss()
        self.due = None

    def _admit_one(self, now: float) -> bool:
        self.due = None
        for visitor in sorted(self._waiting.newest(), key=self._has_inside):
            blocker = self._blocker(visitor)
            if blocker is not None and blocker.since + GRACE > now:
                due = blocker.since + GRACE
                self.due = due if self.due is None else min(self.due, due)
                continue
            if blocker is not None:
                self._inside.remove(blocker)
                blocker.dismiss()
            self._waiting.remove(visitor)
            self._inside.add(visitor)
            visitor.since = now
            visitor.admit()
            return True
        return False

    def _has_inside(self, visitor: Visitor) -> int:
        return self._inside.count(visitor.source)

    def _blocker(self, visitor: Visitor) -> Visitor | None:
        """Give the one whose place a visitor would need, None where there is room."""
        if self._inside.count(visitor.source) >= max(1, self.limit // 2):
            return self._inside.oldest(visitor.source)
        if len(self._inside) >= self.limit:
            return self._inside.oldest_of_most()
        return None


class _Crowd:
    """Visitors by source, each source's in the order in which they came."""

    def __init__(self) -> None:
        self._sources: dict[str, dict[Visitor, None]] = {}
        self._total = 0

    def __len__(self) -> int:
        return self._total

    def add(self, visitor: Visitor) -> None:
        self._sources.setdefault(visitor.source, {})[visitor] = None
        self._total += 1

    def remove(self, visitor: Visitor) -> None:
        source = visitor.source
        if visitor in self._sources.get(source, {}):
            del self._sources[source][visitor]
            self._total -= 1
            if not self._sources[source]:
                del self._sources[source]

    def count(self, source: str) -> int:
        return len(self._sources.get(source, ()))

    def oldest(self, source: str) -> Visitor:
        return next(iter(self._sources[source]))

    def oldest_of_most(self) -> Visitor:
        return self.oldest(max(self._sources, key=self.count))

    def newest(self) -> list[Visitor]:
        """Give the latest of each source."""
        return [next(reversed(visitors)) for visitors in self._sources.values()]

    def all(self) -> Iterable[Visitor]:
        return [visitor for visitors in self._sources.values() for visitor in visitors]
