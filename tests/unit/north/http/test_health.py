from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from flowexport_mgmt.datastore import StateSnapshot
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.model.flow_export import (
    CollectorState,
    CollectorStatistics,
    Counters,
    FlowExportState,
)
from flowexport_mgmt.model.server import (
    HttpState,
    NetconfSshState,
    NetconfState,
    ServerState,
)
from flowexport_mgmt.north.http.health import Health, Part, judge

UP, DOWN, DEGRADED = OperStatus.UP, OperStatus.DOWN, OperStatus.DEGRADED


def state(
    *,
    ssh: OperStatus = UP,
    http: OperStatus = UP,
    counters: OperStatus = UP,
    collector: OperStatus = UP,
    reason: str | None = None,
) -> Mapping[str, msgspec.Struct]:
    return {
        "flow-export-server:server": ServerState(
            netconf=NetconfState(ssh=NetconfSshState(oper_status=ssh, oper_reason=reason)),
            http=HttpState(oper_status=http),
        ),
        "flow-export:flow-export": FlowExportState(
            counters=Counters(oper_status=counters),
            collector=(
                CollectorState(name="a", statistics=CollectorStatistics(oper_status=collector)),
            ),
        ),
    }


def test_all_is_well() -> None:
    assert judge(StateSnapshot(state())) == Health(
        UP,
        (
            Part("netconf-ssh", UP),
            Part("http", UP),
            Part("counters", UP),
            Part("collector a", UP),
        ),
    )


@pytest.mark.parametrize("part", ["ssh", "http", "counters", "collector"])
def test_a_part_that_is_down_makes_the_whole_unwell(part: str) -> None:
    health = judge(StateSnapshot(state(**{part: DOWN})))
    assert health.status is DOWN
    assert not health.is_well


def test_what_is_degraded_still_works() -> None:
    health = judge(StateSnapshot(state(counters=DEGRADED)))
    assert health.status is DEGRADED
    assert health.is_well


def test_what_is_disabled_is_well() -> None:
    disabled = OperStatus.DISABLED
    assert judge(StateSnapshot(state(ssh=disabled, collector=disabled))).status is UP


def test_the_reason_is_told() -> None:
    health = judge(StateSnapshot(state(ssh=DOWN, reason="cannot listen on 127.0.0.1:830")))
    assert health.parts[0] == Part("netconf-ssh", DOWN, "cannot listen on 127.0.0.1:830")


def test_a_provider_that_does_not_answer_is_a_part_that_is_down() -> None:
    health = judge(StateSnapshot({}, failures=("exporter: no answer",)))
    assert health == Health(DOWN, (Part("state", DOWN, "exporter: no answer"),))
