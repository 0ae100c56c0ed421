"""The thread that has packets sampled, by whichever way there is."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import select
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.observe.log import LimitedLogger
from flowexport_mgmt.sources.genetlink import NETLINK_GENERIC, NOTIFY_GROUP
from flowexport_mgmt.sources.packet import PacketSockets
from flowexport_mgmt.sources.ports import LINK_GROUP
from flowexport_mgmt.sources.psample import Psample
from flowexport_mgmt.sources.sampling import (
    PENDING,
    Backend,
    InterfaceReport,
    SamplerReport,
    Standing,
    TakeBatch,
    Totals,
    Wanted,
    Watcher,
)
from flowexport_mgmt.sources.sampling_choice import Choice

_LOG = LimitedLogger(logging.getLogger(__name__))

_CHECK_S: Final = 5.0
"""How often what was set up is looked after when nothing seems to change."""

_RETRY_S: Final = 1.0
_PAUSE_S: Final = 0.05
"""The least time between two looks: interfaces change in swarms."""

_STOP_S: Final = 0.9
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_NEWS: Final = ((socket.NETLINK_ROUTE, LINK_GROUP), (NETLINK_GENERIC, NOTIFY_GROUP))


def _both_ways(take: TakeBatch) -> Choice:
    epochs = itertools.count(1)
    return Choice(Psample(take, epochs), PacketSockets(take, epochs))


class HostSampler:
    """Samples interfaces of this network namespace.

    A thread brings what is set up to what is wanted: when that changes, when an interface comes or
    goes, when psample does, and every few seconds. It never holds anybody up: what cannot be had is
    degraded, and tried again.
    """

    def __init__(self, take: TakeBatch, watcher: Watcher, choice: Choice | None = None) -> None:
        """Make ready; ``choice`` stands in for the ways that this host has."""
        self._watcher = watcher
        self._choice = _both_ways(take) if choice is None else choice
        self._wanted: tuple[tuple[Wanted, ...], Backend | None] = ((), None)
        self._standing = Standing()
        self._backend: Backend | None = None  # what was asked for when that was found
        self._told: dict[str, int] = {}
        self._stopping = threading.Event()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._run, name="sampling", daemon=True)

    def configure(self, wanted: Sequence[Wanted], backend: Backend | None = None) -> None:
        """Sample these interfaces from now on and no others; what does not change feels nothing."""
        if (tuple(wanted), backend) == self._wanted:
            return
        self._wanted = tuple(wanted), backend
        if not self._thread.is_alive():
            self._thread.start()
        os.eventfd_write(self._wake, 1)

    def stop(self) -> None:
        """Undo what was set up, and end, within a second."""
        self._stopping.set()
        os.eventfd_write(self._wake, 1)
        if self._thread.is_alive():
            self._thread.join(_STOP_S)
        if not self._thread.is_alive():
            os.close(self._wake)

    def report(self) -> SamplerReport:
        """Tell how it fares."""
        standing, taken = self._standing, self._choice.taken
        return SamplerReport(
            *standing.overall,
            backend=taken.backend,
            fallback=taken.fallback,
            interfaces=tuple(self._describe(standing, taken.way.totals())),
            mishaps=taken.way.mishaps(),
        )

    def _describe(
        self, standing: Standing, totals: Mapping[str, Totals]
    ) -> Iterator[InterfaceReport]:
        asked, backend = self._wanted
        known = standing.interfaces if backend is self._backend else {}
        for wanted in asked:
            fares = known.get(wanted, PENDING)
            yield InterfaceReport(wanted.name, *fares, totals.get(wanted.name, Totals()))

    def _run(self) -> None:
        with contextlib.ExitStack() as stack:
            news = [stack.enter_context(link) for link in _open_news()]
            poll = select.poll()
            for descriptor in (self._wake, *(link.fileno() for link in news)):
                poll.register(descriptor, select.POLLIN)
            while not self._stopping.is_set():
                self._look()
                is_well = self._standing.overall[0] in {OperStatus.UP, OperStatus.DISABLED}
                poll.poll((_CHECK_S if is_well else _RETRY_S) * 1000)
                self._stopping.wait(_PAUSE_S)
                self._drain(news)
        self._choice.close()

    def _look(self) -> None:
        wanted, backend = self._wanted
        try:
            standing = self._choice.bring_about(wanted, backend)
        except Exception as error:  # noqa: BLE001 - it is tried again
            _LOG.log(logging.ERROR, "sampling", "sampling: %r", error)
            standing = Standing((OperStatus.DOWN, f"internal error: {error!r}"))
        before, self._standing, self._backend = self._standing, standing, backend
        if standing.overall != before.overall:
            self._watcher.status_changed(*standing.overall)
        self._tell_losses()

    def _tell_losses(self) -> None:
        """Tell of losses since the look before; an interface that began anew has none yet."""
        drops = {name: totals.drops for name, totals in self._choice.taken.way.totals().items()}
        for name, total in drops.items():
            new = total - min(self._told.get(name, 0), total)
            if new:
                self._watcher.samples_lost(name, new, total)
        self._told = drops

    def _drain(self, news: Sequence[socket.socket]) -> None:
        """Forget what woke us; that there was something is all that matters."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        for link in news:
            with contextlib.suppress(OSError):  # EAGAIN at the end, or ENOBUFS
                while link.recv(1 << 16):
                    pass


def _open_news() -> Iterator[socket.socket]:
    """Open sockets that are readable when an interface or a family came or went."""
    for protocol, group in _NEWS:
        link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        try:
            link.setblocking(False)
            link.bind((0, 0))
            link.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
        except OSError as error:
            link.close()
            _LOG.log(logging.WARNING, "news", "netlink: %s", error.strerror)
            continue
        yield link
