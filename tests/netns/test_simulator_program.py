"""flowexport-sim as a program: what its ledger says is what a collector received."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tests.support.conditions import wait_until
from tests.support.namespaces import Namespace, namespaces

from flowexport_mgmt.wire.decoder import Decoder

pytestmark = pytest.mark.root

PROGRAM = Path(sys.executable).with_name("flowexport-sim")


def start(space: Namespace, *arguments: str) -> subprocess.Popen[str]:
    """Start it in a namespace."""
    return subprocess.Popen(
        ["ip", "netns", "exec", space.name, PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_the_ledger_is_what_was_received(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.json"
    with namespaces(1) as (space,):
        with space.inside():
            link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with link:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
            link.bind(("127.0.0.1", 0))
            to = f"127.0.0.1:{link.getsockname()[1]}"
            program = start(
                space,
                *("-auto-start-ip", "10.77.0.1", "-auto-count", "50", "-flow-collector", to),
                *("-flow-tick-interval", "0.2", "-flow-active-timeout", "1", "-seed", "5"),
                *("-duration", "3", "-ledger", str(ledger)),
            )
            output, _ = program.communicate(timeout=60)
            received = read(link)
        assert program.returncode == 0, output
        assert "sent in all  50 devices" in output
        told = json.loads(ledger.read_text())
        assert {each["address"]: each["sent_records"] for each in told["devices"]} == received
        assert told["totals"]["sent_records"] == received.total()
        assert (told["totals"]["send_failures"], told["seed"]) == (0, 5)
        assert told["collectors"][0]["collector"] == to
        kept = space.run("ip", "route", "show", "table", "local", "proto", "static")
        assert kept == ""


def read(link: socket.socket) -> Counter[str]:
    """Count the flow records of each device, none of which may be at fault or missing."""
    decoder, got = Decoder(), Counter[str]()
    link.setblocking(False)
    try:
        while True:
            data, (host, port) = link.recvfrom(2000)
            message = decoder.receive(data, (host, port), 1 << 62)
            assert not message.faults
            assert not message.lost
            got[host] += sum(record.kind == "data" for record in message.records)
    except BlockingIOError:
        return got


def test_it_ends_when_it_is_told_to_and_says_when_a_port_is_taken() -> None:
    with namespaces(1) as (space,):
        program = start(space, "-port", "8123")
        assert program.stdout is not None
        wait_until(
            lambda: "devices over HTTP" in (program.stdout or sys.stdin).readline(), 30, "it runs"
        )
        second = start(space, "-port", "8123")
        text, _ = second.communicate(timeout=30)
        assert (second.returncode, text) == (
            69,
            "flowexport-sim: port 8123: Address already in use\n",
        )
        program.send_signal(signal.SIGTERM)
        text, _ = program.communicate(timeout=30)
        assert program.returncode == 0, text
        assert "sent in all  0 devices" in text
