"""Whose sample is whose: samples counted to their interfaces, with their losses."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

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
from flowexport_mgmt.wire import ragged
from flowexport_mgmt.wire.psample import UNKNOWN, Parsed
from flowexport_mgmt.wire.ragged import Octets, Positions

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
    """The accounts, and by which keys samples are theirs; replaced as a whole."""

    accounts: tuple[Account, ...] = ()
    keys: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    slots: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    groups: frozenset[int] = frozenset()
    ambiguous: frozenset[str] = frozenset()

    def column(self, read: Callable[[Account], int], slots: Positions) -> NDArray[np.uint32]:
        """Read a number of the account of each sample."""
        values: NDArray[np.uint32] = np.array([read(a) for a in self.accounts], np.uint32)[slots]
        return values


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

    def enter(self, parsed: Parsed, buffer: Octets) -> SampleBatch | None:
        """Count samples to their interfaces, and give them with the totals that they lead to.

        The batch has a copy of the packets. None when no sample is of a place that is known.
        """
        table, rows = self._table, parsed.rows
        slots = _find(table, rows)
        ours = slots >= 0
        protocols = np.zeros(len(rows), np.uint32)
        protocols[ours] = _header_protocols(table, rows[ours], slots[ours])
        slots[ours & (protocols == 0)] = _NOWHERE
        losses = self._follow(table, parsed, slots >= 0)
        self.foreign += int((slots == _NOWHERE).sum())
        self.ambiguous += int((slots == _AMBIGUOUS).sum())
        chosen = np.flatnonzero(slots >= 0)
        if not len(chosen):
            return None
        rows, slots = rows[chosen], slots[chosen]
        pool, drops = _add_up(table.accounts, slots, rows["rate"], losses[chosen])
        batch = _make_batch(table, rows, slots, buffer)
        return dataclasses.replace(batch, pool=pool, drops=drops, header_protocol=protocols[chosen])

    def _follow(self, table: _Table, parsed: Parsed, known: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Say for each sample how many of its group were lost before it."""
        for group in self._groups.keys() - table.groups:
            del self._groups[group]
            self._carried.pop(group, None)
        losses = np.zeros(len(parsed.rows), np.int64)
        begin = 0
        for change in parsed.changes:
            if change.group in table.groups:
                end = int(np.searchsorted(parsed.positions, change.row))
                self._follow_groups(table, parsed.rows[begin:end], known[begin:end], losses[begin:])
                self._groups[change.group] = GroupSequence(expected=0)
                begin = end
        self._follow_groups(table, parsed.rows[begin:], known[begin:], losses[begin:])
        return losses

    def _follow_groups(
        self,
        table: _Table,
        rows: NDArray[np.void],
        known: NDArray[np.bool_],
        losses: NDArray[np.int64],
    ) -> None:
        """Charge what a group lost to the next of its samples that is ours."""
        for group in table.groups.intersection(np.unique(rows["group"]).tolist()):
            at = np.flatnonzero(rows["group"] == group)
            lost = self._groups.setdefault(group, GroupSequence()).follow(rows["sequence"][at])
            total = np.cumsum(lost) + self._carried.get(group, 0)
            ours = known[at]
            charged = total[ours]
            losses[at[ours]] = np.diff(charged, prepend=0)
            self._carried[group] = int(total[-1] - (charged[-1] if len(charged) else 0))


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
        np.array(keys, np.uint64),
        np.array([slots[key] for key in keys], np.int64),
        frozenset(key >> 17 for key in keys),
        frozenset(ambiguous),
    )


def _find(table: _Table, rows: NDArray[np.void]) -> NDArray[np.int64]:
    """Find the account of each sample; _NOWHERE or _AMBIGUOUS where there is not one.

    A message with an output is of egress, unless what a device tells shows that the device took it
    where it came in.
    """
    slots = np.full(len(rows), _NOWHERE, np.int64)
    if not len(table.keys):
        return slots
    is_egress = _is_egress(rows)
    port = np.where(is_egress, rows["out_if"], rows["in_if"]) & _PORT
    keys = rows["group"].astype(np.uint64) << np.uint64(17)
    keys |= (is_egress * _EGRESS | port).astype(np.uint64)
    at = np.searchsorted(table.keys, keys)
    at[at == len(table.keys)] = 0
    same = table.keys[at] == keys
    slots[same] = table.slots[at[same]]
    return slots


