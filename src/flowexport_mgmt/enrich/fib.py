"""Records with what the kernel's routing tables know of them (next hops, masks, interfaces)."""

from __future__ import annotations

import logging
import math
import os
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from flowexport_mgmt.enrich.fib_view import FibView
from flowexport_mgmt.enrich.flows import enrich_flows
from flowexport_mgmt.enrich.kernel_routes import Heard, KernelRoutes
from flowexport_mgmt.enrich.samples import enrich_samples
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.observe.log import LimitedLogger
from flowexport_mgmt.records import FlowBatch, SampleBatch

_LOG = LimitedLogger(logging.getLogger(__name__))

_RETRY_S: Final = 1.0
_REST_S: Final = 0.05
"""How long changes are gathered before records are matched with them."""
_REST_SHARE: Final = 4
"""The rest between two reads, in multiples of the time that one takes."""

StatusChanged = Callable[[OperStatus, str | None], None]


@dataclass(frozen=True, slots=True)
class FibReport:
    """How the kernel's routes fare; instants are Unix nanoseconds."""

    since_ns: int
    status: OperStatus = OperStatus.DOWN
    reason: str | None = "the routing tables are being read"
    ipv4_routes: int = 0
    ipv6_routes: int = 0
    updates: int = 0
    resyncs: int = 0
    overruns: int = 0
    last_change_ns: int | None = None


@dataclass(slots=True)
class _Due:
    """The monotonic times at which tables are to be read again, or their changes to be seen."""

    read: float = math.inf
    publish: float = math.inf

    def wait_ms(self, now: float) -> float | None:
        """Give the time until the first of them; None for no end."""
        first = min(self.read, self.publish)
        return None if first == math.inf else max(0.0, first - now) * 1000


class Fib:
    """Follows the kernel's routes in a thread of its own, and adds them to records.

    ``report`` and what records are matched with are replaced as a whole by that thread, so that
    the threads of the sources need no lock. Until the tables were read, and while they cannot be,
    records stay as they are.
    """

    def __init__(self, changed: StatusChanged) -> None:
        self.report = FibReport(since_ns=time.time_ns())
        self._changed = changed
        self._told = OperStatus.UP
        self._view: FibView | None = None
        self._stopping = False
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._run, name="fib", daemon=True)

    def start(self) -> None:
        """Begin to read the tables."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Stop the thread, waiting for it at most ``timeout`` seconds."""
        self._stopping = True
        os.eventfd_write(self._wake, 1)
        if self._thread.is_alive():
            self._thread.join(timeout)
        if not self._thread.is_alive():
            os.close(self._wake)

    @property
    def view(self) -> FibView | None:
        """What records are matched with now, if anything."""
        return self._view

    def flows(self, batch: FlowBatch) -> FlowBatch:
        """Fill in interfaces, prefix lengths and next hop where they are unknown."""
        view = self._view
        return batch if view is None else enrich_flows(view, batch)

    def samples(self, batch: SampleBatch) -> SampleBatch:
        """Fill in interfaces, route and the source's prefix length where they are unknown."""
        view = self._view
        return batch if view is None else enrich_samples(view, batch)

    def _run(self) -> None:
        while not self._stopping:
            kernel = KernelRoutes()
            try:
                self._follow(kernel)
            except OSError as error:
                self._note_failure(f"rtnetlink: {error.strerror or error}")
            except Exception as error:  # noqa: BLE001 - records go on without routes; tried again
                self._note_failure(f"internal error: {error!r}")
            finally:
                kernel.close()
            self._wait(_RETRY_S)

    def _follow(self, kernel: KernelRoutes) -> None:
        """Read the tables and take their changes until it is time to stop."""
        poll = select.poll()
        poll.register(kernel.open(), select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        rest = self._read(kernel)
        due = _Due()
        while not self._stopping:
            now = time.monotonic()
            if now >= due.read:
                self._replace(resyncs=self.report.resyncs + 1)
                rest, due = self._read(kernel), _Due()
            elif now >= due.publish:
                self._publish(kernel)
                due.publish = math.inf
            else:
                poll.poll(due.wait_ms(now))
                self._take(kernel.listen(), due, rest)

    def _read(self, kernel: KernelRoutes) -> float:
        """Read all tables; give the monotonic time before which they are not to be read again."""
        begun = time.monotonic()
        kernel.read()
        self._publish(kernel)
        self._tell(OperStatus.UP, None)
        now = time.monotonic()
        return now + _REST_SHARE * (now - begun)

    def _take(self, heard: Heard, due: _Due, rest: float) -> None:
        """Take note of what was heard, and when something is to be done about it."""
        soon = time.monotonic() + _REST_S
        if heard.overrun:
            self._replace(overruns=self.report.overruns + 1)
            _LOG.log(logging.WARNING, "overrun", "routes changed faster than they could be read")
        if heard.changes:
            self._replace(updates=self.report.updates + heard.changes)
            due.publish = min(due.publish, soon)
        if heard.reread:
            due.read = min(due.read, max(rest, soon))

    def _publish(self, kernel: KernelRoutes) -> None:
        self._view = kernel.view()
        self._replace(
            ipv4_routes=kernel.count(4), ipv6_routes=kernel.count(6), last_change_ns=time.time_ns()
        )

    def _note_failure(self, reason: str) -> None:
        self._view = None
        _LOG.log(logging.WARNING, "fib", "routes: %s", reason)
        self._replace(ipv4_routes=0, ipv6_routes=0)
        self._tell(OperStatus.DOWN, reason)

    def _tell(self, status: OperStatus, reason: str | None) -> None:
        """Note the status; tell of it when it is another one. Reading at first is no news."""
        self._replace(status=status, reason=reason)
        if status is not self._told:
            self._told = status
            self._changed(status, reason)

    def _replace(self, **changes: object) -> None:
        self.report = replace(self.report, **changes)  # type: ignore[arg-type] # of its fields

    def _wait(self, seconds: float) -> None:
        if not self._stopping:
            select.select((self._wake,), (), (), seconds)
