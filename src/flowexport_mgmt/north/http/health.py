"""Whether the daemon does its work, part by part, as it is at this moment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from flowexport_mgmt.datastore import StateSnapshot
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.model.flow_export import FlowExportState
from flowexport_mgmt.model.server import ServerState

STATE_PATHS: Final = ("/flow-export", "/server")
"""The schema paths of the state that health is judged by."""


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part of the daemon, how it fares, and why if it is not well."""

    name: str
    status: OperStatus
    reason: str | None = None


class Health(msgspec.Struct, frozen=True):
    """All parts; the worst of them is the status of the whole."""

    status: OperStatus
    parts: tuple[Part, ...]

    @property
    def is_well(self) -> bool:
        """Whether no part is down."""
        return self.status is not OperStatus.DOWN


def judge(snapshot: StateSnapshot) -> Health:
    """Judge the state; what is disabled by configuration is well."""
    parts = tuple(_parts(snapshot))
    for status in (OperStatus.DOWN, OperStatus.DEGRADED):
        if any(part.status is status for part in parts):
            return Health(status, parts)
    return Health(OperStatus.UP, parts)


def _parts(snapshot: StateSnapshot) -> Iterator[Part]:
    for failure in snapshot.failures:
        yield Part("state", OperStatus.DOWN, failure)
    server = snapshot.nodes.get("flow-export-server:server")
    if isinstance(server, ServerState):
        yield from _doors(server)
    flow_export = snapshot.nodes.get("flow-export:flow-export")
    if isinstance(flow_export, FlowExportState):
        yield from _flow_export(flow_export)


def _doors(server: ServerState) -> Iterator[Part]:
    if server.netconf is not None:
        for name, door in (
            ("netconf-ssh", server.netconf.ssh),
            ("netconf-tls", server.netconf.tls),
        ):
            if door is not None:
                yield from _part(name, door.oper_status, door.oper_reason)
    if server.http is not None:
        yield from _part("http", server.http.oper_status, server.http.oper_reason)


def _flow_export(state: FlowExportState) -> Iterator[Part]:
    if state.counters is not None:
        yield from _part("counters", state.counters.oper_status, state.counters.oper_reason)
    for name, source in (("sampling", state.sampling), ("conntrack", state.conntrack)):
        if source is not None:
            yield from _part(name, source.oper_status, source.oper_reason)
    if state.enrichment is not None:
        for name, routes in (("ibgp", state.enrichment.ibgp), ("bmp", state.enrichment.bmp)):
            if routes is not None:
                yield from _part(name, routes.oper_status, routes.oper_reason)
    for collector in state.collector:
        if collector.statistics is not None:
            fares = collector.statistics
            yield from _part(f"collector {collector.name}", fares.oper_status, fares.oper_reason)


def _part(name: str, status: OperStatus | None, reason: str | None) -> Iterator[Part]:
    if status is not None:
        yield Part(name, status, reason)
