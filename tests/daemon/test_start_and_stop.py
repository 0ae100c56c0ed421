"""How flowexportd starts and ends: in time, with the right status, and with readable words."""

from __future__ import annotations

import json
import re
import signal
import socket
import stat
import time
from pathlib import Path

import asyncssh
import pytest
from tests.support.conditions import wait_until
from tests.support.daemon import FLOWEXPORTD, Collector, Daemon
from tests.support.netconf import FXS, Netconf
from tests.support.ports import free_ports
from tests.support.processes import Program


def run(*arguments: object) -> Program:
    return Program([str(FLOWEXPORTD), *map(str, arguments)])


def test_an_init_document_is_exported_at_once(tmp_path: Path) -> None:
    with (
        Collector() as collector,
        Daemon(tmp_path / "state", init=collector.document("a")) as daemon,
    ):
        assert collector.receive()
        with daemon.netconf() as session:
            assert session.hello.tag.endswith("hello")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_time_and_can_start_again(tmp_path: Path, number: signal.Signals) -> None:
    for _ in range(2):
        with Daemon(tmp_path / "state") as daemon:
            daemon.wait_started()
            with daemon.netconf():
                begin = time.monotonic()
                daemon.signal(number)
                assert daemon.wait() == 0
                assert time.monotonic() - begin < 5
            assert not (daemon.state / "run" / "netconf.sock").exists()
            assert not (daemon.state / "run" / "supervisor.pid").exists()
            assert "Traceback" not in daemon.output


def test_it_can_be_ended_while_it_starts(tmp_path: Path) -> None:
    with Daemon(tmp_path / "state") as daemon:
        wait_until(lambda: daemon.child("manager"))
        begin = time.monotonic()
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
        assert time.monotonic() - begin < 5
        assert "Traceback" not in daemon.output


def test_the_state_folder_is_private_and_holds_the_configuration(daemon: Daemon) -> None:
    assert stat.S_IMODE(daemon.state.stat().st_mode) == 0o700
    assert stat.S_IMODE((daemon.state / "ssh_host_ed25519_key").stat().st_mode) == 0o600
    assert stat.S_IMODE((daemon.state / "run" / "netconf.sock").stat().st_mode) == 0o600
    assert json.loads((daemon.state / "running.json").read_text())
    with daemon.netconf() as session:
        port = session.get_config().find(f".//{{{FXS}}}ssh/{{{FXS}}}port")
        assert port is not None
        assert port.text == str(daemon.ssh_port)


def test_ssh_and_http_listen(daemon: Daemon) -> None:
    with socket.create_connection(("127.0.0.1", daemon.ssh_port), 10) as client:
        assert client.recv(4) == b"SSH-"
    with socket.create_connection(("127.0.0.1", daemon.http_port), 10) as client:
        client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert client.recv(12).endswith(b" 200")


def test_a_second_instance_is_refused_and_the_first_lives_on(daemon: Daemon) -> None:
    with run("--state-dir", daemon.state) as second:
        assert second.wait() == 69
        assert second.lines == [
            (
                f"flowexportd: the state folder {daemon.state} is in use: flowexportd runs already "
                f"(process {daemon.process.pid})"
            )
        ]
    with daemon.netconf():
        pass


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"garbage \xff\xfe", b"[]", b'{"a": 1}', b'{"configuration": {"no:such": {}}}'],
)
def test_a_corrupt_state_file_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "running.json").write_bytes(content)
    with Daemon(state) as daemon:
        assert daemon.wait() == 78
        complaints = [line for line in daemon.lines if line.startswith("flowexportd: ")]
        assert len(complaints) == 1
        assert str(state / "running.json") in complaints[0]
        assert "Traceback" not in daemon.output
    assert (state / "running.json").read_bytes() == content


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("init.json", '{"flow-export:flow-export": {"collector": [{"name": "a"}]}}', "address"),
        ("init.json", '{"flow-export:flow-export": ', "init.json"),
        (
            "init.xml",
            '<flow-export xmlns="urn:flowexport:flow-export"><speed/></flow-export>',
            "speed",
        ),
        ("init.xml", "<flow-export", "init.xml"),
        ("init.json", "", "init.json"),
    ],
)
def test_a_bad_first_configuration_is_refused_by_name(
    tmp_path: Path, name: str, content: str, complaint: str
) -> None:
    init = tmp_path / name
    init.write_text(content)
    with run("--state-dir", tmp_path / "state", "--init", init) as program:
        assert program.wait() == 78
        complaints = [line for line in program.lines if line.startswith("flowexportd: ")]
        assert complaints
        assert str(init) in complaints[0]
        assert complaint in program.output
        assert "Traceback" not in program.output
    assert not (tmp_path / "state" / "running.json").exists()


def test_a_state_that_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    """It is a folder where a file belongs."""
    state = tmp_path / "state"
    (state / "running.json").mkdir(parents=True)
    state.chmod(0o700)
    with run("--state-dir", state) as program:
        assert program.wait() == 69
        assert f"{state / 'running.json'}: Is a directory" in program.output
        assert "Traceback" not in program.output


