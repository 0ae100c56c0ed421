"""The way to one collector, and what waits to go there."""

from __future__ import annotations

import errno
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Final

from flowexport_mgmt.simulator.formats import Format
from flowexport_mgmt.simulator.group import Group
from flowexport_mgmt.simulator.sender import FleetSender
from flowexport_mgmt.simulator.sent import Failure, Totals, count
from flowexport_mgmt.wire.fleet import FleetDatagrams

_PATIENCE_MS: Final = 5000
"""How long datagrams wait for the kernel to take them."""


@dataclass(slots=True)
class _Load:
    """Datagrams of a group, of which the first ones are through."""

    group: Group
    datagrams: FleetDatagrams
    at: int = 0


@dataclass(slots=True)
class Outlet:
    """Datagrams on their way to one collector.

    ``sender`` is None while there is none to be had, for the ``reason``; datagrams fail then.
    ``shared`` are the groups that cannot send from the addresses of their devices, and why, which
    is empty where they shall not. ``filled_ms`` is when the first of what waits came.
    """

    sender: FleetSender | None = None
    reason: str | None = None
    shared: dict[str, str] = field(default_factory=dict)
    totals: dict[Format, Totals] = field(default_factory=lambda: defaultdict(Totals))
    pending: int = 0
    filled_ms: int = 0
    _loads: deque[_Load] = field(default_factory=deque)
    _moved_ms: int = 0

    def expect(self, form: Format) -> None:
        """Count from zero what is sent in a protocol, from now on and whether anything is."""
        _ = self.totals[form]

    def take(self, group: Group, datagrams: FleetDatagrams, now_ms: int) -> None:
        """Take datagrams of a group, to be sent in their order."""
        if not self._loads:
            self._moved_ms = self.filled_ms = now_ms
        self._loads.append(_Load(group, datagrams))
        self.pending += len(datagrams)

    def send(self, most: int, now_ns: int) -> int:
        """Send so many datagrams at most; tell how many are through."""
        through = 0
        while self._loads and through < most:
            load = self._loads[0]
            end = min(len(load.datagrams), load.at + most - through)
            passed, failures = self._send(load, end)
            if not passed and now_ns // 1_000_000 - self._moved_ms < _PATIENCE_MS:
                break
            if not passed:  # the kernel takes nothing any more
                passed = end - load.at
                failures = [Failure(number, errno.EAGAIN) for number in range(load.at, end)]
            self._moved_ms = now_ns // 1_000_000
            self._count(load, slice(load.at, load.at + passed), failures, now_ns)
            through += passed
            load.at += passed
            if load.at == len(load.datagrams):
                self._loads.popleft()
        self.pending -= through
        return through

    def drop(self) -> None:
        """Let what waits fail, since nobody will send it any more."""
        for load in self._loads:
            part = slice(load.at, len(load.datagrams))
            failures = [Failure(number, errno.ECANCELED) for number in range(part.start, part.stop)]
            self._count(load, part, failures, 0)
        self._loads.clear()
        self.pending = 0

    def close(self) -> None:
        """Close the socket."""
        if self.sender is not None:
            self.sender.close()
            self.sender = None

    def _send(self, load: _Load, end: int) -> tuple[int, list[Failure]]:
        if self.sender is None:
            return end - load.at, [Failure(n, errno.ENOTCONN) for n in range(load.at, end)]
        is_shared = load.group.settings.name in self.shared
        sources = None if is_shared else load.group.addresses
        passed = self.sender.send(load.datagrams, sources, load.at, end)
        return passed.through, list(passed.failures)

    def _count(self, load: _Load, part: slice, failures: list[Failure], now_ns: int) -> None:
        group, datagrams = load.group, load.datagrams
        totals = self.totals[group.settings.format]
        count(datagrams, part, failures, group.sent, totals)
        announcing = int(datagrams.announced[part].sum())
        failed = [f.datagram for f in failures if datagrams.announced[f.datagram]]
        if failed:
            group.voice.repeat(datagrams.exporters[failed])
        if announcing > len(failed):
            totals.last_template_ns = now_ns
