"""The daemon ends at every crash point of a commit, and what follows is before or after.

One point is armed for the first manager or exporter; the one that the supervisor starts in its
place, and then a whole new daemon, must run one configuration in all its processes.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from tests.support.conditions import wait_until
from tests.support.daemon import Collector, Daemon, flow_export
from tests.support.netconf import FE, FXS, Netconf, RpcError

import flowexport_mgmt.app.exporter
import flowexport_mgmt.app.manager
import flowexport_mgmt.datastore
import flowexport_mgmt.north.netconf.door
from flowexport_mgmt.observe import crash

POINTS = tuple(name for name in crash.names() if not name.startswith("test."))
CONFIGURED: dict[str, object] = {"flow-export:flow-export": {}}


def test_there_are_points_in_every_process() -> None:
    assert flowexport_mgmt.app.exporter
    assert flowexport_mgmt.app.manager
    assert flowexport_mgmt.datastore
    assert flowexport_mgmt.north.netconf.door
    rooms = {name.split(".")[0] for name in POINTS}
    assert {"datastore", "manager", "exporter", "netconf"} <= rooms


def try_commits(daemon: Daemon, collector: Collector) -> int:
    """Commit 1, 2 and 3 into two collectors each, with two in between that do not last.

    A process may die at any moment. Returns the last one that was confirmed, or 0.
    """
    confirmed = 0
    for number in (1, 2, 3):
        config = flow_export(
            collector.entry("a", rate_limit=number),
            collector.entry("b", sub_agent_id=2, rate_limit=number),
        )
        with contextlib.suppress(OSError, RpcError), daemon.netconf() as session:
            session.edit(config)
            session.commit()
            confirmed = number
        with contextlib.suppress(OSError), daemon.netconf() as session:
            commit_refused(session, collector)
        with contextlib.suppress(OSError, RpcError), daemon.netconf() as session:
            commit_and_cancel(session, collector)
    return confirmed


def commit_and_cancel(session: Netconf, collector: Collector) -> None:
    """Commit what is to be confirmed, and cancel it; when a process dies it is cancelled too."""
    session.edit(collector.xml("a", rate_limit=98))
    session.rpc("<commit><confirmed/></commit>")
    session.rpc("<cancel-commit/>")


def commit_refused(session: Netconf, collector: Collector) -> None:
    """Try what the exporter could do but the HTTP door cannot, so that the exporter aborts."""
    session.edit(collector.xml("a", rate_limit=99))
    session.edit(f'<server xmlns="{FXS}"><http><address>192.0.2.1</address></http></server>')
    with pytest.raises(RpcError):
        session.commit()
    session.rpc("<discard-changes/>")


def settle(daemon: Daemon) -> tuple[str, ...]:
    """Wait until the exporter runs what the manager holds, and return the limits set there."""
    wait_until(
        lambda: daemon.exporter().get("commit") == str(daemon.running_commit()),
        20,
        "manager and exporter run one commit",
    )
    with daemon.netconf() as session:
        found = session.get_config().iterfind(f".//{{{FE}}}rate-limit")
        return tuple(sorted(leaf.text or "" for leaf in found))


def allowed(confirmed: int) -> set[tuple[str, ...]]:
    """Before or after: what was confirmed is there, and what followed may be."""
    states: list[tuple[str, ...]] = [(), ("1", "1"), ("2", "2"), ("3", "3")]
    return set(states[confirmed:])


@pytest.mark.parametrize("point", POINTS)
def test_crash_at(point: str, tmp_path: Path, collector: Collector) -> None:
    """A point is passed when the daemon starts and at each commit: try the first two passes."""
    crashed = False
    for number in (1, 2):
        state = tmp_path / str(number)
        environment = {crash.VARIABLE: f"{point}:{number}"}
        with Daemon(state, environment=environment, init=CONFIGURED) as daemon:
            confirmed = try_commits(daemon, collector)
            held = settle(daemon)
            assert held in allowed(confirmed), daemon.output
            crashed |= "ended with status 137" in daemon.output
            assert "Traceback" not in daemon.output
            daemon.process.kill()
        with Daemon(state) as again:
            assert settle(again) == held
    assert crashed, "the point was never passed"
