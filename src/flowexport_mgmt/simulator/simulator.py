"""The thread in which simulated devices speak."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from flowexport_mgmt.simulator.fleet import Fleet
from flowexport_mgmt.simulator.network import Surroundings
from flowexport_mgmt.simulator.report import (
    DevicePage,
    DeviceReport,
    FleetReport,
    report,
    report_devices,
)
from flowexport_mgmt.simulator.settings import FleetSettings
from flowexport_mgmt.wire.flows.fields import ExportTime

_BOOTED_BEFORE_MS: Final = 3_600_000
"""Devices were started an hour before this host, so that their flows can be older than it."""
_FAILED_S: Final = 1.0

_logger = logging.getLogger(__name__)


class Simulator:
    """Runs a fleet in a thread of its own; every method may be called from any thread.

    Args:
        surroundings: what the fleet cannot do by itself.
        clock: reads Unix time in nanoseconds and the milliseconds since this host's boot.
    """

    def __init__(self, surroundings: Surroundings, clock: Callable[[], tuple[int, int]]) -> None:
        self._fleet = Fleet(surroundings)
        self._clock = clock
        self._changed = threading.Condition()
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, patience_s: float) -> None:
        """End the thread and release what it has."""
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()
        self._thread.join(patience_s)

    def configure(self, settings: FleetSettings) -> None:
        """Run by other settings, soon."""
        with self._changed:
            self._fleet.configure(settings)
            self._changed.notify_all()

    def report(self) -> FleetReport:
        """Report of all devices together."""
        with self._changed:
            return report(self._fleet)

    def report_devices(self, page: DevicePage) -> tuple[int, list[DeviceReport]]:
        """Give how many devices there are, and a page of them."""
        with self._changed:
            return report_devices(self._fleet, page, self._time().time_ms)

    def _time(self) -> ExportTime:
        unix_ns, uptime_ms = self._clock()
        return ExportTime(unix_ns, uptime_ms + _BOOTED_BEFORE_MS)

    def _run(self) -> None:
        with self._changed:
            while not self._is_ending:
                self._changed.wait(self._work())
            self._fleet.close()

    def _work(self) -> float:
        """Do what is to be done; a fault of ours in one step is not the end of all devices."""
        try:
            return self._fleet.work(self._time()) / 1000
        except Exception:
            _logger.exception("the simulator failed")
            return _FAILED_S
