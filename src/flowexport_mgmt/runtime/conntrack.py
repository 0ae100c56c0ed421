"""The kernel's connections as a source of flows."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from flowexport_mgmt.link.messages import RecentFlow
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.pipeline.recent import RecentFlows
from flowexport_mgmt.runtime.parts import Surroundings, WillingPart, tell_source
from flowexport_mgmt.runtime.paths import CONNTRACK, is_asked
from flowexport_mgmt.runtime.times import date_and_time, date_and_time_or_none
from flowexport_mgmt.sources.conntrack import (
    ConntrackReport,
    ConntrackSource,
    Settings,
    release_switches,
)

_STOP_S: Final = 0.5
_REST_S: Final = 0.5
"""Of the time for the end, what is left for records to be sent."""
_MEMORY: Final = "conntrack-switches.json"


class Conntrack(WillingPart[fe.Conntrack | None]):
    """Starts, changes and stops the source; whatever else a commit changes, it feels nothing."""

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__()
        self._surroundings = surroundings
        self._source: ConntrackSource | None = None
        self._recent: RecentFlows | None = None
        self._running: fe.Conntrack | None = None

    def _read(self, new: fe.FlowExport | None) -> fe.Conntrack | None:
        return None if new is None else new.conntrack

    def _follow(self, wish: fe.Conntrack | None) -> None:
        before, self._running = self._running, wish
        if wish is None or not wish.enabled:
            self._end()
            if before is None:
                release_switches(self._memory)
            return
        if self._source is None:
            self._begin(wish)
        elif wish != before:
            self._source.configure(_make_settings(wish))
        if self._recent is not None:
            self._recent.resize(wish.recent_flow_ring)

    def recent_flows(self, destination_prefix: str | None) -> tuple[RecentFlow, ...]:
        """Give the latest records, the latest first; none while nothing is followed.

        Raises:
            ValueError: there is no such prefix.
        """
        network = (
            None
            if destination_prefix is None
            else ipaddress.ip_network(destination_prefix, strict=False)
        )
        return () if self._recent is None else self._recent.find(network)

    def finish(self, deadline: float) -> None:
        """Stop the source, which tells of what grew since it looked last."""
        if self._source is not None:
            self._source.finish(deadline - _REST_S)

    def stop(self) -> None:
        """Stop the source."""
        self.abort()
        self._end()

    def state(self, paths: Sequence[str]) -> fe.FlowExportState:
        """Report how the source fares."""
        if self._running is None or not is_asked(CONNTRACK, paths):
            return fe.FlowExportState()
        if self._source is None:
            return fe.FlowExportState(conntrack=fe.ConntrackState(oper_status=OperStatus.DISABLED))
        state = describe_conntrack(self._source.report)
        if self._recent is not None:
            state = msgspec.structs.replace(state, recent_ring_drops=self._recent.drops)
        return fe.FlowExportState(conntrack=state)

    @property
    def _memory(self) -> Path | None:
        folder = self._surroundings.state_folder
        return None if folder is None else folder / _MEMORY

    def _begin(self, wish: fe.Conntrack) -> None:
        surroundings = self._surroundings
        self._recent = RecentFlows(wish.recent_flow_ring)
        surroundings.pipeline.exchange.tap(self._recent.take)
        self._source = ConntrackSource(
            _make_settings(wish),
            surroundings.pipeline.exchange.publish,
            functools.partial(tell_source, surroundings.tell, "conntrack"),
            self._memory,
        )
        self._source.start()

    def _end(self) -> None:
        if self._source is not None:
            self._source.stop(_STOP_S)
            self._source = None
        if self._recent is not None:
            self._surroundings.pipeline.exchange.untap(self._recent.take)
            self._recent = None


def describe_conntrack(report: ConntrackReport) -> fe.ConntrackState:
    """Describe how conntrack fares as the model has it."""
    switches = report.switches
    return fe.ConntrackState(
        mode=report.mode,
        flows_active=report.flows_active,
        flows_exported=report.flows_exported,
        flows_vanished=report.flows_vanished,
        dump_duration=None if report.dump_ns is None else report.dump_ns // 1_000_000,
        dump_entries=report.dump_entries,
        last_dump=date_and_time_or_none(report.last_dump_ns),
        destroy_events=report.destroy_events,
        events_lost=report.events_lost,
        resyncs=report.resyncs,
        accounting=bool(switches.acct),
        timestamps=bool(switches.timestamp),
        events=bool(switches.events),
        oper_status=report.status,
        oper_reason=report.reason,
        discontinuity_time=date_and_time(report.since_ns),
    )


def _make_settings(config: fe.Conntrack) -> Settings:
    return Settings(config.active_timeout, config.zone, config.manage_kernel)