def test_a_missing_first_configuration_is_refused_by_name(tmp_path: Path) -> None:
    init = tmp_path / "nowhere.json"
    with run("--state-dir", tmp_path / "state", "--init", init) as program:
        assert program.wait() == 69
        assert program.lines[-1] == f"flowexportd: {init}: No such file or directory"


def test_a_first_configuration_is_for_the_first_start_only(daemon: Daemon) -> None:
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    with run("--state-dir", daemon.state, "--init", "/nonexistent") as again:
        again.find("supervisor app.supervisor: started")
        with Netconf(daemon.socket) as session:
            port = session.get_config().find(f".//{{{FXS}}}ssh/{{{FXS}}}port")
            assert port is not None
            assert port.text == str(daemon.ssh_port)


def test_a_taken_port_degrades_the_door_until_it_is_free(tmp_path: Path) -> None:
    port, http_port = free_ports(2)
    server = {
        "flow-export-server:server": {
            "netconf": {"ssh": {"port": port}},
            "http": {"port": http_port},
        }
    }
    taken = socket.create_server(("127.0.0.1", port))
    with taken, Daemon(tmp_path / "state", init=server) as daemon:
        daemon.wait_started()
        daemon.find(f"cannot listen on 127.0.0.1:{port}: Address already in use")
        assert ssh_status(daemon) == "down"
        taken.close()
        wait_until(lambda: ssh_status(daemon) == "up", 20)
        with socket.create_connection(("127.0.0.1", port), 10) as client:
            assert client.recv(4) == b"SSH-"


def ssh_status(daemon: Daemon) -> str | None:
    with daemon.netconf() as session:
        reply = session.get(f'<server xmlns="{FXS}"><netconf><ssh/></netconf></server>')
    status = reply.find(f".//{{{FXS}}}oper-status")
    return None if status is None else status.text


def test_hangup_prepares_again_and_interrupts_nothing(daemon: Daemon, collector: Collector) -> None:
    daemon.commit(collector.xml("a"))
    assert collector.receive()
    children = [daemon.child(name) for name in ("manager", "exporter")]
    with daemon.netconf() as session:
        daemon.signal(signal.SIGHUP)
        daemon.find("reloading")
        session.get_config()
    collector.drain()
    assert collector.receive()
    assert children == [daemon.child(name) for name in ("manager", "exporter")]


def test_hangup_reads_the_host_key_again(daemon: Daemon) -> None:
    before = host_key(daemon)
    path = daemon.state / "ssh_host_ed25519_key"
    key = asyncssh.generate_private_key("ssh-ed25519")
    path.write_bytes(b"no key")
    daemon.signal(signal.SIGHUP)
    daemon.find("no private key .* stays in use")
    assert host_key(daemon) == before
    path.write_bytes(key.export_private_key())
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: host_key(daemon) == key.get_fingerprint())


def host_key(daemon: Daemon) -> str | None:
    with daemon.netconf() as session:
        reply = session.get(f'<server xmlns="{FXS}"><netconf><ssh/></netconf></server>')
    leaf = reply.find(f".//{{{FXS}}}host-key-fingerprint")
    return None if leaf is None else leaf.text


def test_version_and_usage() -> None:
    with run("--version") as program:
        assert program.wait() == 0
        assert re.fullmatch(r"flowexportd \d+\.\d+\.\d+", program.output)
    with run("--no-such-option") as program:
        assert program.wait() == 2


GOOD_JSON = """{"flow-export:flow-export": {"collector": [
    {"name": "a", "address": "192.0.2.1", "protocol": "ipfix"}]}}"""
GOOD_XML = """<flow-export xmlns="urn:flowexport:flow-export"><collector><name>a</name>
    <address>192.0.2.1</address><protocol>sflow</protocol></collector></flow-export>"""
TWO_FAULTS = """{"flow-export:flow-export": {"collector": [
    {"name": "a", "address": "192.0.2.1"}, {"name": "b", "protocol": "sflow"}]}}"""


@pytest.mark.parametrize(
    ("name", "content", "status", "said"),
    [
        ("good.json", GOOD_JSON, 0, ["valid"]),
        ("good.xml", GOOD_XML, 0, ["valid"]),
        (
            "two.json",
            TWO_FAULTS,
            78,
            ["collector[fe:name='a']", "protocol", "collector[fe:name='b']", "address"],
        ),
        ("bad.json", "{", 78, ["bad.json"]),
    ],
)
def test_check(tmp_path: Path, name: str, content: str, status: int, said: list[str]) -> None:
    (tmp_path / name).write_text(content)
    with run("--check", tmp_path / name) as program:
        assert program.wait() == status, program.output
        for each in said:
            assert each in program.output
        assert all(str(tmp_path / name) in line for line in program.lines)


def test_check_of_a_missing_file(tmp_path: Path) -> None:
    with run("--check", tmp_path / "nowhere.json") as program:
        assert program.wait() == 69
        assert program.lines == [f"flowexportd: {tmp_path}/nowhere.json: No such file or directory"]
