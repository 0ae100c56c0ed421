"""Whose sample is whose: samples counted to their interfaces, with their losses."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.records.samples import (
    HEADER_ETHERNET,
    HEADER_IPV4,
    HEADER_IPV6,
    LOCAL_INTERFACE,
    SampleBatch,
)
from flowexport_mgmt.sources.psample.groups import GroupSequence
from flowexport_mgmt.wire.psample import UNKNOWN, Parsed, Samples

U4 = NDArray[np.uint32]
Slots = NDArray[np.int64]

_EGRESS: Final = 1 << 16
_PORT: Final = 0xFFFF
"""The bits of an ifIndex that a message has."""

_NOWHERE: Final = -1
_AMBIGUOUS: Final = -2
_IPV4, _IPV6 = 0x0800, 0x86DD
_WITH_ETHERNET: Final = frozenset((1, 772))  # ARPHRD_ETHER, ARPHRD_LOOPBACK


@dataclass(frozen=True, slots=True)
class Place:
    """An interface that is sampled: where, and to which group.

    ``device_type`` is its ARPHRD number, ``vlan`` the id of the VLAN that it is, 0 for none.
    """

    name: str
    ifindex: int
    group: int
    ingress: bool
    egress: bool
    device_type: int = 1
    vlan: int = 0

    def lookup_keys(self) -> Iterable[int]:
        """Give what its samples are known by."""
        base = self.group << 17 | self.ifindex & _PORT
        return [base | side for side, taken in ((0, self.ingress), (_EGRESS, self.egress)) if taken]


@dataclass(slots=True)
class Account:
    """Totals of one interface; ``epoch`` tells one life of it from another.

    ``former`` is where its samples came from before a change: some of them may still wait.
    """

    place: Place
    epoch: int
    former: Place | None = None
    samples: int = 0
    drops: int = 0
    pool: int = 0


@dataclass(frozen=True, slots=True)
class _Table:
    """The accounts, and by which keys samples are theirs; replaced as a whole.

    The columns have one row per account.
    """

    accounts: tuple[Account, ...] = ()
    keys: Slots = field(default_factory=lambda: np.empty(0, np.int64))
    slots: Slots = field(default_factory=lambda: np.empty(0, np.int64))
    groups: frozenset[int] = frozenset()
    ambiguous: frozenset[str] = frozenset()
    ifindex: U4 = field(default_factory=lambda: np.empty(0, np.uint32))
    vlan: U4 = field(default_factory=lambda: np.empty(0, np.uint32))
    epoch: U4 = field(default_factory=lambda: np.empty(0, np.uint32))
    has_ethernet: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))


class Ledger:
    """Keeps the accounts of the interfaces that are sampled.

    `replace` is called by the thread that sets rules up, `enter` by the one that reads.
    """

    def __init__(self, epochs: Iterator[int] | None = None) -> None:
        """Begin without accounts; ``epochs`` gives each new one a number, from 1 on."""
        self.foreign = 0
        """Samples of groups or interfaces that are not ours."""
        self.ambiguous = 0
        """Samples that two interfaces of ours may have taken."""
        self._epochs = itertools.count(1) if epochs is None else epochs
        self._table = _Table()
        self._groups: dict[int, GroupSequence] = {}
        self._carried: dict[int, int] = {}  # losses of a group since its latest sample of ours

    @property
    def accounts(self) -> tuple[Account, ...]:
        """The accounts of all places."""
        return self._table.accounts

    @property
    def ambiguous_names(self) -> frozenset[str]:
        """Interfaces whose samples cannot be told from those of another."""
        return self._table.ambiguous

    def replace(self, places: Iterable[Place]) -> None:
        """Take samples of these places from now on; an interface that stays keeps its totals."""
        before = {(held.place.ifindex, held.place.name): held for held in self._table.accounts}
        accounts = []
        for place in places:
            account = before.get((place.ifindex, place.name))
            if account is None:
                account = Account(place, next(self._epochs))
            elif account.place != place:
                account.former, account.place = account.place, place
            accounts.append(account)
        self._table = _make_table(tuple(accounts))

    def forget_sequences(self) -> None:
        """Take the next number of each group for the first; to be called while nobody reads."""
        self._groups.clear()
        self._carried.clear()

    def enter(self, parsed: Parsed) -> SampleBatch | None:
        """Count samples to their interfaces, and give them with the totals that they lead to.

        None when no sample is of a place that is known.
        """
        table, samples = self._table, parsed.samples
        is_egress = _is_egress(samples)
        slots = _find(table, samples, is_egress)
        protocols = _header_protocols(table, samples, slots)
        ours = slots >= 0
        is_all_ours = bool(ours.all())
        losses = self._follow(table, parsed, None if is_all_ours else ours)
        if not is_all_ours:
            self.foreign += int((slots == _NOWHERE).sum())
            self.ambiguous += int((slots == _AMBIGUOUS).sum())
            chosen = np.flatnonzero(ours)
            samples, slots, losses = samples.select(chosen), slots[chosen], losses[chosen]
            protocols = protocols[chosen]
            is_egress = None if is_egress is None else is_egress[chosen]
        if not len(samples):
            return None
        sums = _add_up(table.accounts, slots, samples.rate, losses)
        return _make_batch(table, samples, slots, _Found(protocols, is_egress, *sums))

    def _follow(
        self, table: _Table, parsed: Parsed, ours: NDArray[np.bool_] | None
    ) -> NDArray[np.int64]:
        """Say for each sample how many of its group were lost before it; None: all are ours."""
        for group in self._groups.keys() - table.groups:
            del self._groups[group]
            self._carried.pop(group, None)
        samples = parsed.samples
        losses = np.zeros(len(samples), np.int64)
        begin = 0
        for change in parsed.changes:
            if change.group in table.groups:
                end = int(np.searchsorted(parsed.positions, change.row))
                self._follow_groups(table, samples, ours, losses, slice(begin, end))
                self._groups[change.group] = GroupSequence(expected=0)
                begin = end
        self._follow_groups(table, samples, ours, losses, slice(begin, None))
        return losses

    def _follow_groups(
        self,
        table: _Table,
        samples: Samples,
        ours: NDArray[np.bool_] | None,
        losses: NDArray[np.int64],
        part: slice,
    ) -> None:
        """Charge what a group lost to the next of its samples that is ours."""
        groups, sequence, losses = samples.group[part], samples.sequence[part], losses[part]
        known = None if ours is None else ours[part]
        if not len(groups):
            return
        first = int(groups[0])
        if (groups == groups[0]).all():
            if first in table.groups:
                losses[:] = self._charge(first, sequence, known)
            return
        for group in table.groups.intersection(np.unique(groups).tolist()):
            at = np.flatnonzero(groups == group)
            losses[at] = self._charge(group, sequence[at], None if known is None else known[at])

    def _charge(
        self, group: int, sequence: U4, ours: NDArray[np.bool_] | None
    ) -> NDArray[np.int64]:
        """Follow the numbers of a group; give what is charged to each of its samples."""
        lost = self._groups.setdefault(group, GroupSequence()).follow(sequence)
        lost[0] += self._carried.pop(group, 0)
        if ours is None or not lost.any():
            return lost
        total = np.cumsum(lost)
        charged = total[ours]
        self._carried[group] = int(total[-1] - (charged[-1] if len(charged) else 0))
        lost[:] = 0
        lost[ours] = np.diff(charged, prepend=0)
        return lost


def _make_table(accounts: tuple[Account, ...]) -> _Table:
    """Sort the keys; one that two accounts have belongs to none."""
    slots: dict[int, int] = {}
    ambiguous: set[str] = set()
    for slot, account in enumerate(accounts):
        for key in account.place.lookup_keys():
            other = slots.setdefault(key, slot)
            if other != slot:
                slots[key] = _AMBIGUOUS
                ambiguous.add(account.place.name)
                if other >= 0:
                    ambiguous.add(accounts[other].place.name)
    for slot, account in enumerate(accounts):
        for key in account.former.lookup_keys() if account.former else ():
            slots.setdefault(key, slot)
    keys = sorted(slots)
    return _Table(
        accounts,
        np.array(keys, np.int64),
        np.array([slots[key] for key in keys], np.int64),
        frozenset(key >> 17 for key in keys),
        frozenset(ambiguous),
        ifindex=np.array([account.place.ifindex for account in accounts], np.uint32),
        vlan=np.array([account.place.vlan for account in accounts], np.uint32),
        epoch=np.array([account.epoch for account in accounts], np.uint32),
        has_ethernet=np.array(
            [account.place.device_type in _WITH_ETHERNET for account in accounts], np.bool_
        ),
    )


def _is_egress(samples: Samples) -> NDArray[np.bool_] | None:
    """Tell which samples were taken where packets go out; None when none was.

    A message with an output is of egress, unless what a device tells shows that the device took it
    where it came in.
    """
    egress: NDArray[np.bool_] = samples.out_if != 0
    for told in (samples.queue, samples.latency):
        if told is not None:
            egress &= (told == UNKNOWN) | (samples.in_if == 0)
    return egress if egress.any() else None


def _find(table: _Table, samples: Samples, is_egress: NDArray[np.bool_] | None) -> Slots:
    """Find the account of each sample; _NOWHERE or _AMBIGUOUS where there is not one."""
    if not len(table.keys):
        return np.full(len(samples), _NOWHERE, np.int64)
    port: NDArray[np.uint32] = samples.in_if & np.uint32(_PORT)
    if is_egress is not None:
        port = np.where(is_egress, samples.out_if & np.uint32(_PORT) | np.uint32(_EGRESS), port)
    keys = samples.group.astype(np.int64)
    keys <<= 17
    keys |= port
    at = np.searchsorted(table.keys[1:], keys, side="right")
    slots = table.slots[at]
    missed = table.keys[at] != keys
    if missed.any():
        slots[missed] = _NOWHERE
    return slots


def _header_protocols(table: _Table, samples: Samples, slots: Slots) -> U4:
    """Name what each packet of ours begins with; one that sFlow has no name for is not ours."""
    named = np.full(len(samples), HEADER_ETHERNET, np.uint32)
    if not table.has_ethernet.all():
        rows = np.flatnonzero(slots >= 0)
        rows = rows[~table.has_ethernet[slots[rows]]]
        protocol = samples.protocol[rows]
        conditions = [protocol == _IPV4, protocol == _IPV6]
        named[rows] = np.select(conditions, [HEADER_IPV4, HEADER_IPV6], 0)
        slots[rows[named[rows] == 0]] = _NOWHERE
    return named


class _Found(NamedTuple):
    """What was found out about samples: what they begin with, and which are of egress, if any.

    ``pool`` and ``drops`` are those of the account after each sample, modulo 2^32.
    """

    protocols: U4
    is_egress: NDArray[np.bool_] | None
    pool: U4
    drops: U4


def _add_up(
    accounts: tuple[Account, ...], slots: Slots, rates: U4, losses: NDArray[np.int64]
) -> tuple[U4, U4]:
    """Add samples to their accounts; give pool and drops of each after it, modulo 2^32."""
    counts = np.bincount(slots, minlength=len(accounts))
    used = np.flatnonzero(counts)
    order = None
    if len(used) > 1:
        narrow = np.uint16 if len(accounts) <= _PORT else np.int64  # the former sort much faster
        order = np.argsort(slots.astype(narrow), kind="stable")
        rates, losses = rates[order], losses[order]
    chosen = [accounts[slot] for slot in used.tolist()]
    counts = counts[used]
    pools = _accumulate(rates * (1 + losses), counts, [account.pool for account in chosen])
    drops = _accumulate(losses, counts, [account.drops for account in chosen])
    lasts = np.cumsum(counts) - 1
    for account, count, last in zip(chosen, counts.tolist(), lasts.tolist(), strict=True):
        account.samples += count
        account.pool, account.drops = int(pools[last]), int(drops[last])
    return _in_place(pools, order), _in_place(drops, order)


def _accumulate(
    values: NDArray[np.int64], counts: NDArray[np.int64], before: list[int]
) -> NDArray[np.int64]:
    """Add up the values of each account, ``counts`` of them in a row, to what it had before."""
    totals = np.cumsum(values)
    ends = totals[np.cumsum(counts) - 1]
    bases = np.array(before, np.int64)
    bases[1:] -= ends[:-1]
    totals += bases if len(bases) == 1 else np.repeat(bases, counts)
    return totals


def _in_place(values: NDArray[np.int64], order: Slots | None) -> U4:
    """Put what stands in an order back to where it came from, modulo 2^32."""
    low = values.astype(np.uint32)
    if order is None:
        return low
    placed = np.empty(len(low), np.uint32)
    placed[order] = low
    return placed


def _make_batch(table: _Table, samples: Samples, slots: Slots, found: _Found) -> SampleBatch:
    source, is_egress = table.ifindex[slots], found.is_egress
    src_vlan = table.vlan[slots] if table.vlan.any() else None
    in_if, out_if, dst_vlan = source, samples.out_if, None
    direction = np.zeros(len(samples), np.uint8)
    if is_egress is not None:
        came_from = np.where(samples.in_if != 0, samples.in_if, np.uint32(LOCAL_INTERFACE))
        in_if = np.where(is_egress, came_from, source)
        out_if = np.where(is_egress, source, samples.out_if)
        direction = is_egress.view(np.uint8)
    if src_vlan is not None:
        side = np.False_ if is_egress is None else is_egress
        src_vlan, dst_vlan = src_vlan * ~side, src_vlan * side
    return SampleBatch(
        source=source,
        rate=samples.rate,
        pool=found.pool,
        drops=found.drops,
        in_if=in_if,
        out_if=out_if,
        time_ns=samples.time_ns,
        header_protocol=found.protocols,
        frame_length=samples.size,
        buffer=samples.octets,
        offsets=samples.at,
        lengths=samples.length,
        epoch=table.epoch[slots],
        direction=direction,
        src_vlan=src_vlan,
        dst_vlan=dst_vlan,
        egress_queue=_told(samples.queue),
        queue_depth=_told(samples.depth),
        transit_delay=_told(samples.latency),
    )


def _told(values: U4 | None) -> U4 | None:
    """Give what devices told of some packets; None when they did not of any."""
    return None if values is None or (values == UNKNOWN).all() else values
