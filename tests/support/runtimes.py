"""A data plane for tests, led as the exporter process leads it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.conditions import wait_until
from tests.support.interfaces import FakeKernel

from flowexport_mgmt.export import OWN_FACILITIES, Facilities
from flowexport_mgmt.link.messages import CollectorStateChange, Event, Refusal
from flowexport_mgmt.model.flow_export import Collector, CollectorStatistics, FlowExport
from flowexport_mgmt.model.interfaces import Interface
from flowexport_mgmt.model.simulation import Simulation, SimulationState
from flowexport_mgmt.runtime import Runtime
from flowexport_mgmt.sources import CounterSource
from flowexport_mgmt.sources.sysfs import UNKNOWN_SETTINGS
from flowexport_mgmt.sources.table import LinkTable


class Plane:
    """A Runtime, its events, and short ways to commit and to look."""

    def __init__(
        self,
        source: CounterSource | None = None,
        facilities: Facilities = OWN_FACILITIES,
        state_folder: Path | None = None,
    ) -> None:
        self.events: list[Event] = []
        self.runtime = Runtime(
            self.events.append, source=source, facilities=facilities, state_folder=state_folder
        )
        self._commit = 0

    def commit(self, *collectors: Collector, strict: bool = True, **others: object) -> None:
        """Prepare and apply; a refusal fails the test. ``others`` are containers beside them."""
        refusals = self.prepare(*collectors, strict=strict, **others)
        assert not refusals
        self.runtime.apply(self._commit)

    def prepare(
        self, *collectors: Collector, strict: bool = True, **others: object
    ) -> tuple[Refusal, ...]:
        self._commit += 1
        new = FlowExport(collector=collectors, **others)  # type: ignore[arg-type]
        return self.runtime.prepare(self._commit, new, strict=strict)

    def simulate(self, simulation: Simulation) -> None:
        """Commit simulated devices and nothing else."""
        self._commit += 1
        assert not self.runtime.prepare(self._commit, None, simulation, strict=True)
        self.runtime.apply(self._commit)

    def simulation(self) -> SimulationState:
        state = self.runtime.state(["/simulation"]).simulation
        assert state is not None
        return state

    def clear(self) -> None:
        """Commit a configuration without flow export."""
        self._commit += 1
        assert not self.runtime.prepare(self._commit, None, strict=True)
        self.runtime.apply(self._commit)

    def statistics(self, name: str) -> CollectorStatistics:
        state = self.runtime.state(["/flow-export/collector"]).flow_export
        assert state is not None
        (found,) = [collector for collector in state.collector if collector.name == name]
        assert found.statistics is not None
        return found.statistics

    def await_status(self, name: str, status: str, seconds: float = 5.0) -> CollectorStatistics:
        """Wait until a collector fares so; tell how."""

        def reached() -> CollectorStatistics | None:
            found = self.statistics(name)
            return found if found.oper_status == status else None

        found = wait_until(reached, seconds, f"{name} is {status}")
        assert found is not None
        return found

    def changes(self, name: str) -> list[str]:
        """List what a collector's status changed to."""
        return [
            event.oper_status.value
            for event in self.events
            if isinstance(event, CollectorStateChange) and event.name == name
        ]

    def interface(self, name: str) -> Interface | None:
        state = self.runtime.state(["/interfaces"]).interfaces
        assert state is not None
        return next((found for found in state.interface if found.name == name), None)


def fake_source(kernel: FakeKernel) -> CounterSource:
    """Make a source of the interfaces that a test makes up."""
    return CounterSource(0, LinkTable(kernel, lambda *_: UNKNOWN_SETTINGS))


@contextmanager
def plane(
    source: CounterSource | None = None,
    facilities: Facilities = OWN_FACILITIES,
    state_folder: Path | None = None,
) -> Iterator[Plane]:
    """Run a data plane; over this machine's own interfaces unless told otherwise."""
    made = Plane(source, facilities, state_folder)
    try:
        yield made
    finally:
        made.runtime.stop()
