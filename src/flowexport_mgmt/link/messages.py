"""The messages of the links between the manager and the exporter, and the manager and the rib.

::

    manager -> exporter                     exporter -> manager
    Prepare(commit, flow_export,            Prepared(refusals) | Failed(message)
            simulation, strict)
    Apply(commit), Abort(commit)            Done() | Failed(message)
    GetState(paths)                         State(flow_export, simulation, interfaces)
                                            | Failed(message)
    GetRecentFlows(destination_prefix)      RecentFlows(flows) | Failed(message)
    LookupRoutes(addresses)                 FoundRoutes(routes) | Failed(message)
    RefreshRoutes(neighbor)                 Done() | Failed(message)
    Diagnose()                              Diagnosis(findings) | Failed(message)
    ClearStatistics(collector),             Done() | Failed(message)
    ExportNow(collector)
    GetDevices(address, group, offset,      Devices(total, devices) | Failed(message)
               limit)
                                            Hello(commit, started), once, when a link opens
                                            CollectorStateChange, SourceStateChange,
                                            SampleLoss at any time

GetRecentFlows and LookupRoutes are for the exporter, RefreshRoutes for the rib process.
Each is one MessagePack map with a ``type``; instants are RFC 3339 text as YANG's date-and-time.
"""

from __future__ import annotations

import enum

import msgspec

from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.model import interfaces as ifs
from flowexport_mgmt.model import simulation as fes
from flowexport_mgmt.model.base import OperStatus


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """A message; its class name is its type on the wire."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why a part of a configuration cannot be used.

    ``path`` is the instance path of the node to blame, with module prefixes
    (``/fe:flow-export/fe:collector[fe:name='a']/fe:source-address``).
    """

    path: str
    message: str


class Prepare(_Message, frozen=True, kw_only=True):
    """Get ready to run the configuration of ``commit``; nothing changes until Apply.

    ``flow_export`` is None where flow export is not configured. With ``strict`` everything that
    cannot work is refused; without it, it is restored as far as possible and retried.
    """

    commit: int
    flow_export: fe.FlowExport | None = None
    simulation: fes.Simulation = fes.Simulation()
    strict: bool = True


class Apply(_Message, frozen=True, kw_only=True):
    """Run what was prepared for ``commit``."""

    commit: int


class Abort(_Message, frozen=True, kw_only=True):
    """Forget what was prepared for ``commit``."""

    commit: int


class GetState(_Message, frozen=True, kw_only=True):
    """Report what lies above or below any of these schema paths, written without prefixes."""

    paths: tuple[str, ...] = ()


class GetRecentFlows(_Message, frozen=True, kw_only=True):
    """Report the latest flow records, to any destination or to those of a prefix."""

    destination_prefix: str | None = None


class LookupRoutes(_Message, frozen=True, kw_only=True):
    """Report the routes of BGP that addresses belong to."""

    addresses: tuple[str, ...]


class ClearStatistics(_Message, frozen=True, kw_only=True):
    """Count what is sent to a collector from zero again."""

    collector: str


class ExportNow(_Message, frozen=True, kw_only=True):
    """Send a collector the counters of all interfaces now."""

    collector: str


class Diagnose(_Message, frozen=True, kw_only=True):
    """Look at everything that exporting takes, and say what is found."""


class GetDevices(_Message, frozen=True, kw_only=True):
    """Report simulated devices: of an address, of a group, or a page of all."""

    address: str | None = None
    group: str | None = None
    offset: int = 0
    limit: int = 1000


class RefreshRoutes(_Message, frozen=True, kw_only=True):
    """Ask a neighbor of BGP, or all of them, for all routes again."""

    neighbor: str | None = None


class Hello(_Message, frozen=True, kw_only=True):
    """The first message on a link: the commit that runs (0 for none) and the process's start."""

    commit: int
    started: str


class Prepared(_Message, frozen=True, kw_only=True):
    """Ready to apply, or refused with every reason that was found."""

    refusals: tuple[Refusal, ...] = ()


class Done(_Message, frozen=True, kw_only=True):
    """Applied or aborted."""


class State(_Message, frozen=True, kw_only=True):
    """What was asked for; None where no path asked for the node.

    ``uncleared`` are the collectors whose statistics were cleared, as if they had not been.
    """

    flow_export: fe.FlowExportState | None = None
    simulation: fes.SimulationState | None = None
    interfaces: ifs.Interfaces | None = None
    uncleared: tuple[fe.CollectorState, ...] = ()


class RecentFlow(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    """A flow record as the model has it; None where something is not known."""

    src_address: str
    src_port: int | None = None
    dst_address: str
    dst_port: int | None = None
    protocol: int
    bytes: int
    packets: int
    tcp_state: str | None = None
    first_ms: int
    last_ms: int
    src_as: int | None = None
    dst_as: int | None = None
    next_hop: str | None = None
    as_path: str | None = None


class RecentFlows(_Message, frozen=True, kw_only=True):
    """The latest flow records, the latest first."""

    flows: tuple[RecentFlow, ...] = ()


class FoundRoute(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    """An address and the route that it belongs to; None where something is not told."""

    address: str
    prefix: str
    origin_as: int | None = None
    next_hop: str | None = None
    as_path: str | None = None


class FoundRoutes(_Message, frozen=True, kw_only=True):
    """The routes that were found, in the order of the addresses."""

    routes: tuple[FoundRoute, ...] = ()


class FindingStatus(enum.StrEnum):
    """How good or bad what was found is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Finding(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    """What a check found: of what, how it fares, in words, and the command that mends it."""

    check: str
    subject: str | None = None
    status: FindingStatus
    message: str
    remedy: str | None = None


class Diagnosis(_Message, frozen=True, kw_only=True):
    """Everything that was found."""

    findings: tuple[Finding, ...] = ()


class Devices(_Message, frozen=True, kw_only=True):
    """A page of simulated devices, and how many there are."""

    total: int
    devices: tuple[fes.Device, ...] = ()


class Failed(_Message, frozen=True, kw_only=True):
    """The request could not be carried out at all; ``message`` says why in words."""

    message: str


class CollectorStateChange(_Message, frozen=True, kw_only=True):
    """The oper-status of a collector changed."""

    name: str
    oper_status: OperStatus
    oper_reason: str | None = None


class SourceStateChange(_Message, frozen=True, kw_only=True):
    """The oper-status of a source of records, such as ``counters``, changed."""

    name: str
    oper_status: OperStatus
    oper_reason: str | None = None


class SampleLoss(_Message, frozen=True, kw_only=True):
    """``drops`` further samples of an interface were lost, ``total`` in all."""

    interface: str
    drops: int
    total: int


Request = (
    Prepare
    | Apply
    | Abort
    | GetState
    | GetRecentFlows
    | GetDevices
    | LookupRoutes
    | ClearStatistics
    | ExportNow
    | Diagnose
)
RibRequest = Prepare | Apply | Abort | GetState | RefreshRoutes
Event = CollectorStateChange | SourceStateChange | SampleLoss
Reply = Prepared | Done | State | RecentFlows | Devices | FoundRoutes | Diagnosis | Failed
FromExporter = Hello | Reply | Event
"""All that an exporter sends, for the manager's decoder."""
