"""Sampling by the kernel: rules of traffic control, and the samples that they take."""

from __future__ import annotations

import contextlib
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
from flowexport_mgmt.sources.ports import LINK_GROUP
from flowexport_mgmt.sources.psample.setup import PENDING, Setup, Standing
from flowexport_mgmt.sources.sampling import (
    InterfaceReport,
    SamplerReport,
    TakeBatch,
    Wanted,
    Watcher,
)
from flowexport_mgmt.sources.tc import Control

_LOG = LimitedLogger(logging.getLogger(__name__))

_CHECK_S: Final = 5.0
"""How often the rules are looked after when nothing seems to change."""

_RETRY_S: Final = 1.0
_PAUSE_S: Final = 0.05
"""The least time between two looks: interfaces change in swarms."""

_STOP_S: Final = 0.9
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_NEWS: Final = ((socket.NETLINK_ROUTE, LINK_GROUP), (NETLINK_GENERIC, NOTIFY_GROUP))


class PsampleSampler:
    """Samples interfaces with actions of traffic control (tc-sample(8)).

    One thread brings the rules to what is wanted: when that changes, when an interface comes or
    goes, when psample does, and every few seconds. It never holds anybody up: what cannot be had is
    degraded, and tried again. Another thread reads the samples.
    """

    def __init__(self, take: TakeBatch, watcher: Watcher) -> None:
        self._watcher = watcher
        self._setup = Setup(take)
        self._counters_of_kernel = Control()
        self._wanted: tuple[Wanted, ...] = ()
        self._standing = Standing()
        self._told: dict[str, int] = {}
        self._stopping = threading.Event()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._run, name="sampling", daemon=True)

    def configure(self, wanted: Sequence[Wanted]) -> None:
        """Sample these interfaces from now on and no others; what does not change feels nothing."""
        if tuple(wanted) == self._wanted:
            return
        self._wanted = tuple(wanted)
        if not self._thread.is_alive():
            self._thread.start()
        os.eventfd_write(self._wake, 1)

    def stop(self) -> None:
        """Delete the rules, and end, within a second."""
        self._stopping.set()
        os.eventfd_write(self._wake, 1)
        if self._thread.is_alive():
            self._thread.join(_STOP_S)
        if not self._thread.is_alive():
            os.close(self._wake)
        self._counters_of_kernel.close()

    def report(self) -> SamplerReport:
        """Tell how it fares."""
        ledger, counters = self._setup.ledger, self._setup.counters
        standing = self._standing
        return SamplerReport(
            *standing.overall,
            interfaces=tuple(self._describe(standing)),
            foreign=ledger.foreign,
            malformed=counters.malformed,
            ambiguous=ledger.ambiguous,
            overruns=counters.overruns,
        )

    def _describe(self, standing: Standing) -> Iterator[InterfaceReport]:
        accounts = {account.place.name: account for account in self._setup.ledger.accounts}
        seen = self._packets_seen() if accounts else {}
        for wanted in self._wanted:
            status, reason = standing.interfaces.get(wanted, PENDING)
            report = InterfaceReport(wanted.name, status, reason)
            if account := accounts.get(wanted.name):
                totals = account.samples, account.drops, account.pool
                counted = seen.get(account.place.ifindex)
                report = InterfaceReport(wanted.name, status, reason, *totals, counted)
            yield report

    def _packets_seen(self) -> Mapping[int, int]:
        try:
            return self._setup.rules.packets_seen(self._counters_of_kernel.actions())
        except OSError as error:
            _LOG.log(logging.WARNING, "actions", "tc: %s", error.strerror)
            return {}

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
        self._setup.undo()
        self._setup.close()

    def _look(self) -> None:
        try:
            standing = self._setup.bring_about(self._wanted)
        except Exception as error:  # noqa: BLE001 - it is tried again
            _LOG.log(logging.ERROR, "sampling", "sampling: %r", error)
            standing = Standing((OperStatus.DOWN, f"internal error: {error!r}"))
        before, self._standing = self._standing, standing
        if standing.overall != before.overall:
            self._watcher.status_changed(*standing.overall)
        self._tell_losses()

    def _tell_losses(self) -> None:
        """Tell of losses since the look before; an interface that began anew has none yet."""
        drops = {held.place.name: held.drops for held in self._setup.ledger.accounts}
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
