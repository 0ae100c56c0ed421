"""Simulated devices, from the tick to the socket, against the same datagrams sent by plain C.

The clock is the benchmark's. ``own rate`` is one tick of all devices in the steps in which their
thread wishes to work, however long the tick is. ``all flows`` is a tick at which every flow is due,
in ten steps: what a processor manages that has more to do than it has time for.
"""

from __future__ import annotations

import ctypes
import socket
import tempfile
import tracemalloc
from collections.abc import Callable, Collection, Mapping
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, Final

from bench.compiler import build
from bench.measure import Cost, Result, compare
from flowexport_mgmt.simulator.fleet import Fleet
from flowexport_mgmt.simulator.flows import Timeouts
from flowexport_mgmt.simulator.formats import Endpoint
from flowexport_mgmt.simulator.group import Group
from flowexport_mgmt.simulator.network import LocalNetworks, Surroundings
from flowexport_mgmt.simulator.outlet import Outlet
from flowexport_mgmt.simulator.roles import ROLES
from flowexport_mgmt.simulator.sender import open_sender
from flowexport_mgmt.simulator.settings import FleetSettings, GroupSettings
from flowexport_mgmt.wire.flows.fields import ExportTime

SIZES: Final = (1_000, 10_000, 30_000)
"""Devices, each with 128 flows at a time."""

_ROLE: Final = ROLES["edge-router"]
_TICK_MS: Final = 5000
_SURGE_STEPS: Final = 10
_BEGIN_MS: Final = 1_800_000_000_000
_LEAST_RATE: Final = 1_000_000  # records per CPU second
_MOST_CORE: Final = 0.3
_OCTETS: Final = 1000 + 100 * _ROLE.flows  # of memory for a device
_DESCRIPTORS: Final = 1


class _Loopback:
    """All of 127.0.0.0/8 is local, without a route of ours."""

    def want(self, networks: Collection[IPv4Network]) -> Mapping[IPv4Network, OSError]:
        del networks
        return {}

    def overlaps_link(self, network: IPv4Network) -> bool:
        del network
        return False

    def close(self) -> None:
        pass


class _Lab:
    """A fleet and the time that it lives in."""

    def __init__(self, devices: int, port: int) -> None:
        self.fleet = Fleet(Surroundings(_nowhere, _nowhere, _local))
        self._now_ms = _BEGIN_MS
        group = _settings(devices, port, Timeouts(30_000, 15_000))
        self.fleet.configure(FleetSettings(groups=(group,)))
        self._wait_ms = self._work()

    def tick(self) -> None:
        end_ms = self._now_ms + _TICK_MS
        while self._now_ms + self._wait_ms <= end_ms:
            self._now_ms += self._wait_ms
            self._wait_ms = self._work()
        self._wait_ms -= end_ms - self._now_ms
        self._now_ms = end_ms

    def counts(self) -> tuple[int, int, int]:
        """Datagrams, octets and records so far."""
        (outlet,) = self.fleet.outlets.values()
        (totals,) = outlet.totals.values()
        if totals.failures:
            raise AssertionError(f"datagrams failed: {totals.failures}")
        return totals.datagrams, totals.octets, totals.records

    def _work(self) -> int:
        return self.fleet.work(_time(self._now_ms))


