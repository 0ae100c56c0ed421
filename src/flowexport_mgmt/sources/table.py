"""The interfaces of one dump beside those of the dump before.

An interface rarely changes, its counters always do. So what a message says outside of its counters
is compared with the last message as octets, and only a message that differs is taken apart; the
counters of all interfaces are then gathered by numpy. That makes a dump of 1,000 interfaces cost
what the kernel needs for it and a little more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.link.netlink import Dump
from flowexport_mgmt.sources.links import Link
from flowexport_mgmt.sources.rtattr import (
    BODY,
    Layout,
    describe,
    find_counters,
    find_name,
    ifindex_at,
)
from flowexport_mgmt.sources.sysfs import LinkSettings, read_settings

WORDS: Final = 24
"""Counters of struct rtnl_link_stats64 up to rx_nohandler, 64 bits each."""

_OLDEST_WORDS = 23  # what Linux kept before it counted rx_nohandler
_SETTINGS_AGE_S: Final = 60.0
"""How long speed and duplex are believed at least while nothing else changes."""

ReadSettings = Callable[[str, int], LinkSettings]


class Dumper(Protocol):
    """What gives dumps: LinkSocket, or a recording of one."""

    def dump(self) -> Dump:
        """Read every interface."""

    def close(self) -> None:
        """Release what the dumps need."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A message as it was last taken apart."""

    head: bytes
    tail: bytes
    layout: Layout
    link: Link
    settings_until: float

    def holds(self, data: bytes, begin: int, end: int, monotonic: float) -> bool:
        """Tell whether the message says the same, counters aside, and settings are still young."""
        return (
            monotonic < self.settings_until
            and data[begin + self.layout.end : end] == self.tail
            and data[begin + BODY : begin + self.layout.begin] == self.head
        )


class LinkTable:
    """Reads dumps; ``links`` are the interfaces of the latest one by ifindex."""

    def __init__(self, dumper: Dumper, settings: ReadSettings = read_settings) -> None:
        self.links: tuple[Link, ...] = ()
        self._dumper = dumper
        self._settings = settings
        self._entries: dict[int, _Entry] = {}

    def read(self, monotonic: float) -> NDArray[np.uint64]:
        """Read every interface.

        Returns:
            Counters of shape (interfaces, WORDS), parallel to ``links``.

        Raises:
            OSError: the kernel did not give a whole dump.
        """
        data, spans = self._dumper.dump()
        entries: dict[int, _Entry] = {}
        at: dict[int, int] = {}
        for begin, end in spans:
            ifindex = ifindex_at(data, begin)
            entry = self._entries.get(ifindex)
            if entry is None or not entry.holds(data, begin, end, monotonic):
                entry = self._take_apart(data[begin:end], entry, monotonic)
            if entry is not None:
                entries[ifindex] = entry
                at[ifindex] = begin + entry.layout.counters
        order = sorted(entries)
        self._replace(entries, order)
        words = min((entries[i].layout.size // 8 for i in order), default=WORDS)
        return _gather(data, [at[ifindex] for ifindex in order], min(words, WORDS))

    def close(self) -> None:
        """Release the socket."""
        self._dumper.close()

    def _take_apart(self, message: bytes, before: _Entry | None, monotonic: float) -> _Entry | None:
        layout = find_counters(message)
        if layout is None or layout.size < _OLDEST_WORDS * 8:
            return None
        link = describe(message, self._settings(find_name(message), ifindex_at(message, 0)))
        return _Entry(
            head=message[BODY : layout.begin],
            tail=message[layout.end :],
            layout=layout,
            link=before.link if before and before.link == link else link,
            settings_until=monotonic + _SETTINGS_AGE_S * (1 + link.ifindex % 32 / 32),  # spread
        )

    def _replace(self, entries: dict[int, _Entry], order: list[int]) -> None:
        """Keep the identity of ``links`` while they stay equal: others compare by it."""
        self._entries = entries
        links = tuple(entries[ifindex].link for ifindex in order)
        if links != self.links:
            self.links = links


def _gather(data: bytes, offsets: list[int], words: int) -> NDArray[np.uint64]:
    """Copy ``words`` 64-bit counters from each offset, which is a multiple of four."""
    counters = np.zeros((len(offsets), WORDS), np.uint64)
    if not offsets:
        return counters
    halves = np.frombuffer(data, np.uint32, count=len(data) // 4)
    places = np.array(offsets, np.intp)[:, None] // 4 + np.arange(2 * words)
    counters[:, :words] = np.ascontiguousarray(halves[places]).view(np.uint64)
    return counters
