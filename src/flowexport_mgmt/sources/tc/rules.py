"""Our filters brought to what is wanted, and nobody else's touched."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from flowexport_mgmt.sources.tc.control import Control
from flowexport_mgmt.sources.tc.messages import PRIORITY, Action, Filter, Rule, Side

_GONE: Final = frozenset((errno.ENODEV, errno.ENOENT, errno.EINVAL, errno.ENXIO))
"""How the kernel says that what is to be deleted is not there."""


class RuleError(Exception):
    """Samples cannot be taken on an interface; the message says why, to an operator."""


class Rules:
    """The filters of this program.

    Those of a run that crashed are known by the cookie of their action and taken over. Nothing that
    is as it should be is touched.
    """

    def __init__(self, control: Control | None = None) -> None:
        self._control = control or Control()
        self._made: set[int] = set()  # interfaces whose clsact qdisc is ours
        self._indexes: dict[tuple[int, Side], int] = {}  # numbers of our actions

    def settle(self, ifindex: int, wanted: Mapping[Side, Rule]) -> None:
        """Let an interface have exactly these of our filters.

        Raises:
            RuleError: something of others is in the way.
            OSError: the kernel refused.
        """
        for side in Side:
            self._settle_side(ifindex, side, wanted.get(side))
        if not wanted:
            self._release(ifindex)

    def sweep(self, keep: Iterable[int]) -> None:
        """Delete our filters on all interfaces but these.

        Raises:
            OSError: the kernel refused.
        """
        kept = set(keep)
        for ifindex in self._control.qdiscs():
            if ifindex not in kept:
                self.settle(ifindex, {})

    def packets_seen(self, actions: Iterable[Action]) -> Mapping[int, int]:
        """Map interfaces to the packets that our actions on them have seen."""
        counted = {action.index: action.packets for action in actions if action.is_ours}
        seen: dict[int, int] = {}
        for (ifindex, _), index in tuple(self._indexes.items()):
            if index in counted:
                seen[ifindex] = seen.get(ifindex, 0) + counted[index]
        return seen

    def close(self) -> None:
        """Release the socket; filters stay."""
        self._control.close()

    def _mine(self, ifindex: int, side: Side) -> list[Filter]:
        """List our filters on one side, the one that is in its place first."""
        mine = [found for found in self._control.filters(ifindex, side) if found.is_ours]
        return sorted(mine, key=lambda found: found.priority != PRIORITY)

    def _settle_side(self, ifindex: int, side: Side, rule: Rule | None) -> None:
        mine = self._mine(ifindex, side)
        for surplus in mine[0 if rule is None else 1 :]:
            self._delete(ifindex, side, surplus)
        if rule is None:
            self._indexes.pop((ifindex, side), None)
            return
        action = mine[0].action if mine else None
        if action is None:
            self._indexes[ifindex, side] = self._add(ifindex, side, rule)
            return
        self._indexes[ifindex, side] = action.index
        if action.rule != rule:
            self._control.change_action(action.index, rule)

    def _add(self, ifindex: int, side: Side, rule: Rule) -> int:
        """Make our filter; gives the number of its action."""
        self._provide_clsact(ifindex, side)
        index = self._control.free_index()
        try:
            self._control.add_filter(ifindex, side, index, rule)
        except FileExistsError as error:
            raise RuleError(
                f"tc: another filter has priority {PRIORITY} at {side.name.lower()}"
            ) from error
        return index

    def _provide_clsact(self, ifindex: int, side: Side) -> None:
        kind = self._control.qdiscs().get(ifindex)
        if kind is None:
            with contextlib.suppress(FileExistsError):
                self._control.add_clsact(ifindex)
                self._made.add(ifindex)
        elif kind != "clsact" and side is Side.EGRESS:
            raise RuleError(
                f"tc: the qdisc {kind} of this interface has no egress: replace it by clsact"
            )

    def _release(self, ifindex: int) -> None:
        """Take the qdisc away if it is ours and nobody uses it."""
        if ifindex not in self._made:
            return
        if not any(self._control.filters(ifindex, side) for side in Side):
            with _unless_gone():
                self._control.delete_clsact(ifindex)
        self._made.discard(ifindex)

    def _delete(self, ifindex: int, side: Side, which: Filter) -> None:
        with _unless_gone():
            self._control.delete_filter(ifindex, side, which)


@contextlib.contextmanager
def _unless_gone() -> Iterator[None]:
    """Let something be deleted that may have gone with its interface meanwhile."""
    try:
        yield
    except OSError as error:
        if error.errno not in _GONE:
            raise