def _is_egress(rows: NDArray[np.void]) -> NDArray[np.bool_]:
    told_by_device = (rows["queue"] != UNKNOWN) | (rows["latency"] != UNKNOWN)
    at_ingress = told_by_device & (rows["in_if"] != 0)
    egress: NDArray[np.bool_] = (rows["out_if"] != 0) & ~at_ingress
    return egress


def _header_protocols(
    table: _Table, rows: NDArray[np.void], slots: NDArray[np.int64]
) -> NDArray[np.uint32]:
    """Name what each packet of ours begins with; 0 where sFlow has no name for it."""
    has_ethernet = table.column(lambda a: a.place.device_type in _WITH_ETHERNET, slots)
    conditions = [has_ethernet == 1, rows["protocol"] == _IPV4, rows["protocol"] == _IPV6]
    named = np.select(conditions, [HEADER_ETHERNET, HEADER_IPV4, HEADER_IPV6], 0)
    return named.astype(np.uint32)


def _add_up(
    accounts: tuple[Account, ...],
    slots: NDArray[np.int64],
    rates: NDArray[np.uint32],
    losses: NDArray[np.int64],
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Add samples to their accounts; give pool and drops of each after it, modulo 2^32."""
    pool = np.empty(len(slots), np.uint32)
    drops = np.empty(len(slots), np.uint32)
    stood_for = rates * (1 + losses)
    for slot in np.unique(slots).tolist():
        account, at = accounts[slot], np.flatnonzero(slots == slot)
        pools = account.pool + np.cumsum(stood_for[at])
        lost = account.drops + np.cumsum(losses[at])
        pool[at], drops[at] = pools & 0xFFFFFFFF, lost & 0xFFFFFFFF
        account.samples += len(at)
        account.pool, account.drops = int(pools[-1]), int(lost[-1])
    return pool, drops


def _make_batch(
    table: _Table, rows: NDArray[np.void], slots: NDArray[np.int64], buffer: Octets
) -> SampleBatch:
    """Make a batch whose pool, drops and header protocol are not filled in yet."""
    copied, offsets = _copy(buffer, rows["at"], rows["length"])
    source = table.column(lambda account: account.place.ifindex, slots)
    vlan = table.column(lambda account: account.place.vlan, slots)
    is_egress = _is_egress(rows)
    came_from = np.where(rows["in_if"] != 0, rows["in_if"], np.uint32(LOCAL_INTERFACE))
    nothing = np.zeros(len(rows), np.uint32)
    return SampleBatch(
        source=source,
        rate=rows["rate"].copy(),
        pool=nothing,
        drops=nothing,
        in_if=np.where(is_egress, came_from, source),
        out_if=np.where(is_egress, source, rows["out_if"]),
        time_ns=rows["time_ns"].copy(),
        header_protocol=nothing,
        frame_length=rows["size"].copy(),
        buffer=copied,
        offsets=offsets,
        lengths=rows["length"].copy(),
        epoch=table.column(lambda account: account.epoch, slots),
        direction=is_egress.astype(np.uint8),
        src_vlan=np.where(is_egress, nothing, vlan) if vlan.any() else None,
        dst_vlan=np.where(is_egress, vlan, nothing) if vlan.any() else None,
        egress_queue=_told(rows["queue"]),
        queue_depth=_told(rows["depth"]),
        transit_delay=_told(rows["latency"]),
    )


def _copy(buffer: Octets, at: Positions, lengths: Positions) -> tuple[Octets, Positions]:
    """Copy the packets, as much of each as the longest has; say where they stand then."""
    width = int(lengths.max())
    if width and int(at.max()) + width <= len(buffer):
        pieces = ragged.windows(buffer, width)[at]
        return pieces.view(np.uint8), np.arange(len(at), dtype=np.int64) * width
    copied = np.empty(int(lengths.sum()), np.uint8)
    offsets = np.cumsum(lengths) - lengths
    ragged.copy(copied, offsets, buffer, at, lengths)
    return copied, offsets


def _told(values: NDArray[np.uint32]) -> NDArray[np.uint32] | None:
    """Give what devices told of some packets; None when they did not of any."""
    return values.copy() if (values != UNKNOWN).any() else None