class _Surge:
    """Devices all of whose flows are due at each tick."""

    def __init__(self, devices: int, port: int) -> None:
        self._now_ms = _BEGIN_MS
        settings = _settings(devices, port, Timeouts(_TICK_MS // 2, _TICK_MS // 2))
        self.group = Group(settings, _time(self._now_ms))
        link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.outlet = Outlet(open_sender(link, "127.0.0.1", port))

    def tick(self) -> None:
        for _ in range(_SURGE_STEPS):
            self._now_ms += _TICK_MS // _SURGE_STEPS
            for datagrams in self.group.advance(_time(self._now_ms)):
                self.outlet.take(self.group, datagrams, self._now_ms)
            self.outlet.send(self.outlet.pending, self._now_ms * 1_000_000)

    def counts(self) -> tuple[int, int, int]:
        """Datagrams, octets and records so far."""
        (totals,) = self.outlet.totals.values()
        if totals.failures or self.outlet.pending:
            raise AssertionError(f"datagrams failed: {totals.failures}")
        return totals.datagrams, totals.octets, totals.records


def _settings(devices: int, port: int, timeouts: Timeouts) -> GroupSettings:
    return GroupSettings(
        name="bench",
        first=IPv4Address("127.16.0.1"),
        count=devices,
        role=_ROLE,
        collector=Endpoint("127.0.0.1", port),
        timeouts=timeouts,
        tick_ms=_TICK_MS,
        sampling_rate=_ROLE.sampling_rate,
        seed=1,
    )


def _time(now_ms: int) -> ExportTime:
    return ExportTime(now_ms * 1_000_000, now_ms - _BEGIN_MS + 10**7)


def run(*, quick: bool) -> list[Result]:
    """Measure a tick at each size."""
    with tempfile.TemporaryDirectory() as folder:
        library = build("sendmmsg", Path(folder))
    library.send_datagrams.restype = ctypes.c_size_t
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        port = receiver.getsockname()[1]
        sizes = SIZES[:2] if quick else SIZES
        surges = [_measure_surge(library, port, size) for size in sizes]
        return [*surges, *(_measure_own(library, port, size) for size in sizes)]


def _measure_surge(library: Any, port: int, devices: int) -> Result:
    lab = _Surge(devices, port)
    records, ours, theirs = _compare(library, lab, port)
    lab.outlet.close()
    rate = records / ours.cpu
    also = f"{rate:,.0f} records per CPU second"
    failure = "" if rate >= _LEAST_RATE else f"below {_LEAST_RATE:,}"
    return _result("simulator, all flows", devices, (ours, theirs), failure, also)


def _measure_own(library: Any, port: int, devices: int) -> Result:
    octets, descriptors = _weigh(devices, port)
    lab = _Lab(devices, port)
    records, ours, theirs = _compare(library, lab, port)
    lab.fleet.close()
    core = ours.cpu * 1000 / _TICK_MS
    also = (
        f"{core:.3f} of a core, {records / ours.cpu:,.0f} records per CPU second,"
        f" {octets} octets a device, {descriptors} descriptors"
    )
    failure = _judge(core, octets, descriptors)
    return _result("simulator, own rate", devices, (ours, theirs), failure, also)


def _result(case: str, devices: int, costs: tuple[Cost, Cost], failure: str, also: str) -> Result:
    name = "C sendmmsg"
    return Result(case, devices, name, *costs, judged="failure", failure=failure, also=also)


def _compare(library: Any, lab: _Lab | _Surge, port: int) -> tuple[float, Cost, Cost]:
    """Give the records of a tick, its cost, and that of sending as much by C."""
    for _ in range(2):  # until the first templates are past
        lab.tick()
    before = lab.counts()
    lab.tick()
    datagrams, size, _ = (b - a for a, b in zip(before, lab.counts(), strict=True))
    ticks = _Counted(lab.tick)
    start = lab.counts()[2]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.connect(("127.0.0.1", port))
        ours, theirs = compare(ticks, _theirs(library, link, datagrams, size // datagrams))
    return (lab.counts()[2] - start) / ticks.count, ours, theirs


class _Counted:
    """Counts how often a function was called."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        self.count = 0

    def __call__(self) -> None:
        self.count += 1
        self._function()


def _weigh(devices: int, port: int) -> tuple[int, int]:
    """Give the octets that a device takes, and the descriptors that all take."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    tracemalloc.start()
    lab = _Lab(devices, port)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    descriptors = len(list(Path("/proc/self/fd").iterdir())) - before
    lab.fleet.close()
    return taken // devices, descriptors


def _judge(core: float, octets: int, descriptors: int) -> str:
    missed = []
    if core > _MOST_CORE:
        missed.append(f"{core:.2f} of a core")
    if octets > _OCTETS:
        missed.append(f"{octets} octets a device")
    if descriptors > _DESCRIPTORS:
        missed.append(f"{descriptors} descriptors")
    return ", ".join(missed)


def _theirs(library: Any, link: socket.socket, count: int, size: int) -> Callable[[], None]:
    """Send as many datagrams of their mean size."""
    octets = ctypes.create_string_buffer(count * size)
    offsets = (ctypes.c_uint64 * (count + 1))(*range(0, (count + 1) * size, size))

    def send() -> None:
        sent = library.send_datagrams(link.fileno(), octets, offsets, ctypes.c_size_t(count))
        if sent != count:
            raise AssertionError(f"the reference sent {sent} of {count}")

    return send


def _nowhere(*_: Any) -> Any:
    raise OSError("nobody here speaks in a namespace")


def _local(*_: Any) -> LocalNetworks:
    return _Loopback()
