"""The data plane behind the link."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from flowexport_mgmt.errors import LinkError
from flowexport_mgmt.export import OWN_FACILITIES, Facilities, Instant
from flowexport_mgmt.link.messages import (
    CollectorStateChange,
    Event,
    Refusal,
    SourceStateChange,
    State,
)
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.pipeline import Lane, Pipeline, read_clock
from flowexport_mgmt.runtime.interfaces import describe_interfaces
from flowexport_mgmt.runtime.paths import COLLECTOR, COUNTERS, FLOW_EXPORT, INTERFACES, is_asked
from flowexport_mgmt.runtime.plan import Plan, Running, Step, find_refusals, make_plan
from flowexport_mgmt.runtime.state import describe_collector, describe_counters
from flowexport_mgmt.sources import CounterSource


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
    ) -> None:
        self.commit = 0
        """The commit that runs; 0 for none."""
        self._on_event = on_event
        self._clock = clock
        self._facilities = facilities
        self._source = source or CounterSource(clock().unix_ns)
        self._pipeline = Pipeline(
            self._source, clock, functools.partial(self._tell_source, "counters")
        )
        self._started = False
        self._flow_export: fe.FlowExport | None = None
        self._running: dict[str, Running] = {}
        self._plan: Plan | None = None

    def prepare(
        self, commit: int, new: fe.FlowExport | None, *, strict: bool
    ) -> tuple[Refusal, ...]:
        """Make ready to run ``new``, without any effect on what runs.

        Collectors that do not change, or keep their identity, are not questioned.

        Returns:
            With ``strict``, what cannot work because of the configuration; nothing is prepared
            then. Otherwise nothing: what cannot work is down once it is applied, and retried.
        """
        self._release_plan()
        plan = make_plan(commit, new, self._running, self._facilities)
        refusals = find_refusals(plan) if strict else ()
        if refusals:
            plan.release()
        else:
            self._plan = plan
        return refusals

    def apply(self, commit: int) -> None:
        """Run what was prepared.

        Raises:
            LinkError: another commit was prepared, or none.
        """
        plan = self._plan
        if plan is None or plan.commit != commit:
            raise LinkError(f"commit {commit} is to be applied and was not prepared")
        self._plan = None
        if plan.flow_export is not None and not self._started:
            self._pipeline.start()
            self._started = True
        self._remove_others(plan)
        self._running = {step.config.name: self._take(step) for step in plan.steps}
        self._flow_export = plan.flow_export
        self.commit = commit

    def abort(self, commit: int) -> None:
        """Forget what was prepared for a commit; nothing else."""
        if self._plan is not None and self._plan.commit == commit:
            self._release_plan()

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
        return State(flow_export=flow_export, interfaces=interfaces)

    def stop(self) -> None:
        """Stop every thread and release every socket, within a second."""
        self._release_plan()
        self._pipeline.stop()
        for running in self._running.values():
            running.lane.close()
        self._running = {}
        self._source.close()

    def _describe_flow_export(self, paths: Sequence[str]) -> fe.FlowExportState:
        collectors: tuple[fe.CollectorState, ...] = ()
        if is_asked(COLLECTOR, paths):
            collectors = tuple(
                describe_collector(name, running.lane.report())
                for name, running in self._running.items()
            )
        counters = None
        if is_asked(COUNTERS, paths):
            counters = describe_counters(self._pipeline.polls, self._source.discontinuities)
        return fe.FlowExportState(collector=collectors, counters=counters)

    def _remove_others(self, plan: Plan) -> None:
        """Close the collectors that the plan does not keep."""
        kept = {step.config.name for step in plan.steps if step.kept is not None}
        for name, running in self._running.items():
            if name not in kept:
                if running.config.enabled:
                    self._pipeline.remove(running.lane)
                running.lane.close()

    def _take(self, step: Step) -> Running:
        """Let a collector run by its new settings."""
        now = self._clock()
        if step.kept is not None and step.is_untouched:
            if step.config.enabled:
                self._pipeline.retry(step.kept.lane, now)
            return step.kept
        lane = self._make_lane(step.config, now) if step.kept is None else step.kept.lane
        lane.configure(step.config, step.opened, now)
        self._serve(lane, step)
        return Running(step.config, lane)

    def _serve(self, lane: Lane, step: Step) -> None:
        """Add a lane to the pipeline, take it away, or change how often it is polled for."""
        was_served = step.kept is not None and step.kept.config.enabled
        if step.config.enabled and was_served:
            self._pipeline.change(lane, step.config.polling_interval)
        elif step.config.enabled:
            self._pipeline.add(lane, step.config.polling_interval)
        elif was_served:
            self._pipeline.remove(lane)

    def _make_lane(self, config: fe.Collector, now: Instant) -> Lane:
        return Lane(
            config,
            now,
            changed=functools.partial(self._tell_collector, config.name),
            recovered=self._pipeline.recovered,
            facilities=self._facilities,
        )

    def _release_plan(self) -> None:
        if self._plan is not None:
            self._plan.release()
            self._plan = None

    def _tell_collector(self, name: str, status: OperStatus, reason: str | None) -> None:
        self._on_event(CollectorStateChange(name=name, oper_status=status, oper_reason=reason))

    def _tell_source(self, name: str, status: OperStatus, reason: str | None) -> None:
        self._on_event(SourceStateChange(name=name, oper_status=status, oper_reason=reason))
