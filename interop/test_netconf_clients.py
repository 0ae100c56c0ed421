"""NETCONF clients that this project did not write, each in the way its users use it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sysconfig
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ncclient import manager
from ncclient.operations import RPCError
from scrapli_netconf.driver import NetconfDriver
from tests.support.certificates import Authority, fingerprint
from tests.support.daemon import Daemon
from tests.support.netconf import BASE, FE, FXS
from tests.support.ports import free_ports

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
USER = "tester"
PASSWORD = "Tr0ub4dor"
HELLO = (
    f'<hello xmlns="{BASE}"><capabilities>'
    "<capability>urn:ietf:params:netconf:base:1.0</capability></capabilities></hello>"
)
GET = (
    f'<rpc xmlns="{BASE}" message-id="1"><get-config><source><running/></source></get-config></rpc>'
)
CLOSE = f'<rpc xmlns="{BASE}" message-id="2"><close-session/></rpc>'
TALK = "".join(message + "]]>]]>\n" for message in (HELLO, GET, CLOSE))


@dataclass(frozen=True)
class Server:
    """A daemon with a user who has a key, a password and a certificate."""

    daemon: Daemon
    folder: Path
    tls_port: int
    call_port: int

    @property
    def key(self) -> str:
        return str(self.folder / "id")

    def collectors(self) -> list[str]:
        """Name the collectors of running, as another door shows them."""
        with self.daemon.netconf() as session:
            running = session.get_config()
        return [e.text or "" for e in running.iterfind(f".//{{{FE}}}collector/{{{FE}}}name")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("clients")
    run("ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f", folder / "id")
    authority = Authority(folder / "state" / "tls")
    authority.issue("server", HOST)
    authority.issue(USER)
    with Daemon(folder / "state") as daemon:
        daemon.wait_started()
        made = Server(daemon, folder, *free_ports(2))
        daemon.commit(settings(made, authority.folder))
        yield made


def run(*command: object, text: str = "", seconds: float = 60) -> str:
    """Run a program that has to succeed, and give what it printed."""
    done = subprocess.run(
        [str(word) for word in command],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def settings(server: Server, keys: Path) -> str:
    public = (server.folder / "id.pub").read_text().strip()
    return f"""<server xmlns="{FXS}"><netconf>
      <tls><enabled>true</enabled><port>{server.tls_port}</port>
        <certificate>server.pem</certificate><private-key>server.key</private-key><ca>ca.pem</ca>
        <cert-to-name><id>1</id><fingerprint>{fingerprint(keys / "ca.pem")}</fingerprint>
          <map-type xmlns:x="urn:ietf:params:xml:ns:yang:ietf-x509-cert-to-name"
            >x:common-name</map-type>
        </cert-to-name></tls>
      <call-home><name>office</name><address>{HOST}</address>
        <port>{server.call_port}</port></call-home>
      </netconf>
      <user><name>{USER}</name><authorized-key>{public}</authorized-key>
        <password-hash>$0${PASSWORD}</password-hash></user></server>
      <nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm"><groups><group><name>admin</name>
        <user-name>{USER}</user-name></group></groups></nacm>"""


def collector(name: str, port: int = 4739) -> str:
    return (
        f'<config><flow-export xmlns="{FE}"><collector><name>{name}</name>'
        f"<address>192.0.2.1</address><port>{port}</port><protocol>ipfix</protocol>"
        "</collector></flow-export></config>"
    )


# -- ncclient


def ncclient_options(server: Server) -> dict[str, Any]:
    return {
        "username": USER,
        "key_filename": server.key,
        "hostkey_verify": False,
        "allow_agent": False,
        "look_for_keys": False,
        "timeout": 30,
    }


def test_ncclient_locks_edits_validates_and_confirms(server: Server) -> None:
    options = ncclient_options(server) | {"port": server.daemon.ssh_port}
    with manager.connect_ssh(HOST, **options) as client:
        with client.locked("candidate"):
            client.edit_config(collector("held"), target="candidate")
            client.validate("candidate")
            client.commit(confirmed=True, timeout="60", persist="ours")
        assert "held" in server.collectors()
        client.cancel_commit("ours")
        assert "held" not in server.collectors()
        client.edit_config(collector("held"), target="candidate")
        client.commit(confirmed=True, timeout="60")
        client.commit()
        with pytest.raises(RPCError) as caught:
            client.edit_config(collector("held", 99999), target="candidate")
        assert caught.value.tag == "invalid-value"
        assert caught.value.path.strip().endswith("/fe:port")
    assert "held" in server.collectors()


def test_ncclient_is_called(server: Server) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # ncclient never closes its listener
        client = manager.call_home(
            host=HOST, port=server.call_port, **(ncclient_options(server) | {"timeout": 90})
        )
    with client:
        assert "office" in client.get_config("running").data_xml


# -- scrapli


def test_scrapli_edits_as_it_comes(server: Server) -> None:
    """With its defaults it runs ssh(1) and insists on a terminal."""
    client = NetconfDriver(
        host=HOST,
        port=server.daemon.ssh_port,
        auth_username=USER,
        auth_private_key=server.key,
        auth_strict_key=False,
        transport="system",
        ssh_config_file="/dev/null",
        timeout_ops=30,
    )
    client.open()
    try:
        assert client.netconf_version.value == "1.1"
        for step in (
            lambda: client.lock("candidate"),
            lambda: client.edit_config(collector("scrapli"), target="candidate"),
            lambda: client.validate("candidate"),
            client.commit,
            lambda: client.unlock("candidate"),
        ):
            reply = step()
            assert not reply.failed, reply.result
        assert "scrapli" in client.get_config("running").result
        assert client.edit_config(collector("scrapli", 99999), target="candidate").failed
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # scrapli leaves it to the collector
            client.close()
    assert "scrapli" in server.collectors()


# -- yangcli

OURS = "flow-export-(?:types|server|deviations|acm-deviations)|flow-export"
KNOWN = re.compile(r"cannot create temp file|save <get-schema> content|entry exists")
"""yangcli meets each module of deviations twice, as a module and as what belongs to another."""

SCRIPT = """mgrload flow-export
mgrload flow-export-server
show modules
create /flow-export:flow-export/collector[name='yangcli']/address value=192.0.2.1
create /flow-export:flow-export/collector[name='yangcli']/protocol value=ipfix
validate source=candidate
commit
sget-config source=running /flow-export:flow-export
sget /flow-export:flow-export
sget-config source=running /flow-export-server:server
sget /flow-export-server:server
close-session
quit
"""


def test_yangcli_reads_our_modules_edits_and_takes_every_reply(server: Server) -> None:
    standard = Path(sysconfig.get_path("data")) / "share" / "yang" / "modules"
    script = server.folder / "script"
    script.write_text(SCRIPT)
    home = server.folder / "home"
    home.mkdir()
    command = shlex.join(
        [
            "yangcli",
            f"--server={HOST}",
            f"--ncport={server.daemon.ssh_port}",
            f"--user={USER}",
            f"--password={PASSWORD}",
            f"--modpath={ROOT / 'yang'}:{standard / 'ietf'}:{standard / 'iana'}",
            f"--run-script={script}",
            "--batch-mode",
        ]
    )
    told = run("env", f"HOME={home}", "script", "-qec", command, "/dev/null")
    assert len(re.findall(r"RPC OK Reply", told)) >= 4, told
    assert len(re.findall(r"RPC Data Reply", told)) >= 4, told
    assert "RPC Error Reply" not in told, told
    for name in (
        "flow-export-types",
        "flow-export",
        "flow-export-server",
        "flow-export-deviations",
    ):
        assert re.search(rf"^\s+{name}@", told, re.MULTILINE), told
    complaints = re.compile(
        rf"^(?=.*(?:warning|error)).*\b(?:{OURS})@.*$", re.IGNORECASE | re.MULTILINE
    )
    assert [line for line in complaints.findall(told) if not KNOWN.search(line)] == []
    replies = told[told.index("RPC OK Reply") :]
    assert not re.search(r"^(?:Warning|Error):", replies, re.MULTILINE), replies
    assert "yangcli" in server.collectors()


# -- raw


def test_openssh_carries_the_subsystem(server: Server) -> None:
    options = ("-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null")
    command = ("ssh", *options, "-i", server.key, "-p", server.daemon.ssh_port)
    told = run(*command, f"{USER}@{HOST}", "-s", "netconf", text=TALK)
    assert told.count("]]>]]>") == 3
    assert 'message-id="1"' in told
    assert "<ok/>" in told


def test_openssl_talks_over_tls(server: Server) -> None:
    keys = server.daemon.state / "tls"
    command = [
        *("openssl", "s_client", "-connect", f"{HOST}:{server.tls_port}", "-quiet", "-no_ign_eof"),
        *("-verify_return_error", "-CAfile", keys / "ca.pem"),
        *("-cert", keys / f"{USER}.pem", "-key", keys / f"{USER}.key"),
    ]
    told = speak(*command)
    assert told.count("]]>]]>") == 3
    assert 'message-id="1"' in told


def speak(*command: object) -> str:
    """Say everything and read until the server hangs up: openssl ends with its input."""
    with subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write(TALK)
        client.stdin.flush()
        return client.stdout.read()
