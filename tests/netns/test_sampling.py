"""Sampling on whatever kernel this is: a commit always succeeds, and the state says what lacks."""

from __future__ import annotations

import pytest
from tests.netns.conftest import Wire
from tests.support.conditions import wait_until

from flowexport_mgmt.link.messages import SourceStateChange
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.runtime import Runtime

pytestmark = pytest.mark.root


def test_interfaces_that_are_there_and_such_that_are_not(wire: Wire) -> None:
    events: list[object] = []
    with wire.near.inside():
        runtime = Runtime(events.append)
        try:
            interfaces = tuple(fe.SamplingInterface(name=n, rate=100) for n in ("port0", "away"))
            wanted = fe.FlowExport(sampling=fe.Sampling(interface=interfaces))
            assert runtime.prepare(1, wanted, strict=True) == ()
            runtime.apply(1)
            wait_until(lambda: events, 10, "sampling tells how it fares")
            state = _state(runtime)
        finally:
            runtime.stop()
    there, away = (found.statistics for found in state.interface)
    assert there is not None
    assert away is not None
    assert away.oper_status == "not-present"
    assert there.oper_status in {"up", "degraded"}
    if there.oper_status == "degraded":
        assert "modprobe psample act_sample" in str(there.oper_reason)
    (event,) = events
    assert isinstance(event, SourceStateChange)
    assert event.name == "sampling"
    assert event.oper_status == state.oper_status == "degraded"


def test_nothing_of_it_is_left(wire: Wire) -> None:
    """Not a qdisc either, on a kernel that has clsact and lacks the rest."""
    with wire.near.inside():
        runtime = Runtime(lambda _: None)
        wanted = fe.FlowExport(
            sampling=fe.Sampling(interface=(fe.SamplingInterface(name="port0", rate=1),))
        )
        try:
            runtime.prepare(1, wanted, strict=True)
            runtime.apply(1)
            wait_until(lambda: _state(runtime).oper_status != "disabled", 10, "it was tried")
        finally:
            runtime.stop()
    assert "clsact" not in wire.near.run("tc", "qdisc", "show", "dev", "port0")


def _state(runtime: Runtime) -> fe.SamplingState:
    state = runtime.state(["/flow-export/sampling"]).flow_export
    assert state is not None
    assert state.sampling is not None
    return state.sampling
