"""What a decoder remembers of each exporter, within bounds that no sender can move."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from flowexport_mgmt.wire.messages import Faults

SESSION_WEIGHT: Final = 4
"""What a session without entries weighs: it takes the memory of some entries."""

_MODULUS: Final = 1 << 32
_LATE: Final = 64  # a number that lies farther behind is no late or repeated datagram
_FIRST: Final = 1  # sFlow begins with 1, the others with 0


class _Weighed(Protocol):
    @property
    def weight(self) -> int:
        """How many entries the session holds."""


S = TypeVar("S", bound=_Weighed)


class Sessions(Generic[S]):
    """Sessions by key; past ``budget`` entries in all the least recently heard is forgotten."""

    def __init__(self, make: Callable[[], S], budget: int) -> None:
        self._make = make
        self._budget = budget
        self._sessions: OrderedDict[Hashable, S] = OrderedDict()
        self._weights: dict[Hashable, int] = {}
        self._total = 0

    def open(self, key: Hashable) -> S:
        """Find a session, or begin it."""
        if key not in self._sessions:
            self._sessions[key] = self._make()
        self._sessions.move_to_end(key)
        return self._sessions[key]

    def settle(self, key: Hashable) -> None:
        """Weigh a session again after a datagram, and forget others while there is too much."""
        weight = SESSION_WEIGHT + self._sessions[key].weight
        self._total += weight - self._weights.get(key, 0)
        self._weights[key] = weight
        while self._total > self._budget and len(self._sessions) > 1:
            oldest, _ = self._sessions.popitem(last=False)
            self._total -= self._weights.pop(oldest)

    def __len__(self) -> int:
        """Count the sessions."""
        return len(self._sessions)


class Step(NamedTuple):
    """What a sequence number says of those before it."""

    lost: int
    late: bool


@dataclass(slots=True)
class Sequence:
    """A sequence number modulo 2^32, and what it should be next.

    A number that lies behind is late, and changes nothing, unless it tells of a restart: it is a
    first number and not the latest again, it lies far behind, or it follows on a late one.
    """

    expected: int | None = None
    _latest: int | None = None
    _after_late: int | None = None

    def check(self, number: int, advance: int | None, faults: Faults, *, what: str) -> Step:
        """Compare a received number with the expected one.

        Args:
            number: as received.
            advance: by how much the next number is greater; None when that cannot be told.
            faults: where a gap, a late number or a restart is reported.
            what: the thing that is numbered, for the message.

        Returns:
            How many numbers are missing before this one, and whether it came late.
        """
        ahead = 0 if self.expected is None else modular(number, self.expected)
        following = None if advance is None else (number + advance) % _MODULUS
        if ahead > 0:
            faults.add("sequence-gap", f"{ahead} {what} lost before number {number}")
        elif ahead < 0 and self._restarted(number, ahead):
            faults.add("sequence-restart", f"the number of {what} fell back to {number}")
        elif ahead < 0:
            faults.add("sequence-late", f"number {number} of {what} again or out of order")
            self._after_late = following
            return Step(0, late=True)
        self.expected, self._latest, self._after_late = following, number, None
        return Step(max(ahead, 0), late=False)

    def _restarted(self, number: int, ahead: int) -> bool:
        if number == self._latest:
            return False
        return ahead < -_LATE or number <= _FIRST or number == self._after_late


def modular(a: int, b: int) -> int:
    """Subtract modulo 2^32 into the range -2^31 .. 2^31 - 1."""
    return (a - b + _MODULUS // 2) % _MODULUS - _MODULUS // 2
