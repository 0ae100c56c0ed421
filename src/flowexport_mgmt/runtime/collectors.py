"""The collectors of the configuration as lanes of the pipeline."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from typing import Final

from flowexport_mgmt.export import Instant
from flowexport_mgmt.link.messages import CollectorStateChange, Refusal
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.pipeline import Lane
from flowexport_mgmt.runtime.parts import Surroundings
from flowexport_mgmt.runtime.paths import COLLECTOR, is_asked
from flowexport_mgmt.runtime.plan import Plan, Running, Step, find_refusals, make_plan
from flowexport_mgmt.runtime.state import describe_collector

_LOOK_S: Final = 0.01


class Collectors:
    """Opens, changes and closes collectors; one that a commit leaves alone feels nothing."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._pipeline = surroundings.pipeline
        self._running: dict[str, Running] = {}
        self._plan: Plan | None = None

    def prepare(self, new: fe.FlowExport | None, *, strict: bool) -> tuple[Refusal, ...]:
        """Open the sockets that ``new`` needs; collectors that do not change are not questioned."""
        self.abort()
        plan = make_plan(new, self._running, self._surroundings.facilities)
        refusals = find_refusals(plan) if strict else ()
        if refusals:
            plan.release()
        else:
            self._plan = plan
        return refusals

    def apply(self) -> None:
        """Close the collectors that are not kept, and let the others run by their settings."""
        plan, self._plan = self._plan, None
        if plan is None:
            return
        self._remove_others(plan)
        self._running = {step.config.name: self._take(step) for step in plan.steps}

    def abort(self) -> None:
        """Close the sockets that were opened."""
        if self._plan is not None:
            self._plan.release()
            self._plan = None

    def finish(self, deadline: float) -> None:
        """Wait until nothing waits for a collector that is up."""
        waiting = [running.lane for running in self._running.values()]
        while (waiting := [lane for lane in waiting if lane.is_sending]) and (
            time.monotonic() < deadline
        ):
            time.sleep(_LOOK_S)

    def stop(self) -> None:
        """Close every collector; the pipeline has stopped."""
        self.abort()
        for running in self._running.values():
            running.lane.close()
        self._running = {}

    def clear_statistics(self, name: str) -> None:
        """Count what is sent to a collector from zero again.

        Raises:
            LookupError: there is none of that name.
        """
        self._find(name).lane.clear_statistics(self._surroundings.clock())

    def export_now(self, name: str) -> None:
        """Send a collector the counters of all interfaces now, where it gets any.

        Raises:
            LookupError: there is none of that name, or it is not enabled.
        """
        running = self._find(name)
        if not running.config.enabled:
            raise LookupError(f"collector {name} is not enabled")
        self._pipeline.expedite(running.lane)

    def _find(self, name: str) -> Running:
        if name not in self._running:
            raise LookupError(f"no collector {name} runs")
        return self._running[name]

    @property
    def uncleared(self) -> tuple[fe.CollectorState, ...]:
        """The collectors whose statistics were cleared, as if they had not been."""
        return tuple(
            describe_collector(name, running.lane.report(uncleared=True))
            for name, running in self._running.items()
            if running.lane.is_cleared
        )

    def state(self, paths: Sequence[str]) -> fe.FlowExportState:
        """Report how each collector fares."""
        if not is_asked(COLLECTOR, paths):
            return fe.FlowExportState()
        return fe.FlowExportState(
            collector=tuple(
                describe_collector(name, running.lane.report())
                for name, running in self._running.items()
            )
        )

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
        now = self._surroundings.clock()
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
            changed=functools.partial(self._tell, config.name),
            recovered=self._pipeline.recovered,
            facilities=self._surroundings.facilities,
        )

    def _tell(self, name: str, status: OperStatus, reason: str | None) -> None:
        event = CollectorStateChange(name=name, oper_status=status, oper_reason=reason)
        self._surroundings.tell(event)
