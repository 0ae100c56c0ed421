"""How the devices of a group speak: their datagrams, and how far each has counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.simulator.flows import Export
from flowexport_mgmt.simulator.formats import Format
from flowexport_mgmt.simulator.settings import GroupSettings, domains_of
from flowexport_mgmt.wire import fleet
from flowexport_mgmt.wire.fleet import FleetDatagrams
from flowexport_mgmt.wire.flows.fields import ExportTime

Devices = NDArray[np.intp]

_NEVER: Final = -(1 << 62)
_PROTOCOLS: Final = {
    Format.NETFLOW5: fleet.NETFLOW5,
    Format.NETFLOW9: fleet.NETFLOW9,
    Format.IPFIX: fleet.IPFIX,
}
_LOAD_PERIOD_MS: Final = 600_000


class Voice(Protocol):
    """How the devices of a group speak."""

    @property
    def sequences(self) -> NDArray[np.int64]:
        """What each device's datagrams were numbered up to."""

    def speak(self, export: Export, devices: Devices, time: ExportTime) -> Iterator[FleetDatagrams]:
        """Make the datagrams of devices whose tick has come."""

    def repeat(self, devices: Devices) -> None:
        """Let devices announce again what has not gone out."""

    def go_on(self, other: Voice, mine: slice, theirs: slice) -> None:
        """Count on from where the same devices were in another voice."""


def make_voice(settings: GroupSettings, addresses: NDArray[np.void]) -> Voice:
    """Make the voice of a group's devices."""
    if settings.format is Format.SFLOW:
        return SflowVoice(settings, addresses)
    return NetflowVoice(settings, addresses)


class NetflowVoice:
    """NetFlow v5, NetFlow v9 and IPFIX."""

    def __init__(self, settings: GroupSettings, addresses: NDArray[np.void]) -> None:
        count = len(addresses)
        self._settings = settings
        self._protocol = _PROTOCOLS[settings.format]
        self._exporters = fleet.Exporters(domains_of(addresses), np.zeros(count, np.int64))
        self._announced_ms = np.full(count, _NEVER)

    @property
    def sequences(self) -> NDArray[np.int64]:
        """Datagrams of NetFlow v9, records of the others."""
        return self._exporters.sequences

    def speak(self, export: Export, devices: Devices, time: ExportTime) -> Iterator[FleetDatagrams]:
        """Make flow records, and templates before them where they are due."""
        yield fleet.encode_flows(
            self._protocol,
            export.flows,
            export.devices,
            self._exporters,
            announced=self._announce(devices, time.time_ms),
            time=time,
            max_size=self._settings.max_size,
            classic=self._settings.classic,
        )

    def repeat(self, devices: Devices) -> None:
        """Let devices announce again what has not gone out."""
        self._announced_ms[devices] = _NEVER

    def go_on(self, other: Voice, mine: slice, theirs: slice) -> None:
        """Count on; templates are told anew."""
        self._exporters.sequences[mine] = other.sequences[theirs]

    def _announce(self, devices: Devices, now_ms: int) -> NDArray[np.bool_]:
        """Choose who announces templates now: they are due when the interval is over."""
        announced = np.zeros(len(self._announced_ms), np.bool_)
        if self._settings.format is not Format.NETFLOW5:
            waited = now_ms - self._announced_ms[devices]
            announced[devices] = waited >= self._settings.template_ms
            self._announced_ms[announced] = now_ms
        return announced


class SflowVoice:
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
    def sequences(self) -> NDArray[np.int64]:
        """Datagrams."""
        return self._agents.datagrams

    def speak(self, export: Export, devices: Devices, time: ExportTime) -> Iterator[FleetDatagrams]:
        """Make flow samples and counter samples."""
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

    def repeat(self, devices: Devices) -> None:
        """Do nothing: sFlow announces nothing."""

    def go_on(self, other: Voice, mine: slice, theirs: slice) -> None:
        """Count on, in each interface too where there are as many as before."""
        if not isinstance(other, SflowVoice):
            return
        ours, agents = self._agents, other._agents
        ours.datagrams[mine] = agents.datagrams[theirs]
        if ours.samples.shape[1] == agents.samples.shape[1]:
            ours.samples[mine], ours.polls[mine] = agents.samples[theirs], agents.polls[theirs]
            self._octets[:, mine] = other._octets[:, theirs]
            self._packets[:, mine] = other._packets[:, theirs]

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
