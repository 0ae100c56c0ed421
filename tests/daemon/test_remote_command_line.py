"""``flowexport --host``: another version of the daemon, over SSH, which serves its own model."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.daemon import Daemon
from tests.support.netconf import FXS
from tests.support.netconf_server import schema
from tests.support.processes import Program
from tests.support.terminal import FLOWEXPORT, Terminal

from flowexport_mgmt.schema.describe import describe
from flowexport_mgmt.schema.grammar import Grammar, Node

ROOT = Path(__file__).resolve().parents[2]
A = "set flow-export collector a address 192.0.2.1 protocol ipfix port 4739"
NACM = "urn:ietf:params:xml:ns:yang:ietf-netconf-acm"
CHANGES = {
    "      leaf dscp {\n        type inet:dscp;": (
        '      leaf site {\n        type string { length "1..8"; }\n'
        '        description\n          "Where the collector stands.";\n      }\n'
        '      leaf dscp {\n        type inet:dscp { range "0..31"; }'
    ),
    'fxc:alias "destination"': 'fxc:alias "target"',
}
"""What the other version has that this one has not."""
PROMPT, MODIFIED = r"\w+@[\w-]+> $", r"\w+@[\w-]+\*# $"


@dataclass(frozen=True)
class Box:
    """A daemon elsewhere, and the home of somebody who knows its key."""

    daemon: Daemon
    home: Path

    @property
    def options(self) -> tuple[str, ...]:
        port, key = str(self.daemon.ssh_port), str(self.home / "key")
        return ("--host", "127.0.0.1", "--port", port, "--user", "ann", "--identity", key)

    def run(self, *commands: str, options: tuple[str, ...] = ()) -> tuple[int, str]:
        words = [word for command in commands for word in ("-c", command)]
        environment = {"HOME": str(self.home), "XDG_CACHE_HOME": str(self.home / "cache")}
        command = [str(FLOWEXPORT), *(options or self.options), *words]
        with Program(command, environment) as program:
            return program.wait(), program.output

    def refused(self, **changed: str) -> str:
        """Give what is said when it cannot be reached like this."""
        options = dict(zip(self.options[::2], self.options[1::2], strict=True))
        options |= {f"--{name}": value for name, value in changed.items()}
        words = tuple(word for option in options.items() for word in option)
        code, output = self.run("show history", options=words)
        assert code == 3, output
        return output


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    folder = tmp_path_factory.mktemp("box")
    for part in ("src", "yang"):
        shutil.copytree(ROOT / part, folder / part)
    module = folder / "yang" / "flow-export.yang"
    text = module.read_text()
    for old, new in CHANGES.items():
        assert old in text
        text = text.replace(old, new, 1)
    module.write_text(text)
    home = folder / "home"
    (home / ".ssh").mkdir(mode=0o700, parents=True)
    for name in ("key", "other"):
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / name)]
        subprocess.run(make, check=True)
    environment = {"PYTHONPATH": str(folder / "src")}
    with Daemon(folder / "state", environment=environment) as daemon:
        daemon.wait_started()
        key = (home / "key.pub").read_text().strip()
        daemon.commit(
            f'<server xmlns="{FXS}"><user><name>ann</name><authorized-key>{key}</authorized-key>'
            f'</user></server><nacm xmlns="{NACM}"><groups><group><name>admin</name>'
            "<user-name>ann</user-name></group></groups></nacm>"
        )
        scan = ["ssh-keyscan", "-p", str(daemon.ssh_port), "127.0.0.1"]
        known = subprocess.run(scan, check=True, capture_output=True, text=True).stdout
        (home / ".ssh" / "known_hosts").write_text(known)
        yield Box(daemon, home)


def leaf(grammar: Grammar, path: str) -> Node | None:
    nodes, found = grammar.nodes, None
    for name in path.split("/"):
        found = next((node for node in nodes if node.name == name), None)
        nodes = found.children if found is not None else ()
    return found


def test_the_words_are_those_of_the_other_version(box: Box) -> None:
    """The model here has no site and another alias, and allows more."""
    assert leaf(describe(schema()), "flow-export/collector/site") is None
    code, output = box.run(
        "configure",
        f"{A.replace('address', 'target')} site north",
        "commit comment remote",
        "show flow-export collector a | set",
        "run show history | last 1 | json compact",
        "run show flow-export name a",
    )
    assert code == 0, output
    assert "set flow-export collector a site north" in output
    assert "set flow-export collector a address 192.0.2.1" in output
    assert '"door":"netconf-ssh"' in output
    assert '"comment":"remote"' in output
    assert '"user":"ann"' in output
    for command, words in (
        ("set flow-export collector a site north-west", "site"),
        ("set flow-export collector a dscp 40", "dscp 40"),
    ):
        code, output = box.run("configure", command)
        assert code == 2, output
        assert f"{command}\n{' ' * command.index(words.split()[-1])}" in output
    code, output = box.run("configure", "set flow-export collector a destination 192.0.2.2")
    assert code == 1
    assert "unknown word 'destination'" in output


def test_a_schema_is_fetched_once(box: Box) -> None:
    box.run("show history | count")
    (kept,) = (box.home / "cache" / "flowexport").iterdir()
    before = kept.stat().st_mtime_ns
    assert box.run("show history | count")[0] == 0
    assert kept.stat().st_mtime_ns == before


def test_a_dialog(box: Box) -> None:
    with Terminal(box.options, box.home) as terminal:
        terminal.expect(PROMPT)
        terminal.line("configure", r"Entering configuration mode")
        terminal.line(A.replace(" a ", " b "), MODIFIED)
        terminal.type("set flow-export collector b si\t")
        terminal.expect(r"collector b site ")
        terminal.type("?")
        terminal.expect(r"<site> +Where the collector stands\.\n +type: string 1\.\.8\n")
        terminal.interrupt()
        terminal.line("commit confirmed 300", r"rolled back in 300 seconds")
        terminal.line("abort", r"The commit is rolled back")
        terminal.line("show flow-export | count", r"\d+\n")


def test_a_host_whose_key_is_not_known(box: Box, tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    stranger = Box(box.daemon, tmp_path)
    (tmp_path / "key").write_bytes((box.home / "key").read_bytes())
    (tmp_path / "key").chmod(0o600)
    assert "is not in ~/.ssh/known_hosts" in stranger.refused()
    with Terminal(stranger.options, tmp_path) as terminal:
        terminal.expect(r"its fingerprint is [0-9a-f:]+\.\n.*this time\? \[yes/no\] $")
        terminal.line("no", r"is not reached at 127\.0\.0\.1 port")
        assert terminal.wait() == 3
    with Terminal(stranger.options, tmp_path) as terminal:
        terminal.expect(r"\[yes/no\] $")
        terminal.line("yes", PROMPT)
        terminal.line("show history | count", r"\n\d+\n")


def test_why_a_host_is_not_reached(box: Box) -> None:
    place = f"flowexportd is not reached at 127.0.0.1 port {box.daemon.ssh_port}"
    assert place in box.refused(identity=str(box.home / "other"))
    assert place in box.refused(user="bob")
    assert "No such file" in box.refused(identity=str(box.home / "none"))
    assert "not reached at 127.0.0.1 port 1:" in box.refused(port="1")
