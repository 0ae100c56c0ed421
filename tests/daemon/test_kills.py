"""Each process is killed while the others work: what must go on goes on, what died comes back."""

from __future__ import annotations

import os
import signal

from tests.support.conditions import wait_until
from tests.support.daemon import Collector, Daemon
from tests.support.netconf import FE, Netconf, RpcError


def test_killed_manager(daemon: Daemon, collector: Collector) -> None:
    """Datagrams keep leaving, the same commit runs, and nothing is applied again."""
    daemon.commit(collector.xml("a"))
    collector.receive()
    before, commit = daemon.exporter(), daemon.running_commit()
    exporter = daemon.child("exporter")
    sequence = int.from_bytes(collector.receive()[16:20])
    said = len(daemon.lines)
    os.kill(daemon.child("manager"), signal.SIGKILL)
    for number in (1, 2):  # while there is no manager, or a new one starts
        assert int.from_bytes(collector.receive()[16:20]) == sequence + number
    after = daemon.exporter()
    assert after == before
    assert before["commit"] == str(commit)
    assert daemon.running_commit() == commit
    assert daemon.child("exporter") == exporter
    assert not [line for line in daemon.lines[said:] if "the exporter runs commit" in line]
    daemon.commit(collector.xml("b", sub_agent_id=2))  # and it works
    assert daemon.exporter()["commit"] == str(commit + 1)


def test_killed_exporter(daemon: Daemon, collector: Collector) -> None:
    """It is started again with the running configuration, and the restart shows."""
    daemon.commit(collector.xml("a"))
    collector.receive()
    before = daemon.exporter()
    manager = daemon.child("manager")
    os.kill(daemon.child("exporter"), signal.SIGKILL)
    daemon.find("the exporter was ended by SIGKILL; it is started again in 0 s")
    daemon.find(f"the exporter runs commit 0 and gets commit {before['commit']}")
    collector.drain()
    assert collector.receive()
    wait_until(lambda: "commit" in daemon.exporter())
    after = daemon.exporter()
    assert (before["restarts"], after["restarts"]) == ("0", "1")
    assert after["commit"] == before["commit"]
    assert after["started"] > before["started"]
    assert daemon.child("manager") == manager


def test_killed_supervisor(daemon: Daemon, collector: Collector) -> None:
    """The children end with it, and the next start finds everything free."""
    daemon.commit(collector.xml("a"))
    commit = daemon.running_commit()
    for _ in range(3):
        daemon.process.kill()
        daemon.process.wait(10)
        with Daemon(daemon.state) as second:
            second.wait_started()
            assert second.running_commit() == commit
            assert second.exporter()["commit"] == str(commit)
            collector.drain()
            assert collector.receive()
            second.process.kill()


def test_a_commit_without_an_exporter_is_refused_in_words(
    daemon: Daemon, collector: Collector
) -> None:
    """Stop the supervisor, so that nothing restarts the exporter while the commit is tried."""
    daemon.commit(collector.xml("a"))
    commit = daemon.running_commit()
    exporter = daemon.child("exporter")
    daemon.signal(signal.SIGSTOP)
    try:
        os.kill(exporter, signal.SIGKILL)
        with daemon.netconf() as session:
            session.edit(collector.xml("b", sub_agent_id=2))
            assert "exporter" in refusal(session)
            running = session.get_config()
            assert len(running.findall(f".//{{{FE}}}collector")) == 1
            assert len(session.get_config("candidate").findall(f".//{{{FE}}}collector")) == 2
    finally:
        daemon.signal(signal.SIGCONT)
    daemon.find("the exporter was ended by SIGKILL")
    wait_until(lambda: daemon.exporter().get("commit") == str(commit))
    with daemon.netconf() as session:
        session.commit()
    assert daemon.exporter()["commit"] == str(commit + 1)


def refusal(session: Netconf) -> str:
    try:
        session.commit()
    except RpcError as error:
        return error.fields["error-message"]
    raise AssertionError("committed without an exporter")


def test_both_children_killed_at_once(daemon: Daemon, collector: Collector) -> None:
    daemon.commit(collector.xml("a"))
    commit = daemon.running_commit()
    for name in ("exporter", "manager"):
        os.kill(daemon.child(name), signal.SIGKILL)
    wait_until(lambda: daemon.exporter().get("commit") == str(commit), 20)
    collector.drain()
    assert collector.receive()
