"""Confirmed commits when processes die: the daemon knows who was started again, and goes back."""

from __future__ import annotations

import os
import signal

import pytest
from tests.support.conditions import wait_until
from tests.support.daemon import Collector, Daemon
from tests.support.netconf import FE, FXS, Netconf

LASTING = "<commit><confirmed/><persist>token</persist></commit>"


def limit(daemon: Daemon) -> str:
    """Read the rate-limit that runs."""
    with daemon.netconf() as session:
        return session.get_config().findtext(f".//{{{FE}}}rate-limit") or ""


def pending(daemon: Daemon) -> dict[str, str]:
    with daemon.netconf() as session:
        reply = session.get(f'<server xmlns="{FXS}"><pending-confirm/></server>')
    leaves = reply.iterfind(f".//{{{FXS}}}pending-confirm/*")
    return {str(leaf.tag).rpartition("}")[2]: leaf.text or "" for leaf in leaves}


def agree(daemon: Daemon) -> bool:
    """Tell whether the exporter runs the commit that is in the history."""
    return daemon.exporter().get("commit") == str(daemon.running_commit())


def commit(session: Netconf, collector: Collector, number: int, how: str) -> None:
    session.edit(collector.xml("a", rate_limit=number))
    session.rpc(how)


def kill_manager(daemon: Daemon) -> None:
    os.kill(daemon.child("manager"), signal.SIGKILL)
    daemon.find("the manager was ended by SIGKILL")


def test_a_killed_manager_goes_on_with_a_token(daemon: Daemon, collector: Collector) -> None:
    daemon.commit(collector.xml("a", rate_limit=1))
    with daemon.netconf() as session:
        commit(session, collector, 2, LASTING)
        before = daemon.exporter()
    kill_manager(daemon)
    assert (limit(daemon), pending(daemon)["persistent"]) == ("2", "true")
    assert daemon.exporter() == before  # nothing was applied again
    with daemon.netconf() as session:
        session.rpc("<commit><persist-id>token</persist-id></commit>")
    assert pending(daemon) == {}
    kill_manager(daemon)
    assert limit(daemon) == "2"


def test_a_killed_manager_rolls_back_what_was_bound(daemon: Daemon, collector: Collector) -> None:
    daemon.commit(collector.xml("a", rate_limit=1))
    with daemon.netconf() as session:
        commit(session, collector, 2, "<commit><confirmed/></commit>")
        number = daemon.running_commit()
        kill_manager(daemon)
    assert limit(daemon) == "1"
    daemon.find(f"the session that had to confirm commit {number} ended: rolled back")
    wait_until(lambda: agree(daemon), 20)
    assert daemon.exporter()["commit"] == str(number + 1)


def test_a_deadline_goes_on_over_a_restart(daemon: Daemon, collector: Collector) -> None:
    daemon.commit(collector.xml("a", rate_limit=1))
    timeout = "<confirm-timeout>3</confirm-timeout></commit>"
    with daemon.netconf() as session:
        commit(session, collector, 2, LASTING.replace("</commit>", timeout))
    kill_manager(daemon)
    wait_until(lambda: limit(daemon) == "1", 20)
    daemon.find("was not confirmed in time: rolled back")
    wait_until(lambda: agree(daemon), 20)


def test_a_lost_session_rolls_back(daemon: Daemon, collector: Collector) -> None:
    daemon.commit(collector.xml("a", rate_limit=1))
    with daemon.netconf() as session:
        commit(session, collector, 2, "<commit><confirmed/></commit>")
        assert limit(daemon) == "2"
    wait_until(lambda: limit(daemon) == "1", 20)
    wait_until(lambda: agree(daemon), 20)  # running is written before it is applied


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_start_of_the_daemon_rolls_back(
    daemon: Daemon, collector: Collector, end: signal.Signals
) -> None:
    daemon.commit(collector.xml("a", rate_limit=1))
    with daemon.netconf() as session:
        commit(session, collector, 2, LASTING)
    daemon.signal(end)
    daemon.wait()  # its children have ended as well
    with Daemon(daemon.state) as again:
        assert limit(again) == "1"
        assert pending(again) == {}
        again.find("flowexportd was started before commit")
        wait_until(lambda: agree(again), 20)
