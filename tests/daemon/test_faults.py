"""What the operator is told of each fault, and that all is well again when it is over."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.daemon.test_doctor import doctor
from tests.support.conditions import wait_until
from tests.support.daemon import Collector, Daemon, flow_export
from tests.support.netconf import RpcError

CLOCK = "/usr/$LIB/faketime/libfaketime.so.1"  # $LIB: of this architecture, says ld.so(8)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A state folder on a file system of four megabytes."""
    folder = tmp_path / "state"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@contextmanager
def ballast(folder: Path) -> Iterator[None]:
    """Fill a file system to the last octet."""
    file = folder / "ballast"
    with file.open("wb", buffering=0) as filling, contextlib.suppress(OSError):
        while filling.write(bytes(4096)):
            pass
    yield
    file.unlink()


@pytest.mark.root
def test_a_full_disk_refuses_commits_in_words_and_nothing_else(
    small_disk: Path, collector: Collector
) -> None:
    with Daemon(small_disk) as daemon:
        daemon.wait_started()
        daemon.commit(collector.xml("a"))
        assert collector.receive()
        before = daemon.running_commit()
        with ballast(small_disk):
            with daemon.netconf() as session:
                session.edit(collector.xml("a", rate_limit=7))
                with pytest.raises(RpcError, match="No space left on device"):
                    session.commit()
            code, found = doctor(daemon)
            finding = found["state-folder", str(small_disk)]
            assert (code, finding["status"]) == (4, "error")
            assert finding["remedy"].startswith("df -h")
            assert daemon.running_commit() == before
            collector.drain()
            assert collector.receive()  # exporting goes on
        with daemon.netconf() as session:
            session.commit()  # the candidate is as it was
        assert daemon.running_commit() == before + 1
        assert doctor(daemon)[1]["state-folder", str(small_disk)]["status"] != "error"


def test_no_descriptors_are_told_and_sessions_go_on(daemon: Daemon) -> None:
    pid = daemon.child("manager")
    limit = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    with daemon.netconf() as session, ExitStack() as stack:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (8, limit[1]))
        for _ in range(4):
            stack.enter_context(socket.create_connection(("127.0.0.1", daemon.ssh_port)))
        daemon.find("warning manager north.acceptor: cannot accept a connection: Too many open")
        session.get_config()  # who is in goes on
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
    with socket.create_connection(("127.0.0.1", daemon.ssh_port), 20) as client:
        client.settimeout(20)
        assert client.recv(4) == b"SSH-"


def test_an_interface_that_is_not_there_is_told(daemon: Daemon, collector: Collector) -> None:
    sampling = "<sampling><interface><name>gone0</name><rate>10</rate></interface></sampling>"
    daemon.commit(flow_export(collector.entry("a"), sampling))
    daemon.find("warning manager app.manager: source sampling is (degraded|down)")
    assert (
        doctor(daemon)[1]["interface", "gone0"]["message"] == "there is no interface of this name"
    )


@pytest.mark.parametrize("jump", ["+3000d", "-3000d"])
def test_a_clock_that_jumps_stops_nothing(tmp_path: Path, collector: Collector, jump: str) -> None:
    """By libfaketime, which sets the clock of these processes alone."""
    clock = tmp_path / "clock"
    clock.write_text("+0")
    fake = {
        "LD_PRELOAD": CLOCK,
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    document = collector.document("a")
    with Daemon(tmp_path / "state", init=document, environment=fake) as daemon:
        daemon.wait_started()
        assert collector.receive()
        with daemon.netconf() as session:
            session.edit(collector.xml("a", rate_limit=7))
            session.rpc("<commit><confirmed/><confirm-timeout>600</confirm-timeout></commit>")
            clock.write_text(jump)
            children = [daemon.child(name) for name in ("manager", "exporter")]
            collector.drain()
            for _ in range(2):
                assert collector.receive()
            session.commit()  # the time to confirm does not go by the clock that jumped
        assert children == [daemon.child(name) for name in ("manager", "exporter")]
        assert doctor(daemon)[0] == 0


def await_another(daemon: Daemon, name: str, pid: int) -> None:
    wait_until(lambda: daemon.child(name) not in {0, pid}, 20)


def test_every_process_may_be_killed_and_it_is_told(daemon: Daemon, collector: Collector) -> None:
    daemon.commit(collector.xml("a"))
    for name in ("exporter", "manager"):
        pid = daemon.child(name)
        os.kill(pid, 9)
        daemon.find(f"warning supervisor app.supervisor: the {name} was ended by SIGKILL")
        await_another(daemon, name, pid)
    finding = wait_until(lambda: doctor(daemon)[1].get(("process", "exporter")), 20)
    assert finding is not None
    assert "started again 1 times" in finding["message"]
    collector.drain()
    assert collector.receive()
