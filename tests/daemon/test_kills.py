"""Each process is killed while the others work: what must go on goes on, what died comes back."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

from lxml import etree
from tests.support.conditions import wait_until
from tests.support.daemon import Collector, Daemon, flow_export
from tests.support.netconf import FE, Netconf, RpcError
from tests.support.ports import free_ports


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


def rib_state(daemon: Daemon) -> str:
    with daemon.netconf() as session:
        reply = session.get(f'<flow-export xmlns="{FE}"><enrichment/></flow-export>')
    return etree.tostring(reply).decode()


def test_an_exporter_that_stands_still_is_told_and_ended(
    daemon: Daemon, collector: Collector
) -> None:
    daemon.commit(collector.xml("a"))
    collector.receive()
    os.kill(daemon.child("exporter"), signal.SIGSTOP)
    daemon.find(r"the exporter stands still for \d+ s and is ended", seconds=90)
    daemon.find("the exporter was ended by SIGKILL; it is started again in 0 s")
    collector.drain()
    assert collector.receive()


def test_killed_rib(daemon: Daemon) -> None:
    """It is started again and listens as before, and the restart shows; the others go on.

    A router that connects while there is no process is served by the one that comes.
    """
    (port,) = free_ports(1)
    listen = f"<listen-address>127.0.0.1</listen-address><port>{port}</port>"
    bmp = f"<bmp><enabled>true</enabled>{listen}</bmp>"
    daemon.commit(flow_export(f"<enrichment><bgp>true</bgp>{bmp}</enrichment>"))
    others = [daemon.child(name) for name in ("manager", "exporter")]
    killed = wait_until(lambda: daemon.child("rib"), 20)
    os.kill(killed, signal.SIGSTOP)  # so that it takes no connection any more
    with socket.create_connection(("127.0.0.1", port), 20) as router:
        router.sendall(b"\x03\0\0\0\x10\x04\0\2\0\6router")
        os.kill(killed, signal.SIGKILL)
        daemon.find("the rib was ended by SIGKILL; it is started again in 0 s")
        wait_until(lambda: daemon.child("rib") not in {0, killed}, 20)
        wait_until(lambda: "router</" in rib_state(daemon), 20)
    listening = f"port>{port}</port><oper-status>up</"
    wait_until(lambda: "restarts>1</" in (now := rib_state(daemon)) and listening in now, 20)
    assert [daemon.child(name) for name in ("manager", "exporter")] == others


SLOW = """
import pathlib, sys, time
if "flowexport_mgmt.app.rib" in sys.orig_argv:
    time.sleep(6)
    pathlib.Path(__file__).with_name("slept").touch()
"""


def test_a_commit_waits_for_a_rib_that_starts_slowly(tmp_path: Path) -> None:
    """For longer than for a process that only has to be started again."""
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(SLOW)
    (port,) = free_ports(1)
    listen = f"<listen-address>127.0.0.1</listen-address><port>{port}</port>"
    bmp = f"<bmp><enabled>true</enabled>{listen}</bmp>"
    with Daemon(tmp_path / "state", environment={"PYTHONPATH": str(hook)}) as daemon:
        daemon.wait_started()
        with daemon.netconf(60) as session:
            session.edit(flow_export(f"<enrichment><bgp>true</bgp>{bmp}</enrichment>"))
            session.commit()
        assert (hook / "slept").exists()
        with socket.create_connection(("127.0.0.1", port), 20):
            pass


def test_killed_supervisor(daemon: Daemon, collector: Collector) -> None:
    """The children end with it, and the next start finds everything free."""
    daemon.commit(collector.xml("a"))
    commit = daemon.running_commit()
    for _ in range(3):
        daemon.process.kill()
        daemon.wait()
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
