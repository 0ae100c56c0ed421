"""The daemon ends at every crash point of a commit, and what follows is before or after.

One point is armed for the first manager or exporter; the one that the supervisor starts in its
place, and then a whole new daemon, must run one configuration in all its processes.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from tests.support.conditions import wait_until
from tests.support.daemon import Collector, Daemon
from tests.support.netconf import FE, FXS, Netconf, RpcError

import flowexport_mgmt.app.exporter
import flowexport_mgmt.app.manager
import flowexport_mgmt.datastore
from flowexport_mgmt.observe import crash

POINTS = tuple(name for name in crash.names() if not name.startswith("test."))
PASSES = 3
"""Points are passed at the start of the daemon and by each commit; each pass is another moment."""


def test_there_are_points_in_every_process() -> None:
    assert flowexport_mgmt.app.exporter
    assert flowexport_mgmt.app.manager
    assert flowexport_mgmt.datastore
    rooms = {name.split(".")[0] for name in POINTS}
    assert {"datastore", "manager", "exporter"} <= rooms


def limits(reply: object) -> tuple[str, ...]:
    """Take what each commit below sets in two places at once."""
    found = reply.iterfind(f".//{{{FE}}}rate-limit")  # type: ignore[attr-defined]
    return tuple(sorted(leaf.text or "" for leaf in found))


def try_commits(daemon: Daemon, collector: Collector) -> int:
    """Commit 1, 2 and 3 into two collectors each, and one that is refused; return the last one
    that was confirmed. The process may die at any moment."""
    confirmed = 0
    for number in (1, 2, 3):
        config = (collector.xml("a", rate_limit=number)
                  + collector.xml("b", sub_agent_id=2, rate_limit=number))
        with contextlib.suppress(OSError, RpcError), daemon.netconf() as session:
            session.edit(config, operation="replace" if number == 1 else "merge")
            session.commit()
            confirmed = number
        with contextlib.suppress(OSError), daemon.netconf() as session:
            commit_refused(session, collector)
    return confirmed


def commit_refused(session: Netconf, collector: Collector) -> None:
    """Try what the exporter could do but the HTTP door cannot, so that the exporter aborts."""
    session.edit(collector.xml("a", rate_limit=99))
    session.edit(f'<server xmlns="{FXS}"><http><address>192.0.2.1</address></http></server>')
    with pytest.raises(RpcError):
        session.commit()


def settle(daemon: Daemon) -> tuple[str, ...]:
    """Wait until the exporter runs what the manager holds, and return what that is."""
    wait_until(lambda: daemon.exporter().get("commit") == str(daemon.running_commit()), 20,
               daemon.output)
    with daemon.netconf() as session:
        return limits(session.get_config())


@pytest.mark.parametrize("point", POINTS)
def test_crash_at(point: str, tmp_path: Path, collector: Collector) -> None:
    crashed = False
    for number in range(1, PASSES + 1):
        state = tmp_path / str(number)
        environment = {crash.VARIABLE: f"{point}:{number}"}
        with Daemon(state, environment=environment) as daemon:
            confirmed = try_commits(daemon, collector)
            crashed |= "ended with status 137" in daemon.output
            held = settle(daemon)
            assert held in allowed(confirmed), daemon.output
        with Daemon(state) as again:
            assert settle(again) == held
    assert crashed, "the point was never passed"


def allowed(confirmed: int) -> set[tuple[str, ...]]:
    """Before or after: what was confirmed is there, and what followed may be."""
    states: list[tuple[str, ...]] = [(), ("1", "1"), ("2", "2"), ("3", "3")]
    return set(states[confirmed : confirmed + 2]) if confirmed else set(states)
