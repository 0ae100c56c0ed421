"""Simulated devices as the configuration wants them."""

from __future__ import annotations

import functools
import secrets
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from flowexport_mgmt.link.messages import Devices, GetDevices
from flowexport_mgmt.model import simulation as fes
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.model.flow_export import Protocol, RecordFormat
from flowexport_mgmt.runtime.parts import Surroundings
from flowexport_mgmt.runtime.times import date_and_time, date_and_time_or_none
from flowexport_mgmt.simulator import network
from flowexport_mgmt.simulator.flows import Timeouts
from flowexport_mgmt.simulator.formats import Endpoint, Format
from flowexport_mgmt.simulator.report import (
    DevicePage,
    DeviceReport,
    ExporterReport,
    FleetReport,
)
from flowexport_mgmt.simulator.roles import DEVICE_TYPES, ROLES, Role
from flowexport_mgmt.simulator.settings import FleetSettings, GroupSettings
from flowexport_mgmt.simulator.simulator import Simulator
from flowexport_mgmt.sources.local_routes import LocalRoutes

NOTHING_SIMULATED: Final = fes.Simulation()

_STOP_S: Final = 0.9
_MEMORY: Final = "simulator-routes.json"


class Simulation:
    """Leads the simulator, which is there from the first group on.

    Nothing that the kernel refuses fails a commit: it shows in the state and is tried again.
    """

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._drawn_seed = secrets.randbits(64)
        self._simulator: Simulator | None = None
        self._since_ns = surroundings.clock().unix_ns
        self._prepared: fes.Simulation | None = None
        self._running = NOTHING_SIMULATED

    def prepare(self, new: fes.Simulation) -> None:
        """Take note of what is wanted."""
        self._prepared = new

    def apply(self) -> None:
        """Have the simulator see to it, at its next step."""
        wanted, self._prepared = self._prepared, None
        if wanted is None or wanted == self._running:
            return
        self._running = wanted
        if self._simulator is None and wanted.device_group:
            self._begin()
        if self._simulator is not None:
            self._simulator.configure(read_settings(wanted, self._drawn_seed))

    def abort(self) -> None:
        """Forget what was wanted."""
        self._prepared = None

    def stop(self) -> None:
        """End the simulator."""
        simulator, self._simulator = self._simulator, None
        if simulator is not None:
            simulator.stop(_STOP_S)

    def state(self) -> fes.SimulationState:
        """Report how the simulator fares."""
        if self._simulator is None:
            return fes.SimulationState(oper_status=OperStatus.DISABLED)
        return describe_simulation(self._simulator.report(), self._since_ns)

    def devices(self, request: GetDevices) -> Devices:
        """Give a page of devices.

        Raises:
            ValueError: there is no such address.
        """
        if self._simulator is None:
            return Devices(total=0)
        page = DevicePage(
            address=None if request.address is None else ip_address(request.address),
            group=request.group,
            offset=request.offset,
            limit=request.limit,
        )
        total, found = self._simulator.report_devices(page)
        return Devices(total=total, devices=tuple(map(_describe_device, found)))

    def _begin(self) -> None:
        surroundings = self._surroundings
        folder = surroundings.state_folder
        memory = None if folder is None else folder / _MEMORY
        self._since_ns = surroundings.clock().unix_ns
        self._simulator = Simulator(
            network.Surroundings(
                enter=surroundings.facilities.open_in_namespace,
                make=surroundings.facilities.make_namespace,
                local=functools.partial(_local_routes, memory),
            ),
            self._read_clock,
        )
        self._simulator.start()

    def _read_clock(self) -> tuple[int, int]:
        now = self._surroundings.clock()
        return now.unix_ns, now.uptime_ms


def _local_routes(
    memory: Path | None, open_socket: network.OpenSocket, place: str
) -> network.LocalNetworks:
    return LocalRoutes(open_socket, memory, place)


# -- configuration


def read_settings(config: fes.Simulation, drawn_seed: int) -> FleetSettings:
    """Read what the simulator runs by; ``drawn_seed`` stands in for a seed that is not given."""
    seed = drawn_seed if config.seed is None else config.seed
    return FleetSettings(
        groups=tuple(_read_group(config, group, seed) for group in config.device_group),
        enabled=config.enabled,
        per_device=config.source_per_device,
        namespace=config.network_namespace,
        rate_limit=config.rate_limit,
    )


def _read_group(config: fes.Simulation, group: fes.DeviceGroup, seed: int) -> GroupSettings:
    role = _role(group)
    flow = group.flow
    told = flow or fes.DeviceGroupFlow(collector_address="", collector_port=0)
    return GroupSettings(
        name=group.name,
        first=ip_address(group.start_address),
        count=group.count,
        prefix_length=group.prefix_length,
        excluded=frozenset(map(ip_address, group.excluded_address)),
        role=role,
        interfaces=group.interface_count,
        collector=None if flow is None else Endpoint(flow.collector_address, flow.collector_port),
        format=Format(told.protocol.value),
        tick_ms=told.tick_interval or config.tick_interval,
        timeouts=Timeouts(told.active_timeout, told.inactive_timeout),
        template_ms=config.template_interval * 1000,
        classic=told.record_format is RecordFormat.CLASSIC,
        sub_agent_id=told.sub_agent_id,
        sampling_rate=told.sampling_rate or role.sampling_rate,
        seed=seed,
        max_size=config.max_datagram_size,
    )


def _role(group: fes.DeviceGroup) -> Role:
    return ROLES[group.role.value] if group.resource is None else DEVICE_TYPES[group.resource]


# -- state


def describe_simulation(report: FleetReport, since_ns: int) -> fes.SimulationState:
    """Describe how all devices fare as the model has it."""
    return fes.SimulationState(
        oper_status=report.status,
        oper_reason=report.reason,
        source_mode=fes.SourceMode.SHARED if report.is_shared else fes.SourceMode.PER_DEVICE,
        devices=report.devices,
        devices_exporting=report.exporting,
        late_turns=report.late_turns,
        exporter=tuple(map(_describe_exporter, report.exporters)),
        discontinuity_time=date_and_time(since_ns),
    )


def _describe_exporter(report: ExporterReport) -> fes.Exporter:
    return fes.Exporter(
        collector_address=report.collector.address,
        collector_port=report.collector.port,
        protocol=Protocol(report.format.value),
        devices=report.devices,
        sent_packets=report.datagrams,
        sent_bytes=report.octets,
        sent_records=report.records,
        send_failures=sum(report.failures.values()),
        send_failure=tuple(
            fes.ExporterSendFailure(error=error, count=count)
            for error, count in sorted(report.failures.items())
        ),
        last_template_send=date_and_time_or_none(report.last_template_ns),
        oper_status=report.status,
        oper_reason=report.reason,
    )


def _describe_device(report: DeviceReport) -> fes.Device:
    return fes.Device(
        address=str(report.address),
        group=report.group,
        flows_active=report.flows_active,
        sequence=report.sequence,
        sent_packets=report.datagrams,
        sent_bytes=report.octets,
        sent_records=report.records,
        send_failures=report.failures,
        oper_status=report.status,
        oper_reason=report.reason,
    )
