"""A group of simulated devices: who speaks when, and what each has said so far."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.simulator.draw import make_generator
from flowexport_mgmt.simulator.flows import Export, FlowTable
from flowexport_mgmt.simulator.places import Places
from flowexport_mgmt.simulator.settings import Format, GroupSettings, domains_of
from flowexport_mgmt.wire import fleet
from flowexport_mgmt.wire.fleet import FleetDatagrams
from flowexport_mgmt.wire.flows.fields import ExportTime

_NEVER: Final = -(1 << 62)
_PROTOCOLS: Final = {
    Format.NETFLOW5: fleet.NETFLOW5,
    Format.NETFLOW9: fleet.NETFLOW9,
    Format.IPFIX: fleet.IPFIX,
}
_LOAD_PERIOD_MS: Final = 600_000


class _Voice(Protocol):
    """How the devices of a group speak."""

    @property
    def sequences(self) -> NDArray[np.int64]:
        """What each device's datagrams were numbered up to."""

    @property
    def last_announcement_ms(self) -> int | None:
        """When templates were last made; None before, and for formats without."""

    def speak(self, export: Export, devices: slice, time: ExportTime) -> Iterator[FleetDatagrams]:
        """Make the datagrams of neighbouring devices whose tick has come."""

    def repeat(self, devices: NDArray[np.bool_]) -> None:
        """Let devices announce again what may not have arrived."""


