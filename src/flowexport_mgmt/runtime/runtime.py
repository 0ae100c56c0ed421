"""The data plane behind the link."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from flowexport_mgmt.errors import LinkError
from flowexport_mgmt.export import OWN_FACILITIES, Facilities, Instant
from flowexport_mgmt.link.messages import (
    Devices,
    Event,
    FoundRoute,
    GetDevices,
    RecentFlow,
    Refusal,
    State,
)
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.model import interfaces as ifs
from flowexport_mgmt.model import simulation as fes
from flowexport_mgmt.pipeline import Pipeline, read_clock
from flowexport_mgmt.runtime.collectors import Collectors
from flowexport_mgmt.runtime.conntrack import Conntrack
from flowexport_mgmt.runtime.doctor import Evidence
from flowexport_mgmt.runtime.enrichment import Enrichment
from flowexport_mgmt.runtime.interfaces import describe_interfaces
from flowexport_mgmt.runtime.parts import Part, Surroundings, tell_source
from flowexport_mgmt.runtime.paths import COUNTERS, FLOW_EXPORT, INTERFACES, SIMULATION, is_asked
from flowexport_mgmt.runtime.sampled_flows import SampledFlows
from flowexport_mgmt.runtime.sampling import Sampling
from flowexport_mgmt.runtime.simulation import NOTHING_SIMULATED, Simulation
from flowexport_mgmt.runtime.state import describe_counters
from flowexport_mgmt.sources import CounterSource, Details


@dataclass(frozen=True, slots=True)
class _Prepared:
    commit: int
    flow_export: fe.FlowExport | None


class Runtime:
    """Runs what the committed configuration says; nothing runs before the first `apply`.

    All methods are called from one thread. ``on_event`` is called from any thread, in the middle of
    things: it must neither block nor call back.
    """

    def __init__(
        self,
        on_event: Callable[[Event], None],
        clock: Callable[[], Instant] = read_clock,
        source: CounterSource | None = None,
        facilities: Facilities = OWN_FACILITIES,
        state_folder: Path | None = None,
    ) -> None:
        self._facilities = facilities
        self.commit = 0
        """The commit that runs; 0 for none."""
        self._clock = clock
        self._source = source or CounterSource(clock().unix_ns, details=Details())
        tell_counters = functools.partial(tell_source, on_event, "counters")
        self._pipeline = Pipeline(self._source, clock, tell_counters)
        surroundings = Surroundings(self._pipeline, clock, on_event, facilities, state_folder)
        self.collectors = Collectors(surroundings)
        self._enrichment = Enrichment(surroundings)
        self._conntrack = Conntrack(surroundings)
        # A commit reaches the collectors before the sources that feed them.
        self._parts: tuple[Part, ...] = (
            self.collectors,
            self._enrichment,
            SampledFlows(surroundings),
            Sampling(surroundings),
            self._conntrack,
        )
        self._simulation = Simulation(surroundings)
        self._started = False
        self._flow_export: fe.FlowExport | None = None
        self._prepared: _Prepared | None = None

    def prepare(
        self,
        commit: int,
        new: fe.FlowExport | None,
        simulation: fes.Simulation = NOTHING_SIMULATED,
        *,
        strict: bool,
    ) -> tuple[Refusal, ...]:
        """Make ready to run ``new``, and to simulate, without any effect on what runs.

        Returns:
            With ``strict``, what cannot work because of the configuration, from every part;
            nothing is prepared then. Otherwise nothing: what cannot work is down once it is
            applied, and retried.
        """
        self._forget()
        refusals = tuple(
            refusal for part in self._parts for refusal in part.prepare(new, strict=strict)
        )
        if refusals:
            self._forget()
        else:
            self._simulation.prepare(simulation)
            self._prepared = _Prepared(commit, new)
        return refusals

    def apply(self, commit: int) -> None:
        """Run what was prepared.

        Raises:
            LinkError: another commit was prepared, or none.
        """
        prepared = self._prepared
        if prepared is None or prepared.commit != commit:
            raise LinkError(f"commit {commit} is to be applied and was not prepared")
        self._prepared = None
        if prepared.flow_export is not None and not self._started:
            self._pipeline.start()
            self._started = True
        for part in self._parts:
            part.apply()
        self._simulation.apply()
        self._flow_export = prepared.flow_export
        self.commit = commit

    def abort(self, commit: int) -> None:
        """Forget what was prepared for a commit; nothing else."""
        if self._prepared is not None and self._prepared.commit == commit:
            self._forget()

    def state(self, paths: Sequence[str]) -> State:
        """Report what lies at, above or below any of the schema paths, as it is now."""
        flow_export = None
        if self._flow_export is not None and is_asked(FLOW_EXPORT, paths):
            flow_export = self._describe_flow_export(paths)
        interfaces = None
        if is_asked(INTERFACES, paths):
            now = self._clock()
            snapshot = self._source.read(now.unix_ns, now.uptime_ms, now.monotonic)
            interfaces = describe_interfaces(snapshot)
        simulation = self._simulation.state() if is_asked(SIMULATION, paths) else None
        return State(
            flow_export=flow_export,
            simulation=simulation,
            interfaces=interfaces,
            uncleared=() if flow_export is None else self.collectors.uncleared,
        )

    def use_tables(self, descriptor: int | None) -> None:
        """Look routes up in these tables of the rib process from now on; None for none."""
        self._enrichment.use_tables(descriptor)

    def recent_flows(self, destination_prefix: str | None) -> tuple[RecentFlow, ...]:
        """Give the latest flow records, those to a prefix or all, the latest first.

        Raises:
            ValueError: there is no such prefix.
        """
        return self._enrichment.add_paths(self._conntrack.recent_flows(destination_prefix))

    def lookup_routes(self, addresses: Sequence[str]) -> tuple[FoundRoute, ...]:
        """Find the routes of BGP that addresses belong to; those without one are left out.

        Raises:
            ValueError: a text is no address, or there are no routes of BGP.
        """
        return self._enrichment.lookup_routes(addresses)

    def evidence(self) -> Evidence:
        """Give what a diagnosis is made of, as it is now; making it may take another thread."""
        state = self.state([FLOW_EXPORT, INTERFACES])
        return Evidence(
            self._flow_export,
            state.flow_export or fe.FlowExportState(),
            state.interfaces or ifs.Interfaces(),
            self._facilities,
        )

    def devices(self, request: GetDevices) -> Devices:
        """Give a page of the simulated devices.

        Raises:
            ValueError: there is no such address.
        """
        return self._simulation.devices(request)

    def goes_on(self, within: float) -> bool:
        """Tell whether every thread of the pipeline went on in so many seconds."""
        return not self._started or self._clock().monotonic - self._pipeline.alive_at < within

    def finish(self, patience_s: float) -> None:
        """Send what is known and has not been sent, within so many seconds; `stop` comes next."""
        deadline = time.monotonic() + patience_s
        for part in reversed(self._parts):
            part.finish(deadline)

    def stop(self) -> None:
        """Stop every thread and release every socket, within a second."""
        self._pipeline.stop()
        self._simulation.stop()
        for part in reversed(self._parts):
            part.stop()
        self._source.close()

    def _forget(self) -> None:
        self._prepared = None
        self._simulation.abort()
        for part in self._parts:
            part.abort()

    def _describe_flow_export(self, paths: Sequence[str]) -> fe.FlowExportState:
        counters = None
        if is_asked(COUNTERS, paths):
            counters = describe_counters(self._pipeline.polls, self._source.discontinuities)
        parts = [part.state(paths) for part in self._parts]
        return _merge([fe.FlowExportState(counters=counters), *parts])


def _merge(states: Iterable[fe.FlowExportState]) -> fe.FlowExportState:
    """Put together what parts report; each fills nodes of its own."""
    return functools.reduce(_add, states)


def _add(whole: fe.FlowExportState, part: fe.FlowExportState) -> fe.FlowExportState:
    given = {
        field.name: value
        for field in msgspec.structs.fields(part)
        if (value := getattr(part, field.name)) != field.default
    }
    return msgspec.structs.replace(whole, **given)
