"""What a service manager passes to flowexportd, and what it hears from it."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.daemon import FLOWEXPORTD, Collector, Daemon
from tests.support.ports import free_ports

UNITS = Path(__file__).resolve().parents[2] / "packaging" / "systemd"


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    """Where the service manager hears."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(30)
        yield receiver


def hear(receiver: socket.socket, pattern: str) -> str:
    """Wait for a message that matches."""
    for _ in range(200):
        message = receiver.recv(4096).decode()
        if re.search(pattern, message):
            return message
    raise AssertionError(f"{pattern} was not heard")


def drain(receiver: socket.socket) -> list[bytes]:
    """Take what was said so far."""
    said = []
    while select.select([receiver], [], [], 0)[0]:
        said.append(receiver.recv(4096))
    return said


def test_it_is_ready_tells_how_it_fares_and_beats(tmp_path: Path, heard: socket.socket) -> None:
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "10000000"}
    with Collector() as gone:
        document = gone.document("lonely")
    with Daemon(tmp_path / "state", init=document, environment=environment) as daemon:
        hear(heard, "READY=1")
        status = hear(heard, "STATUS=.*lonely is (down|degraded)")
        assert "refused" in status
        hear(heard, "WATCHDOG=1")
        exporter = daemon.child("exporter")
        os.kill(exporter, signal.SIGSTOP)  # the supervisor and the manager live on
        try:
            time.sleep(1)  # for what was under way
            drain(heard)
            time.sleep(3)
            assert b"WATCHDOG=1" not in drain(heard)
        finally:
            os.kill(exporter, signal.SIGCONT)
        hear(heard, "WATCHDOG=1")


def test_a_door_serves_a_socket_that_was_passed(tmp_path: Path) -> None:
    """By systemd-socket-activate(1), which starts the daemon at the first connection."""
    port, http_port = free_ports(2)
    init = tmp_path / "init.json"
    server = {"netconf": {"ssh": {"port": port}}, "http": {"port": http_port}}
    init.write_text(json.dumps({"flow-export-server:server": server}))
    activate = ("systemd-socket-activate", f"--listen=127.0.0.1:{port}", "--fdname=netconf-ssh")
    options = ("--state-dir", str(tmp_path / "state"), "--init", str(init))
    command = [*activate, str(FLOWEXPORTD), *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            client = connect(port)
            assert client.recv(4) == b"SSH-"
            client.close()
        finally:
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=20)
    assert f"netconf-ssh listens on port {port}, passed by the service manager" in said
    assert "cannot listen" not in said
    assert process.returncode == 0


def connect(port: int) -> socket.socket:
    deadline = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 20)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_the_journal_gets_priorities(tmp_path: Path) -> None:
    with (tmp_path / "journal").open("w+") as journal:
        status = os.fstat(journal.fileno())
        stream = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        with subprocess.Popen(
            [FLOWEXPORTD, "--state-dir", tmp_path / "state"],
            stderr=journal,
            env={**os.environ, **stream},
        ) as process:
            wait_for = time.monotonic() + 20
            while "started" not in (tmp_path / "journal").read_text():
                assert time.monotonic() < wait_for
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        lines = (tmp_path / "journal").read_text().splitlines()
    assert "<6>supervisor app.supervisor: started" in lines
    assert all(re.match(r"<[2-7]>(supervisor|manager|exporter) ", line) for line in lines)


def test_the_sandbox_is_tight() -> None:
    unit = UNITS / "flowexportd.service"
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", unit],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-200:]
    found = re.search(r"Overall exposure level for flowexportd.service: ([\d.]+)", done.stdout)
    assert found is not None
    assert float(found[1]) <= 2.0


def test_the_units_say_what_they_have_to() -> None:
    text = (UNITS / "flowexportd.service").read_text()
    for line in (
        "Type=notify",
        "User=flowexport",
        "RestartPreventExitStatus=78",
        "AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW",
        "RestrictNamespaces=yes",
    ):
        assert line in text.splitlines()
    for unit in ("flowexportd.service", "flowexportd.socket"):
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", UNITS / unit],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        complaints = [line for line in done.stderr.splitlines() if "is not executable" not in line]
        assert complaints == []
