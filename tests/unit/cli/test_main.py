"""The program: what it prints and how it ends."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.cli.conftest import StartPeer
from tests.unit.cli.peer import data, reply

from flowexport_mgmt.cli.main import main

COLLECTORS = """<flow-export xmlns="urn:flowexport:flow-export">
  <collector><name>a</name><address>192.0.2.1</address><port>9995</port>
    <protocol>netflow9</protocol><statistics><datagrams-sent>4</datagrams-sent>
    <bytes-sent>900</bytes-sent><errors>1</errors><sequence>5</sequence>
    <last-export-time>2026-11-21T10:00:00.25Z</last-export-time>
    <oper-status>up</oper-status></statistics></collector>
  <collector><name>b c</name><address>2001:db8::1</address><protocol>sflow</protocol></collector>
</flow-export>"""
A = {
    "name": "a",
    "address": "192.0.2.1",
    "port": 9995,
    "protocol": "netflow9",
    "datagrams-sent": 4,
    "bytes-sent": 900,
    "errors": 1,
    "sequence": 5,
    "last-export-time": 1795255200,
}
B = {
    "name": "b c",
    "address": "2001:db8::1",
    "port": 6343,
    "protocol": "sflow",
    "datagrams-sent": 0,
    "bytes-sent": 0,
    "errors": 0,
    "sequence": 0,
}


@pytest.fixture
def run(socket_path: Path, capsys: pytest.CaptureFixture[str]) -> _Run:
    return _Run(socket_path, capsys)


class _Run:
    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._path = path
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        code = main(["--socket", str(self._path), *arguments])
        output = self._capsys.readouterr()
        return code, output.out, output.err


def test_show_flow_export(start_peer: StartPeer, run: _Run) -> None:
    start_peer(lambda _: data(COLLECTORS))
    code, out, _ = run("-c", "show flow-export")
    assert code == 0
    assert json.loads(out) == [A, B]


def test_show_flow_export_of_one(start_peer: StartPeer, run: _Run) -> None:
    start_peer(lambda _: data(COLLECTORS))
    code, out, _ = run("-c", 'show flow-export name "b c"')
    assert (code, json.loads(out)) == (0, B)


def test_show_flow_export_of_one_that_is_not_there(start_peer: StartPeer, run: _Run) -> None:
    start_peer(lambda _: data(COLLECTORS))
    assert run("-c", "show flow-export name X") == (1, "", "collector not found: X\n")


@pytest.mark.parametrize(
    ("content", "expected"),
    [("", {"status": "not-configured"}), ('<flow-export xmlns="urn:flowexport:flow-export"/>', [])],
)
def test_show_flow_export_without_collectors(
    start_peer: StartPeer, run: _Run, content: str, expected: object
) -> None:
    start_peer(lambda _: data(content))
    code, out, _ = run("-c", "show flow-export")
    assert (code, json.loads(out)) == (0, expected)


def test_show_interfaces(start_peer: StartPeer, run: _Run) -> None:
    start_peer(
        lambda _: data(
            """<interfaces xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces"><interface>
            <name>eth0</name><type xmlns:t="urn:t">t:ethernetCsmacd</type>
            <oper-status>up</oper-status><speed>1000000000</speed>
            <statistics><in-octets>5</in-octets></statistics></interface></interfaces>"""
        )
    )
    code, out, _ = run("-c", "show interfaces")
    assert code == 0
    assert json.loads(out) == [
        {
            "name": "eth0",
            "type": "ethernetCsmacd",
            "oper-status": "up",
            "speed": 1000000000,
            "in-octets": 5,
        }
    ]


def test_show_configuration(start_peer: StartPeer, run: _Run) -> None:
    start_peer(
        lambda _: data(
            """<server xmlns="urn:flowexport:flow-export-server"><http><port>9180</port></http>
            </server><flow-export xmlns="urn:flowexport:flow-export"/>"""
        )
    )
    code, out, _ = run("-c", "show configuration")
    assert (code, out) == (0, "flow-export;\nserver {\n    http {\n        port 9180;\n    }\n}\n")
    code, out, _ = run("-c", "show configuration | json")
    assert json.loads(out) == {
        "flow-export-server:server": {"http": {"port": 9180}},
        "flow-export:flow-export": {},
    }


def test_several_commands_share_a_session(start_peer: StartPeer, run: _Run) -> None:
    peer = start_peer(lambda _: data(COLLECTORS))
    code, out, _ = run("-c", "show flow-export name a", "-c", "show sessions")
    assert code == 0
    assert len(peer.requests) == 2
    assert out.rstrip().endswith("[]")


def test_the_first_failure_ends_the_run(start_peer: StartPeer, run: _Run) -> None:
    peer = start_peer(lambda _: data(COLLECTORS))
    code, _, err = run("-c", "show flow-export", "-c", "show nothing", "-c", "show flow-export")
    assert code == 1
    assert "unknown word 'nothing'" in err
    assert len(peer.requests) == 1


def test_commands_from_a_file(start_peer: StartPeer, run: _Run, tmp_path: Path) -> None:
    start_peer(lambda _: data(COLLECTORS))
    file = tmp_path / "commands"
    file.write_text("# what is sent\n\n  show flow-export name a\n")
    code, out, _ = run("-f", str(file))
    assert (code, json.loads(out)) == (0, A)


def test_commands_from_standard_input(
    start_peer: StartPeer, run: _Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_peer(lambda _: data(COLLECTORS))
    monkeypatch.setattr(sys, "stdin", io.StringIO("show flow-export name a\n"))
    code, out, _ = run()
    assert (code, json.loads(out)) == (0, A)


def test_a_file_that_is_not_there(run: _Run, tmp_path: Path) -> None:
    code, _, err = run("-f", str(tmp_path / "none"))
    assert (code, err) == (1, f"{tmp_path}/none: No such file or directory\n")


def test_a_refusal(start_peer: StartPeer, run: _Run) -> None:
    start_peer(
        lambda _: reply(
            "<rpc-error><error-type>application</error-type><error-tag>access-denied</error-tag>"
            "<error-severity>error</error-severity><error-message>no</error-message></rpc-error>"
        )
    )
    assert run("-c", "show history") == (2, "", "no\n")


def test_no_daemon(run: _Run, socket_path: Path) -> None:
    expected = f"flowexportd is not reached at {socket_path}: No such file or directory\n"
    assert run("-c", "show history") == (3, "", expected)


def test_wrong_arguments_end_with_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--nonsense"])
    assert caught.value.code == 1
    assert "--nonsense" in capsys.readouterr().err


def test_what_a_command_loads(start_peer: StartPeer, socket_path: Path) -> None:
    """A command in a script starts quickly because it loads no interface for people."""
    start_peer(lambda _: data(COLLECTORS))
    program = (
        "import sys; from flowexport_mgmt.cli.main import main\n"
        "code = main(sys.argv[1:])\n"
        "loaded = {'rich', 'prompt_toolkit', 'libyang', 'ncclient', 'asyncio', 'numpy'}\n"
        "sys.exit(code or ' '.join(loaded & set(sys.modules)) or None)\n"
    )
    arguments = ["--socket", str(socket_path), "-c", "show flow-export"]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == [A, B]


def test_a_reader_that_has_seen_enough(start_peer: StartPeer, socket_path: Path) -> None:
    start_peer(lambda _: data(COLLECTORS))
    program = Path(sys.executable).with_name("flowexport")
    done = subprocess.run(
        f"{program} --socket {socket_path} -c 'show flow-export' -c 'show flow-export' | true",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


FLOWS = """<flow xmlns="urn:flowexport:flow-export"><src-address>10.0.0.1</src-address>
  <src-port>1234</src-port><dst-address>10.0.0.2</dst-address><dst-port>443</dst-port>
  <protocol>6</protocol><bytes>900</bytes><packets>7</packets>
  <tcp-state>established</tcp-state><first-ms>1000</first-ms><last-ms>2000</last-ms></flow>"""


def test_show_flow_recent(start_peer: StartPeer, run: _Run) -> None:
    peer = start_peer(lambda _: reply(FLOWS))
    code, out, _ = run("-c", "show flow recent dst 10.0.0.0/8")
    assert code == 0
    assert json.loads(out) == [
        {
            "src-address": "10.0.0.1",
            "src-port": 1234,
            "dst-address": "10.0.0.2",
            "dst-port": 443,
            "protocol": 6,
            "bytes": 900,
            "packets": 7,
            "tcp-state": "established",
            "first-ms": 1000,
            "last-ms": 2000,
        }
    ]
    assert b"destination-prefix>10.0.0.0/8<" in peer.requests[0]


def test_show_flow_recent_of_nothing(start_peer: StartPeer, run: _Run) -> None:
    peer = start_peer(lambda _: reply("<ok/>"))
    code, out, _ = run("-c", "show flow recent")
    assert (code, json.loads(out)) == (0, [])
    assert b"destination-prefix" not in peer.requests[0]
