"""The supervisor with real child processes of known behaviour."""

from __future__ import annotations

import errno
import os
import signal
import socket
import stat
import time
from pathlib import Path

import pytest
from tests.support.processes import Program


def supervise(
    state: Path,
    manager: str = "obedient_manager",
    exporter: str = "obedient_exporter",
    **environment: str,
) -> Program:
    return Program.python(
        "-m", "tests.support.run_supervisor", state, manager, exporter, environment=environment
    )


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_starts_both_and_stops_them(tmp_path: Path, number: signal.Signals) -> None:
    with supervise(tmp_path) as daemon:
        daemon.find("started")
        for name in ("manager", "exporter"):
            daemon.find(f"^{name} link 0")
        begin = time.monotonic()
        daemon.signal(number)
        assert daemon.wait() == 0
        assert time.monotonic() - begin < 5
        assert {"manager stop", "exporter stop"} <= set(daemon.lines)
        assert not (tmp_path / "run" / "supervisor.pid").exists()


def test_a_killed_child_is_restarted_and_both_are_joined_again(tmp_path: Path) -> None:
    with supervise(tmp_path) as daemon:
        daemon.find("started")
        os.kill(int(daemon.find(r"^exporter pid (\d+)")[1]), signal.SIGKILL)
        daemon.find("the exporter was ended by SIGKILL; it is started again in 0 s")
        daemon.find("^exporter pid", count=2)
        for name in ("manager", "exporter"):
            daemon.find(f"^{name} link 1")
        assert sum("manager pid" in line for line in daemon.lines) == 1


def test_a_child_that_keeps_dying_is_restarted_ever_more_slowly(tmp_path: Path) -> None:
    with supervise(tmp_path) as daemon:
        for count in (1, 2, 3):
            os.kill(int(daemon.find(r"^manager pid (\d+)", count)[1]), signal.SIGKILL)
            daemon.find("manager was ended", count)
        delays = [line.rpartition(" in ")[2] for line in daemon.lines if "was ended" in line]
        assert delays == ["0 s", "0.2 s", "0.5 s"]


def test_a_first_start_that_is_refused_ends_the_daemon_with_its_code(tmp_path: Path) -> None:
    with supervise(tmp_path, manager="refusing") as daemon:
        assert daemon.wait() == 78
        assert sum("refuses" in line for line in daemon.lines) == 1


def test_a_stubborn_child_is_killed_within_five_seconds(tmp_path: Path) -> None:
    with supervise(tmp_path, exporter="stubborn") as daemon:
        pid = int(daemon.find(r"^exporter pid (\d+)")[1])
        daemon.find("started")
        begin = time.monotonic()
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
        assert 3 < time.monotonic() - begin < 8
        assert "stubborn SIGTERM" in daemon.lines
        assert gone(pid)


def test_a_child_without_its_control_socket_is_ended(tmp_path: Path) -> None:
    with supervise(tmp_path, exporter="closing") as daemon:
        pid = int(daemon.find(r"^exporter pid (\d+)")[1])
        daemon.find("the exporter was ended by SIGKILL")
        assert gone(pid)


def test_hangup_reloads_the_manager_and_readiness_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service_manager:
        service_manager.bind(str(tmp_path / "notify"))
        service_manager.settimeout(20)
        with supervise(
            tmp_path / "state", NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="0"
        ) as daemon:
            assert service_manager.recv(100) == b"READY=1"
            daemon.signal(signal.SIGHUP)
            assert service_manager.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert service_manager.recv(100) == b"READY=1"
            daemon.find("^manager reload")
            daemon.signal(signal.SIGTERM)
            assert service_manager.recv(100) == b"STOPPING=1"
            assert daemon.wait() == 0
            assert "exporter reload" not in daemon.lines


def test_the_watchdog_is_patted(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service_manager:
        service_manager.bind(str(tmp_path / "notify"))
        service_manager.settimeout(20)
        with supervise(
            tmp_path / "state", NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="200000"
        ):
            heard = [service_manager.recv(100) for _ in range(6)]
            assert heard.count(b"WATCHDOG=1") >= 5


def test_a_killed_supervisor_takes_its_children_along(tmp_path: Path) -> None:
    with supervise(tmp_path) as daemon:
        daemon.find("started")
        pids = [int(daemon.find(rf"^{name} pid (\d+)")[1]) for name in ("manager", "exporter")]
        daemon.process.kill()
        with supervise(tmp_path) as second:
            second.find("started")
            assert all(gone(pid) for pid in pids)


def test_a_second_instance_is_refused(tmp_path: Path) -> None:
    with supervise(tmp_path) as daemon:
        daemon.find("started")
        second = Program.python("-m", "flowexport_mgmt.app.main", "--state-dir", tmp_path)
        with second:
            assert second.wait() == 69
            assert second.lines == [
                (
                    f"flowexportd: the state folder {tmp_path} is in use: flowexportd runs already "
                    f"(process {daemon.process.pid})"
                )
            ]
        assert daemon.process.poll() is None


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_listening_sockets_outlive_the_manager(tmp_path: Path, port: int) -> None:
    with supervise(tmp_path, manager="listening_manager", FX_LISTEN=f"127.0.0.1 {port}") as daemon:
        daemon.find("^manager listening")
        daemon.find(f"^manager other {errno.EPERM}")
        path = tmp_path / "run" / "netconf.sock"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        inode = path.stat().st_ino
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"die\n")
            daemon.find("the manager was ended by SIGKILL")
        for address in (("127.0.0.1", port), str(path)):  # while it is away or back: no refusal
            family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
            with socket.socket(family) as client:
                client.settimeout(10)
                client.connect(address)
                client.sendall(b"hello\n")
        daemon.find("^manager listening", 2)
        daemon.find("^manager heard tcp")
        daemon.find("^manager heard unix")
        assert path.stat().st_ino == inode
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
        assert not path.exists()


def test_a_taken_port_is_told_with_its_errno(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with supervise(
            tmp_path, manager="listening_manager", FX_LISTEN=f"127.0.0.1 {port}"
        ) as daemon:
            daemon.find(f"^manager refused {errno.EADDRINUSE}")
            daemon.find("started")


def test_only_the_manager_gets_sockets_and_sets_logging(tmp_path: Path) -> None:
    with supervise(tmp_path, exporter="greedy_exporter") as daemon:
        daemon.find("exporter may not ask for Listen")
        daemon.find("exporter may not ask for SetLogging")
        daemon.find("started")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
        assert "exporter unanswered" in daemon.lines


def test_logging_reaches_the_exporter_and_its_successor(tmp_path: Path, port: int) -> None:
    with supervise(tmp_path, manager="listening_manager", FX_LISTEN=f"127.0.0.1 {port}") as daemon:
        daemon.find("^exporter logging debug text")
        daemon.find("debug +supervisor")
        os.kill(int(daemon.find(r"^exporter pid (\d+)")[1]), signal.SIGKILL)
        daemon.find("^exporter logging debug text", 2)


def test_the_supervisor_is_small(tmp_path: Path) -> None:
    """It stays for the life of the daemon, so what it imports is part of what it costs."""
    with supervise(tmp_path) as daemon:
        daemon.find("started")
        status = Path(f"/proc/{daemon.process.pid}/status").read_text()
        resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        assert int(resident.split()[1]) < 30_000
        maps = Path(f"/proc/{daemon.process.pid}/maps").read_text()
        assert "msgspec" in maps  # the names would be seen
        assert not any(heavy in maps for heavy in ("libyang", "numpy", "_ssl", "lxml"))
