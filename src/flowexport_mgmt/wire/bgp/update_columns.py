"""Many UPDATEs of one peer at once: the routes as columns, what is said of them once.

Nearly all UPDATEs are plain: routes of one family with attributes that nothing is wrong with, or
routes that are gone. The others are decoded one by one, in their place in the order.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.wire.bgp.attribute_columns import PADDING, AttributeSets, Spans
from flowexport_mgmt.wire.bgp.attributes import MP_REACH, MP_UNREACH
from flowexport_mgmt.wire.bgp.opening import Version
from flowexport_mgmt.wire.bgp.prefix_columns import PrefixColumns, decode_prefixes, find_prefixes
from flowexport_mgmt.wire.bgp.runs import FEW, Run
from flowexport_mgmt.wire.bgp.updates import UpdateDecoder

Mask = NDArray[np.bool_]
Positions = NDArray[np.int64]

_VERSIONS: Final[tuple[Version, Version]] = (4, 6)
_IPV6_UNICAST: Final = (0, 2, 1)


class RouteColumns(NamedTuple):
    """Routes of one family in their order: prefixes, and the number of the set of attributes.

    The number is -1 for a route that is gone.
    """

    version: Version
    prefixes: PrefixColumns
    sets: Positions


@dataclass(frozen=True, slots=True)
class UpdateColumns:
    """What so many UPDATEs say that follow each other."""

    count: int
    withdrawals: int
    routes: tuple[RouteColumns, ...]
    sets: AttributeSets


def decode_plain(
    decoder: UpdateDecoder, data: bytes | bytearray, run: Run
) -> Iterator[UpdateColumns | bytes]:
    """Decode plain UPDATEs together; give the bodies of the others, in their place in the order.

    ``decoder`` is the one that these are for: it knows what was agreed with the peer.
    """
    if len(run.begins) >= FEW:
        block = _Block(data, run, decoder)
        bounds = np.flatnonzero(np.diff(block.is_plain)) + 1
        edges = [0, *bounds.tolist(), len(run.begins)]
    else:
        block, edges = None, [0, len(run.begins)]
    for begin, end in itertools.pairwise(edges):
        if block is not None and end - begin >= FEW and block.is_plain[begin]:
            yield block.take(begin, end)
        else:
            for at, after in zip(run.begins[begin:end], run.ends[begin:end], strict=True):
                yield bytes(data[at:after])


class _Routes(NamedTuple):
    """The routes of one family in all messages."""

    messages: Positions
    is_gone: Mask
    prefixes: PrefixColumns


class _Block:
    """UPDATEs side by side, of which some are plain."""

    def __init__(self, data: bytes | bytearray, run: Run, decoder: UpdateDecoder) -> None:
        base = run.begins[0]
        self._octets = bytes(data[base : run.ends[-1]]) + bytes(PADDING)
        self._column = np.frombuffer(self._octets, np.uint8)
        begins, self._ends = np.array(run.begins) - base, np.array(run.ends) - base
        gone_ends = begins + 2 + self._number(begins)
        fits = gone_ends + 2 <= self._ends
        gone_ends = np.where(fits, gone_ends, begins)
        self._begins = gone_ends + 2
        self._middles = self._begins + self._number(gone_ends)
        fits &= (self._middles <= self._ends) & (self._ends - begins > 4)
        self._middles = np.where(fits, self._middles, self._begins)
        four_octets, add_path = decoder.four_octets, decoder.add_path
        self._spans = Spans(self._column, self._begins, self._middles, four_octets=four_octets)
        self.is_plain = self._spans.is_plain
        self.is_plain &= fits
        self._reach = self._find_reach()
        self._check()
        self._routes = {
            4: self._find_routes(
                4, (begins + 2, gone_ends), (self._middles, self._ends), has_ids=4 in add_path
            ),
            6: self._find_routes(6, self._find_unreach(), self._reach, has_ids=6 in add_path),
        }

    def take(self, begin: int, end: int) -> UpdateColumns:
        """Give the routes of a run of plain messages."""
        numbers, sets = self._find_sets(begin, end)
        parts: list[RouteColumns] = []
        withdrawals = 0
        for version in _VERSIONS:
            routes = self._routes[version]
            rows = slice(*np.searchsorted(routes.messages, (begin, end)).tolist())
            if rows.start < rows.stop:
                is_gone = routes.is_gone[rows]
                withdrawals += int(is_gone.sum())
                of = np.where(is_gone, -1, numbers[routes.messages[rows] - begin])
                parts.append(RouteColumns(version, routes.prefixes.take(rows), of))
        return UpdateColumns(end - begin, withdrawals, tuple(parts), sets)

    def _number(self, at: Positions) -> Positions:
        return self._column[at].astype(np.int64) << 8 | self._column[at + 1]

    def _find_reach(self) -> tuple[Positions, Positions]:
        """Find the IPv6 prefixes that are there; other families are not plain."""
        spans = self._spans
        has, at, lengths = spans.has(MP_REACH), spans.begins(MP_REACH), spans.lengths(MP_REACH)
        sizes = self._column[at + 3].astype(np.int64)
        self.is_plain &= ~has | self._is_family(at) & (lengths > 5 + sizes)
        self.is_plain &= ~has | (sizes == 16) | (sizes == 32)
        return _where(has & self.is_plain, at + 5 + sizes, at + lengths)

    def _find_unreach(self) -> tuple[Positions, Positions]:
        has, at = self._spans.has(MP_UNREACH), self._spans.begins(MP_UNREACH)
        return _where(has & self.is_plain, at + 3, at + self._spans.lengths(MP_UNREACH))

    def _is_family(self, at: Positions) -> Mask:
        told = (self._column[at + ahead] == wanted for ahead, wanted in enumerate(_IPV6_UNICAST))
        return np.asarray(np.logical_and.reduce(tuple(told)))

    def _check(self) -> None:
        """See that each message announces routes of one family, and withdraws no other IPv6."""
        spans = self._spans
        has, is_gone = spans.has(MP_REACH), spans.has(MP_UNREACH)
        at, lengths = spans.begins(MP_UNREACH), spans.lengths(MP_UNREACH)
        ipv4 = self._middles < self._ends
        self.is_plain &= ~(has & ipv4) & ~(is_gone & (has | ipv4))
        self.is_plain &= ~is_gone | self._is_family(at) & (lengths > 3)
        spans.check(announcing=ipv4 | has, ipv4=ipv4)

    def _find_routes(
        self,
        version: Version,
        gone: tuple[Positions, Positions],
        there: tuple[Positions, Positions],
        *,
        has_ids: bool,
    ) -> _Routes:
        """Find prefixes; what a message withdraws comes before what it announces."""
        begins = np.stack((gone[0], there[0]), axis=1).reshape(-1)
        ends = np.stack((gone[1], there[1]), axis=1).reshape(-1)
        chosen = np.flatnonzero((begins < ends) & np.repeat(self.is_plain, 2))
        places, counts = find_prefixes(
            version, self._column, begins[chosen], ends[chosen], has_ids=has_ids
        )
        self.is_plain[chosen[counts < 0] >> 1] = False
        of = np.repeat(chosen, np.maximum(counts, 0))
        prefixes = decode_prefixes(version, self._column, places, has_ids=has_ids)
        return _Routes(of >> 1, (of & 1) == 0, prefixes)

    def _find_sets(self, begin: int, end: int) -> tuple[Positions, AttributeSets]:
        """Give each message the number of its set of attributes; -1 where nothing is announced."""
        is_ipv4 = (self._middles < self._ends)[begin:end]
        is_ipv6 = (self._reach[0] < self._reach[1])[begin:end]
        announcing = np.concatenate((np.flatnonzero(is_ipv4), np.flatnonzero(is_ipv6)))
        octets = self._octets
        bounds = self._list(begin + np.flatnonzero(is_ipv4), self._begins, self._middles)
        keys = [octets[at:after] for at, after in bounds]
        keys += self._make_keys6(begin + np.flatnonzero(is_ipv6))
        known: dict[bytes, int] = {}
        numbers = np.array([known.setdefault(key, len(known)) for key in keys], np.int64)
        is_first = np.ones(len(numbers), np.bool_)
        is_first[1:] = numbers[1:] > np.maximum.accumulate(numbers)[:-1]
        of = np.full(end - begin, -1, np.int64)
        of[announcing] = numbers
        first = announcing[is_first]
        return of, AttributeSets(self._spans, begin + first, list(known), is_ipv4[first])

    def _make_keys6(self, messages: Positions) -> list[bytes]:
        """Join the next hop, with what is said beside it, and the other attributes."""
        octets, spans = self._octets, self._spans
        bounds = self._list(
            messages,
            *(spans.begins(MP_REACH), self._reach[0], self._begins),
            *(spans.heads(MP_REACH), self._reach[1], self._middles),
        )
        return [
            octets[value:start] + octets[at:head] + octets[stop:after]
            for value, start, at, head, stop, after in bounds
        ]

    def _list(self, messages: Positions, *columns: Positions) -> Iterator[tuple[int, ...]]:
        return zip(*(column[messages].tolist() for column in columns), strict=True)


def _where(chosen: Mask, begins: Positions, ends: Positions) -> tuple[Positions, Positions]:
    return np.where(chosen, begins, 0), np.where(chosen, ends, 0)
