"""Interface counters: every interface with the 64-bit statistics that the kernel keeps."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.records import COUNTER_DTYPE, UNKNOWN64, CounterBatch
from flowexport_mgmt.sources.details import Details
from flowexport_mgmt.sources.epochs import Epochs
from flowexport_mgmt.sources.links import Link
from flowexport_mgmt.sources.netlink import LinkSocket
from flowexport_mgmt.sources.table import LinkTable

# Places in struct rtnl_link_stats64. A frame that was received without error and reached nobody is
# a discard: no room (dropped, missed) and no listener (nohandler) alike.
_COLUMNS: Final[Mapping[str, tuple[int, ...]]] = {
    "in_packets": (0,),
    "out_packets": (1,),
    "in_octets": (2,),
    "out_octets": (3,),
    "in_errors": (4,),
    "out_errors": (5,),
    "in_discards": (6, 15, 23),
    "out_discards": (7,),
    "in_multicast": (8,),
}
_FOLLOWED: Final = list(range(9))  # the counters whose going backwards is a discontinuity
_NOT_COUNTED: Final = ("in_broadcast", "in_unknown_protos", "out_multicast", "out_broadcast")

PROMISCUOUS: Final = 1
NOT_PROMISCUOUS: Final = 2


@dataclass(frozen=True, slots=True)
class _Frame:
    """The columns that change with the interfaces and not with their counters."""

    links: tuple[Link, ...]
    rows: NDArray[np.void]
    kept: NDArray[np.bool_]  # what is exported
    names: tuple[str, ...]
    descriptions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All interfaces at one instant, loopback included.

    ``rows`` (COUNTER_DTYPE), ``links`` and ``since_ns`` are parallel, by ifindex. ``since_ns`` is
    the Unix time since which an interface's counters can be compared; ``last_change_ns`` maps the
    ifindex of interfaces whose operational status was seen to change to the time of the read that
    saw it. ``exported`` is what collectors get: everything but loopback.
    """

    links: tuple[Link, ...]
    rows: NDArray[np.void]
    since_ns: NDArray[np.int64]
    last_change_ns: Mapping[int, int]
    exported: CounterBatch


class CounterSource:
    """Reads the counters of all interfaces of the process's network namespace.

    Polls and whoever asks for state call `read` from different threads; one lock lets them pass one
    after the other, because the kernel's answers and the comparison with the read before belong
    together.
    """

    def __init__(
        self, started_ns: int, table: LinkTable | None = None, details: Details | None = None
    ) -> None:
        self._lock = threading.Lock()
        self._details = details
        self._table = table or LinkTable(LinkSocket())
        self._epochs = Epochs(started_ns)
        self._frame = _make_frame(())
        self._last_change_ns: Mapping[int, int] = {}
        self._reads = 0
        self._replaced = 0

    @property
    def discontinuities(self) -> int:
        """Times that counters began anew.

        They went backwards, or there is another interface under a known name or ifindex.
        """
        return self._epochs.restarts + self._replaced

    def read(self, time_ns: int, uptime_ms: int, monotonic: float) -> Snapshot:
        """Read every interface now.

        Args:
            time_ns: Unix time in nanoseconds.
            uptime_ms: milliseconds since boot.
            monotonic: seconds of a clock that is never set.

        Raises:
            OSError: the kernel did not give them.
        """
        with self._lock:
            counters = self._table.read(monotonic)
            strangers: list[int] = []
            if self._table.links is not self._frame.links:
                strangers = self._replace(self._table.links, time_ns)
            self._reads += 1
            return self._snapshot(counters, time_ns, uptime_ms, strangers)

    def poll(
        self, time_ns: int, uptime_ms: int, monotonic: float, *, detailed: bool
    ) -> CounterBatch:
        """Read every interface now for collectors; only one thread does.

        Args:
            time_ns: as `read` has it, and so the next two.
            uptime_ms: milliseconds since boot.
            monotonic: seconds of a clock that is never set.
            detailed: whether to add what this host and the drivers of its interfaces count.

        Raises:
            OSError: the kernel did not give the interfaces.
        """
        snapshot = self.read(time_ns, uptime_ms, monotonic)
        if not detailed or self._details is None:
            return snapshot.exported
        found = self._details.read(snapshot.links, snapshot.rows, monotonic)
        return replace(snapshot.exported, ethernet=found.ethernet, host=found.host)

    def close(self) -> None:
        """Release the sockets; reading opens them again."""
        with self._lock:
            self._table.close()
        if self._details is not None:
            self._details.close()

    def _snapshot(
        self, counters: NDArray[np.uint64], time_ns: int, uptime_ms: int, strangers: list[int]
    ) -> Snapshot:
        frame = self._frame
        rows = frame.rows.copy()
        _fill(rows, counters)
        followed = counters[:, _FOLLOWED]
        rows["epoch"], since_ns = self._epochs.follow(rows["ifindex"], followed, time_ns, strangers)
        batch = CounterBatch(time_ns, uptime_ms, rows[frame.kept], frame.names, frame.descriptions)
        return Snapshot(frame.links, rows, since_ns, self._last_change_ns, batch)

    def _replace(self, links: tuple[Link, ...], time_ns: int) -> list[int]:
        """Take the interfaces of a read; list the ifindexes that others had before."""
        before = {link.ifindex: link for link in self._frame.links}
        strangers = [
            link.ifindex
            for link in links
            if link.ifindex in before and _is_other(before[link.ifindex], link)
        ]
        if self._reads:
            self._note_changes(before, links, time_ns)
        self._replaced += len(strangers)
        self._frame = _make_frame(links)
        return strangers

    def _note_changes(
        self, before: Mapping[int, Link], links: tuple[Link, ...], time_ns: int
    ) -> None:
        names = {link.name for link in self._frame.links}
        changes: dict[int, int] = {}
        for link in links:
            old = before.get(link.ifindex)
            if old is None:
                self._replaced += link.name in names
            if old is None or old.oper_up != link.oper_up:
                changes[link.ifindex] = time_ns
            elif link.ifindex in self._last_change_ns:
                changes[link.ifindex] = self._last_change_ns[link.ifindex]
        self._last_change_ns = changes


def _is_other(before: Link, link: Link) -> bool:
    """Tell whether an ifindex was taken over: an interface changes its name or its address only."""
    return before.name != link.name and before.address != link.address


def _make_frame(links: tuple[Link, ...]) -> _Frame:
    rows = np.zeros(len(links), COUNTER_DTYPE)
    rows["ifindex"] = [link.ifindex for link in links]
    rows["iftype"] = [link.iftype for link in links]
    rows["speed"] = [link.settings.speed for link in links]
    rows["direction"] = [link.settings.direction for link in links]
    rows["status"] = [link.admin_up | link.oper_up << 1 for link in links]
    rows["promiscuous"] = [PROMISCUOUS if link.promiscuity else NOT_PROMISCUOUS for link in links]
    for column in _NOT_COUNTED:
        rows[column] = UNKNOWN64
    exported = [link for link in links if not link.loopback]
    return _Frame(
        links=links,
        rows=rows,
        kept=np.array([not link.loopback for link in links], np.bool_),
        names=tuple(link.name for link in exported),
        descriptions=tuple(link.alias for link in exported),
    )


def _fill(rows: NDArray[np.void], counters: NDArray[np.uint64]) -> None:
    """Set the counter columns from statistics of shape (N, WORDS)."""
    for column, places in _COLUMNS.items():
        rows[column] = counters[:, places].sum(axis=1, dtype=np.uint64)
