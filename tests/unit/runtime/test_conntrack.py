from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowexport_mgmt.export import OWN_FACILITIES
from flowexport_mgmt.link.messages import Event
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.pipeline import Pipeline, read_clock
from flowexport_mgmt.runtime.conntrack import Conntrack
from flowexport_mgmt.runtime.parts import Surroundings
from flowexport_mgmt.sources import CounterSource

PATHS = ("/flow-export",)


@pytest.fixture
def part(tmp_path: Path) -> Iterator[Conntrack]:
    """Follow this machine's own connections, as far as it lets itself be followed."""
    events: list[Event] = []
    pipeline = Pipeline(CounterSource(0), read_clock, lambda *_: None)
    made = Conntrack(Surroundings(pipeline, read_clock, events.append, OWN_FACILITIES, tmp_path))
    yield made
    made.stop()
    pipeline.stop()


def commit(part: Conntrack, **settings: object) -> None:
    conntrack = fe.Conntrack(**settings)  # type: ignore[arg-type]
    assert not part.prepare(fe.FlowExport(conntrack=conntrack), strict=True)
    part.apply()


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "conntrack"]


def state(part: Conntrack) -> fe.ConntrackState | None:
    return part.state(PATHS).conntrack


def test_nothing_runs_until_it_is_enabled(part: Conntrack) -> None:
    assert state(part) is None
    commit(part)
    assert state(part) == fe.ConntrackState(oper_status=OperStatus.DISABLED)
    assert threads() == []


def test_what_is_not_applied_has_no_effect(part: Conntrack) -> None:
    part.prepare(fe.FlowExport(conntrack=fe.Conntrack(enabled=True)), strict=True)
    part.abort()
    part.apply()
    assert threads() == []
    assert state(part) is None


def test_other_commits_leave_the_source_alone(part: Conntrack) -> None:
    commit(part, enabled=True)
    (running,) = threads()
    commit(part, enabled=True)
    commit(part, enabled=True, active_timeout=5, zone=(1,))
    assert threads() == [running]
    found = state(part)
    assert found is not None
    assert found.oper_status is not OperStatus.DISABLED
    assert part.state(("/flow-export/collector",)).conntrack is None


def test_it_ends_when_it_is_disabled_or_nothing_is_configured(part: Conntrack) -> None:
    commit(part, enabled=True)
    commit(part, enabled=False)
    assert threads() == []
    commit(part, enabled=True)
    part.prepare(None, strict=True)
    part.apply()
    assert threads() == []
    assert state(part) is None