class Group:
    """The devices of one group; nothing here knows a clock or a socket.

    Device ``i`` of ``n`` speaks in each tick when ``i / n`` of it is over, so that the group's
    datagrams are spread over the tick.
    """

    def __init__(self, settings: GroupSettings, time: ExportTime) -> None:
        self.settings = settings
        self.addresses = settings.pack_addresses()
        self.size = len(self.addresses)
        generator = make_generator(settings.seed, settings.name)
        version = self._flow_version()
        places = Places(self.size, settings.number, settings.interfaces, version)
        self.flows = FlowTable(settings.role, places, settings.timeouts, generator, time.time_ms)
        self.voice = _make_voice(settings, self.addresses)
        self._begin_ms = time.time_ms
        self._spoken = 0  # device turns since the beginning

    def advance(self, time: ExportTime) -> list[FleetDatagrams]:
        """Make the datagrams of every device whose turn has come since the last call.

        A device that missed turns, because nobody called, makes up for them with one.
        """
        if not self.size:
            return []
        elapsed = time.time_ms - self._begin_ms
        turns = max(0, elapsed) * self.size // self.settings.tick_ms
        first = max(self._spoken, turns - self.size)
        self._spoken = max(self._spoken, turns)
        return [
            datagrams
            for devices in _slices(first, turns, self.size)
            for datagrams in self._speak(devices, time)
            if len(datagrams)
        ]

    def due_ms(self) -> int:
        """Give the Unix time of the next turn."""
        if not self.size:
            return 1 << 62
        return self._begin_ms - (-(self._spoken + 1) * self.settings.tick_ms // self.size)

    def _speak(self, devices: slice, time: ExportTime) -> Iterator[FleetDatagrams]:
        export = self.flows.report(devices, time.time_ms)
        return self.voice.speak(export, devices, time)

    def _flow_version(self) -> Literal[4, 6]:
        """Flows are of the devices' own address family where the format has records for it."""
        settings = self.settings
        plain = settings.format is Format.NETFLOW5 or (
            settings.classic and settings.format is not Format.SFLOW
        )
        return 4 if plain or settings.first.version == 4 else 6


def _make_voice(settings: GroupSettings, addresses: NDArray[np.void]) -> _Voice:
    if settings.format is Format.SFLOW:
        return _SflowVoice(settings, addresses)
    return _NetflowVoice(settings, addresses)


def _slices(first: int, last: int, size: int) -> Iterator[slice]:
    """Give the devices whose turns are those from ``first`` to before ``last``; a round at most."""
    if last <= first:
        return
    begin, count = first % size, last - first
    yield slice(begin, min(size, begin + count))
    if begin + count > size:
        yield slice(0, begin + count - size)


class _NetflowVoice:
    """NetFlow v5, NetFlow v9 and IPFIX."""

    def __init__(self, settings: GroupSettings, addresses: NDArray[np.void]) -> None:
        count = len(addresses)
        self._settings = settings
        self._protocol = _PROTOCOLS[settings.format]
        self._exporters = fleet.Exporters(domains_of(addresses), np.zeros(count, np.int64))
        self._announced_ms = np.full(count, _NEVER)
        self._last_ms: int | None = None

    @property
    def last_announcement_ms(self) -> int | None:
        return self._last_ms

    @property
    def sequences(self) -> NDArray[np.int64]:
        return self._exporters.sequences

    def speak(self, export: Export, devices: slice, time: ExportTime) -> Iterator[FleetDatagrams]:
        if self._settings.format is Format.NETFLOW5:
            announced = np.zeros(len(self._announced_ms), np.bool_)
        else:
            announced = self._announce(devices, time.time_ms)
        yield fleet.encode_flows(
            self._protocol,
            export.flows,
            export.devices,
            self._exporters,
            announced=announced,
            time=time,
            max_size=self._settings.max_size,
            classic=self._settings.classic,
        )

    def repeat(self, devices: NDArray[np.bool_]) -> None:
        self._announced_ms[devices] = _NEVER

    def _announce(self, devices: slice, now_ms: int) -> NDArray[np.bool_]:
        """Choose who announces templates now: they are due when the interval is over."""
        announced = np.zeros(len(self._announced_ms), np.bool_)
        due = now_ms - self._announced_ms[devices] >= self._settings.template_ms
        announced[devices] = due
        if due.any():
            self._announced_ms[announced] = now_ms
            self._last_ms = now_ms
        return announced


class _SflowVoice:
    """sFlow: a sample for each flow record, and counters at every tick."""

    def __init__(self, settings: GroupSettings, addresses: NDArray[np.void]) -> None:
        count = len(addresses)
        shape = (count, settings.interfaces)
        self._settings = settings
        self._agents = fleet.Agents(
            addresses,
            np.full(count, settings.sub_agent_id, np.uint32),
            np.zeros(count, np.int64),
            np.zeros(shape, np.int64),
            np.zeros(count, np.int64),
        )
        self._octets = np.zeros((2, *shape), np.uint64)
        self._packets = np.zeros((2, *shape), np.uint64)

    @property
    def last_announcement_ms(self) -> int | None:
        return None

    @property
    def sequences(self) -> NDArray[np.int64]:
        return self._agents.datagrams

    def speak(self, export: Export, devices: slice, time: ExportTime) -> Iterator[FleetDatagrams]:
        size = self._settings.max_size
        self._count(export)
        yield fleet.encode_flow_samples(
            export.flows,
            export.devices,
            self._agents,
            rate=self._settings.sampling_rate,
            uptime_ms=time.uptime_ms,
            max_size=size,
            ethernet=not self._settings.classic,
        )
        gauges = fleet.Gauges(self._octets, self._packets, self._load(time.time_ms))
        yield fleet.encode_counters(
            gauges, devices, self._agents, uptime_ms=time.uptime_ms, max_size=size
        )

    def repeat(self, devices: NDArray[np.bool_]) -> None:
        """Do nothing: sFlow announces nothing."""

    def _count(self, export: Export) -> None:
        """Let the counters of interfaces grow by what the flows brought."""
        flows = export.flows
        for side, interfaces in enumerate((flows.in_if, flows.out_if)):
            sources = export.devices * self._octets.shape[2] + interfaces.astype(np.intp) - 1
            np.add.at(self._octets[side].reshape(-1), sources, flows.octets)
            np.add.at(self._packets[side].reshape(-1), sources, flows.packets)

    def _load(self, now_ms: int) -> NDArray[np.float64]:
        """Let the processors' load come and go, each device at another time."""
        phase = np.arange(len(self._agents.addresses)) * 0.618
        turn = now_ms % _LOAD_PERIOD_MS / _LOAD_PERIOD_MS
        load: NDArray[np.float64] = 0.35 + 0.25 * np.sin(2 * np.pi * (turn + phase))
        return load
