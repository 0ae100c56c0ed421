"""The program itself, over real sockets and signals."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.captures import capture, ipv4, udp
from tests.support.processes import Program
from tests.support.vectors import read_vectors
from tests.support.wire import v9_packet

from flowexport_mgmt.collect.listen import Endpoint, parse_endpoint
from flowexport_mgmt.collect.main import main

VECTORS = read_vectors()
COMMAND = ("-m", "flowexport_mgmt.collect")


@contextmanager
def running(*arguments: object, ports: int = 1) -> Iterator[tuple[Program, list[int]]]:
    """Run the program on ports of the kernel's choice; yields it with the ports."""
    listen = ["--listen", "127.0.0.1:0"] * ports
    with Program.python(*COMMAND, *listen, *arguments) as program:
        heard = program.find("^listening on (.*)$")[1].split(", ")
        yield program, [int(endpoint.rpartition(":")[2]) for endpoint in heard]


def send(port: int, *datagrams: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for data in datagrams:
            sock.sendto(data, ("127.0.0.1", port))


def test_any_protocol_on_any_port_as_json() -> None:
    own = [VECTORS[f"own-{protocol}"] for protocol in ("sflow5", "netflow9", "ipfix")]
    total = sum(len(vector.datagrams) for vector in own)
    with running("--json", "--strict", "--count", total, ports=2) as (program, ports):
        for vector, port in zip(own, (ports[0], ports[1], ports[0]), strict=True):
            send(port, *vector.datagrams)
        assert program.wait() == 0
        records = [json.loads(line) for line in program.lines if line.startswith("{")]
    assert len(records) == sum(len(vector.records) for vector in own)
    seen = {(record["protocol"], record["listen-port"]) for record in records}
    assert seen == {("sflow", ports[0]), ("netflow9", ports[1]), ("ipfix", ports[0])}
    assert records[0]["fields"]["ifIndex"] == 1


def test_lines_when_there_is_no_terminal() -> None:
    with running("--count", 1) as (program, (port,)):
        send(port, *VECTORS["own-sflow5"].datagrams)
        assert program.wait() == 0
        assert sum("counter-sample" in line for line in program.lines) == 3
        assert "1 datagrams, 3 records, 0 faults from 1 exporters" in program.lines


@pytest.mark.parametrize(("strict", "status"), [(["--strict"], 1), ([], 0)])
def test_faults_are_named_and_decide_the_exit_code_when_strict(
    strict: list[str], status: int
) -> None:
    with running("--count", 1, *strict) as (program, (port,)):
        send(port, v9_packet(count=7))
        assert program.wait() == status
        named = [line for line in program.lines if "count at octet 2" in line]
        assert len(named) == status


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_a_summary(number: signal.Signals) -> None:
    with running() as (program, _):
        program.signal(number)
        assert program.wait() == 0
        assert "0 datagrams, 0 records, 0 faults from 0 exporters" in program.lines


def test_it_ends_after_its_time() -> None:
    with running("--duration", "0.2") as (program, _):
        assert program.wait() == 0


def test_a_port_that_is_taken_is_one_readable_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert main(["--listen", f"127.0.0.1:{port}"]) == 69
    assert capsys.readouterr().err == (
        f"flowexport-collect: cannot listen on 127.0.0.1:{port}: Address already in use\n"
    )


def test_an_address_that_is_nobodys_is_one_readable_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--listen", "203.0.113.9:6343"]) == 69
    assert "cannot listen on 203.0.113.9:6343: " in capsys.readouterr().err


@pytest.mark.parametrize("text", ["6343x", "127.0.0.1", "127.0.0.1:65536", "", "[::1]", "a:-1"])
def test_what_is_no_endpoint_is_a_usage_error(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--listen", text])
    assert ended.value.code == 2
    assert "write HOST:PORT" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("127.0.0.1:0", "127.0.0.1", 0), ("[::1]:6343", "::1", 6343), ("2055", "127.0.0.1", 2055)],
)
def test_endpoints(text: str, host: str, port: int) -> None:
    assert parse_endpoint(text) == Endpoint(host, port)


@pytest.mark.parametrize("option", ["--duration", "--count"])
@pytest.mark.parametrize("value", ["0", "-1", "x"])
def test_times_and_counts_are_checked(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([option, value])
    assert ended.value.code == 2
    assert option in capsys.readouterr().err


def captured(path: Path, *datagrams: bytes) -> str:
    path.write_bytes(capture(*[ipv4(udp(data)) for data in datagrams]))
    return str(path)


def test_a_capture_is_decoded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vector = VECTORS["own-ipfix"]
    path = captured(tmp_path / "a.pcap", *vector.datagrams)
    assert main(["--pcap", path, "--json", "--strict"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(records) == len(vector.records)
    assert records[0]["time"] == "2023-11-14T22:13:20.250000Z"


def test_other_datagrams_of_a_capture_are_passed_over_unless_the_port_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = captured(tmp_path / "a.pcap", b"some other protocol")
    assert main(["--pcap", path, "--strict"]) == 0
    assert main(["--pcap", path, "--strict", "--listen", "6343"]) == 1
    assert "version at octet 0" in capsys.readouterr().err
    assert main(["--pcap", path, "--strict", "--listen", "6344"]) == 0


def test_a_capture_ends_at_the_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = captured(tmp_path / "a.pcap", *VECTORS["own-ipfix"].datagrams)
    assert main(["--pcap", path, "--count", "1"]) == 0
    assert "1 datagrams" in capsys.readouterr().out


def test_fragments_in_a_capture_are_faults(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(capture(ipv4(udp(), fragment=0x2000)))
    assert main(["--pcap", str(path), "--strict"]) == 1
    assert "packet 1: ip-fragment" in capsys.readouterr().err


def test_files_that_cannot_be_read_are_one_readable_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    other.write_text("hello")
    assert main(["--pcap", str(tmp_path / "absent")]) == 69
    assert main(["--pcap", str(other)]) == 69
    absent, refused = capsys.readouterr().err.splitlines()
    assert absent.endswith("absent: No such file or directory")
    assert refused.endswith("is not a capture in pcap format")


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    path = captured(tmp_path / "a.pcap", *VECTORS["own-ipfix"].datagrams)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as broken:
        done = subprocess.run(
            [sys.executable, *COMMAND, "--pcap", path],
            stdout=broken,
            stderr=subprocess.PIPE,
            check=False,
        )  # fmt: skip - one line of settings
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_terminal_gets_the_live_table() -> None:
    ours, theirs = pty.openpty()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, *COMMAND, "--listen", f"127.0.0.1:{port}", "--strict"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        try:
            read_until(ours, "waiting for the first datagram")
            send(port, *VECTORS["own-netflow9"].datagrams, v9_packet(count=3))
            read_until(ours, "count at octet 2: the header counts 3 records, there are 0")
            read_until(ours, "eth0.100")
            process.send_signal(signal.SIGTERM)
            read_until(ours, "1 faults from 1 exporters")
            assert process.wait(10) == 1
        finally:
            process.kill()
            os.close(ours)


def read_until(terminal: int, text: str, seconds: float = 20) -> str:
    """Read what a terminal shows until it shows a text."""
    shown = ""
    deadline = time.monotonic() + seconds
    while text not in shown:
        ready, _, _ = select.select([terminal], [], [], max(0, deadline - time.monotonic()))
        assert ready, f"no {text!r} in {shown!r}"
        shown += os.read(terminal, 65_536).decode(errors="replace")
    return shown


def test_without_a_terminal_rich_is_not_loaded() -> None:
    code = "import sys, flowexport_mgmt.collect.main; sys.exit('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
