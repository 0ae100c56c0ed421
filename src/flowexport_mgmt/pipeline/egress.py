"""The thread that sends for all collectors."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

from flowexport_mgmt.export import Instant
from flowexport_mgmt.observe.log import LimitedLogger
from flowexport_mgmt.pipeline.lane import Lane
from flowexport_mgmt.pipeline.timers import Timers
from flowexport_mgmt.pipeline.watch import Watch

_LOG = LimitedLogger(logging.getLogger(__name__))
_MAX_WAIT_S = 1.0
"""How often the thread shows that it goes on when there is nothing to do."""


class Egress:
    """Takes each lane a step when it is due; a step is one burst at most, so lanes take turns.

    A lane is also due when what it waits for has come: a connection that is made, heard or takes
    more. The lock guards the timers and what is watched, and is never held while a lane steps.
    """

    def __init__(self, clock: Callable[[], Instant]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._timers: Timers[Lane] = Timers()
        self._watch: Watch[Lane] = Watch()
        self._stopping = False
        self.alive_at = clock().monotonic
        """When the thread last went on."""
        self._thread = threading.Thread(target=self._run, name="egress", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Stop the thread, waiting for it at most ``timeout`` seconds."""
        self._stopping = True
        self._watch.wake()
        if self._thread.is_alive():
            self._thread.join(timeout)
        if not self._thread.is_alive():
            self._watch.close()

    def wake(self, lanes: Iterable[Lane]) -> None:
        """Let lanes step at once."""
        now = self._clock().monotonic
        with self._lock:
            for lane in lanes:
                self._timers.advance(lane, now)
        self._watch.wake()

    def forget(self, lane: Lane) -> None:
        """Let a lane step no more."""
        with self._lock:
            self._timers.discard(lane)
            self._watch.forget(lane)

    def _run(self) -> None:
        while (lane := self._await_lane()) is not None:
            due = self._step(lane)
            interest = lane.interest
            with self._lock:
                self._timers.advance(lane, due)
                if interest is not None:
                    self._watch.arm(lane, interest)

    def _await_lane(self) -> Lane | None:
        """Wait for the next lane that is due; None when it is time to stop."""
        while not self._stopping:
            with self._lock:
                self.alive_at = now = self._clock().monotonic
                for ready in self._watch.take():
                    self._timers.advance(ready, now)
                lane = self._timers.pop(now)
                wait = self._timers.next_due - now
            if lane is not None:
                return lane
            self._watch.wait(min(wait, _MAX_WAIT_S))
        return None

    def _step(self, lane: Lane) -> float:
        try:
            return lane.step(self._clock())
        except Exception as error:  # noqa: BLE001 - one collector's fault must not stop the others
            _LOG.log(logging.ERROR, lane.name, "collector %s: %r", lane.name, error)
            return lane.fail(f"internal error: {error!r}", self._clock())
