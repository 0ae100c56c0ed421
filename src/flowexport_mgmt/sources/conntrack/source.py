"""The thread that follows the kernel's connections."""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.observe.log import LimitedLogger
from flowexport_mgmt.records import FlowBatch
from flowexport_mgmt.sources.conntrack.reasons import explain_error, explain_switches
from flowexport_mgmt.sources.conntrack.report import ConntrackReport, Settings
from flowexport_mgmt.sources.conntrack.schedule import Schedule
from flowexport_mgmt.sources.conntrack.sockets import OpenSocket, open_netfilter
from flowexport_mgmt.sources.conntrack.switches import SwitchKeeper, read_switches
from flowexport_mgmt.sources.conntrack.tracker import Tracker

_logger = logging.getLogger(__name__)
_LOG = LimitedLogger(_logger)

_LINGER_S: Final = 0.05
"""How long events are let gather: what a batch costs hardly depends on its size."""


class ConntrackSource:
    """Follows the connections of the network namespace that it is started in.

    `start`, `configure` and `stop` are called from one thread. ``publish`` and ``changed`` are
    called from the source's own. ``report`` is replaced as a whole.

    Args:
        settings: how to follow.
        publish: gets each batch.
        changed: gets status and reason when the status changes.
        memory: the file that outlives a process that set switches and was killed.
        open_socket: opens a netfilter socket.
    """

    def __init__(
        self,
        settings: Settings,
        publish: Callable[[FlowBatch], None],
        changed: Callable[[OperStatus, str | None], None],
        memory: Path | None = None,
        open_socket: OpenSocket = open_netfilter,
    ) -> None:
        self.report = ConntrackReport(since_ns=time.time_ns())
        self._settings = settings
        self._changed = changed
        self._memory = memory
        self._tracker = Tracker(publish, open_socket)
        self._schedule = Schedule()
        self._trouble: str | None = None
        self._stopping = False
        self._until = 0.0
        self._waker = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="conntrack", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def configure(self, settings: Settings) -> None:
        """Follow by other settings from now on; what is known of flows stays."""
        self._settings = settings
        os.eventfd_write(self._waker, 1)

    def finish(self, deadline: float) -> None:
        """Stop with a last dump, as far as there is time until ``deadline`` (monotonic).

        What grew since the dump before would else be told to nobody: the next process takes what it
        finds for a baseline.
        """
        self._until = deadline
        self.stop(max(0.0, deadline - time.monotonic()))

    def stop(self, timeout: float) -> None:
        """Stop the thread, waiting for it at most ``timeout`` seconds."""
        self._stopping = True
        if self._waker < 0:
            return
        os.eventfd_write(self._waker, 1)
        if self._thread.is_alive():
            self._thread.join(timeout)
        if not self._thread.is_alive():
            os.close(self._waker)
            self._waker = -1

    def _run(self) -> None:
        keeper = SwitchKeeper(self._memory)
        while not self._stopping:
            self._round(keeper)
            self._wait()
        self._tell_last()
        self._tracker.close()
        self._release(keeper)

    def _may_go_on(self) -> bool:
        return not self._stopping or time.monotonic() < self._until

    def _tell_last(self) -> None:
        """Dump once more, if that is wanted; a dump that broke off leaves no time for another."""
        if not (self._may_go_on() and self._tracker.is_open):
            return
        try:
            self._tracker.dump(aging=False, go_on=self._may_go_on)
        except (OSError, DecodeError) as error:
            _logger.warning("conntrack: the last dump failed: %s", error)
        if not self._may_go_on():
            _logger.warning("conntrack: there was no time for the whole of a last dump")

    def _round(self, keeper: SwitchKeeper) -> None:
        """Do what is due; a failure is told and tried again at the next tick."""
        try:
            if self._schedule.take_tick(time.monotonic()):
                self._look_after(keeper)
            if self._tracker.is_open:
                self._follow()
        except OSError as error:
            self._fail(explain_error(error))
        except DecodeError as error:
            self._fail(f"ctnetlink: {error}")
        except Exception as error:  # noqa: BLE001 - the thread outlives whatever a batch meets
            _LOG.log(logging.ERROR, "internal", "conntrack: %r", error)
            self._fail(f"internal error: {error!r}")

    def _look_after(self, keeper: SwitchKeeper) -> None:
        """See to the kernel's switches and to memory, and open what is not open."""
        self._trouble = self._hold(keeper) if self._settings.manage_kernel else None
        if not self._settings.manage_kernel:
            self._release(keeper)
        self._note(switches=read_switches())
        if not self._tracker.is_open:
            self._tracker.open()
            self._schedule.restart()
        if self._tracker.accounting is not None:
            self._tracker.accounting.table.compact()

    def _follow(self) -> None:
        """Tell of what ended and, when it is time, of what grew."""
        tracker, settings = self._tracker, self._settings
        if tracker.accounting is not None:
            tracker.accounting.zones = settings.zones
        tracker.drain()
        now = time.monotonic()
        self._schedule.shorten(now, settings.active_timeout)
        self._heed_losses()
        if self._schedule.is_dump_due(now):
            self._dump(now)
        reason = self._trouble or explain_switches(self.report.switches)
        self._note(status=OperStatus.UP if reason is None else OperStatus.DEGRADED, reason=reason)

    def _heed_losses(self) -> None:
        if self._tracker.losses != self.report.events_lost:
            _LOG.log(
                logging.WARNING, "losses", "events of connections that ended were lost; dumping"
            )
            self._note(events_lost=self._tracker.losses)
            self._schedule.resync()

    def _dump(self, begun: float) -> None:
        """Dump; only scheduled dumps make flows that are missing old."""
        interval = self._settings.active_timeout
        scheduled, resync = self._schedule.is_scheduled(begun), self._schedule.owes_resync()
        self._schedule.dumped(begun, begun, interval, scheduled=scheduled)  # should it fail
        self._tracker.dump(aging=scheduled, go_on=self._may_go_on)
        ended = time.monotonic()
        self._schedule.dumped(begun, ended, interval, scheduled=scheduled)
        self._note(
            dump_ns=int((ended - begun) * 1e9),
            dump_entries=self._tracker.entries,
            last_dump_ns=time.time_ns(),
            resyncs=self.report.resyncs + resync,
        )
        self._heed_losses()

    def _hold(self, keeper: SwitchKeeper) -> str | None:
        """Set the kernel's switches; say why not."""
        try:
            keeper.hold()
        except OSError as error:
            reason = f"manage-kernel: {error.filename or 'switches'}: {error.strerror}"
            _LOG.log(logging.WARNING, "switches", "%s", reason)
            return reason
        return None

    def _release(self, keeper: SwitchKeeper) -> None:
        try:
            keeper.release()
        except OSError as error:
            _LOG.log(logging.WARNING, "switches", "switches are not put back: %s", error)

    def _wait(self) -> None:
        """Wait until something is due or comes; let a few events gather."""
        waiting = select.poll()
        waiting.register(self._waker, select.POLLIN)
        events = self._tracker.events
        if events is not None:
            waiting.register(events.fileno(), select.POLLIN)
        wait = self._schedule.wait(time.monotonic(), idle=not self._tracker.is_open)
        ready = {descriptor for descriptor, _ in waiting.poll(wait * 1000)}
        if self._waker in ready:
            os.eventfd_read(self._waker)
        elif ready:
            time.sleep(_LINGER_S)

    def _fail(self, reason: str) -> None:
        """Give up the sockets until the next tick."""
        self._tracker.close()
        self._note(status=OperStatus.DEGRADED, reason=reason)

    def _note(self, **changes: Any) -> None:
        tracker = self._tracker
        before = self.report
        self.report = replace(
            before,
            destroy_events=tracker.destroy_events,
            flows_vanished=tracker.vanished,
            flows_active=0 if tracker.accounting is None else len(tracker.accounting.table),
            flows_exported=0 if tracker.accounting is None else tracker.accounting.exported,
            **changes,
        )
        if self.report.switches.events is not None:
            was_known = before.switches.events is not None
            if self.report.mode is not before.mode or not was_known:
                _logger.info("conntrack: mode %s", self.report.mode)
        if self.report.status is not before.status:
            self._tell(self.report)

    def _tell(self, report: ConntrackReport) -> None:
        if report.reason is None:
            _logger.info("conntrack is %s", report.status)
        else:
            _logger.warning("conntrack is %s: %s", report.status, report.reason)
        self._changed(report.status, report.reason)
