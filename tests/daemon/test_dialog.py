"""The dialog on a real terminal with a real daemon: what only a whole daemon can carry out."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.conditions import wait_until
from tests.support.daemon import Collector, Daemon
from tests.support.terminal import Terminal

from flowexport_mgmt.cli.commands.table import COMMANDS
from flowexport_mgmt.cli.pipes.pipes import PIPES

ROOT = Path(__file__).resolve().parents[2]
DIALOGS = (Path(__file__), ROOT / "tests" / "unit" / "cli" / "shell" / "test_dialog.py")
PROMPT, CONFIGURE, MODIFIED = r"\w+@[\w-]+> $", r"\w+@[\w-]+# $", r"\w+@[\w-]+\*# $"
ANSWERED = r"\n[\w@-]+[^\n]*[>#] $"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dialog")


@pytest.fixture(scope="module")
def receiver() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def exporting(place: Path, receiver: Collector) -> Iterator[Daemon]:
    with Daemon(place / "state") as daemon:
        daemon.wait_started()
        daemon.commit(receiver.xml("a"))
        yield daemon


@pytest.fixture
def terminal(exporting: Daemon, place: Path) -> Iterator[Terminal]:
    with Terminal(exporting.socket, place / "home") as terminal:
        terminal.expect(PROMPT)
        yield terminal


def shown(terminal: Terminal, command: str) -> Any:
    output = terminal.line(command, ANSWERED)
    return json.loads(output[output.index("\n") : output.rindex("\n")])


def test_statistics_are_cleared(terminal: Terminal) -> None:
    wait_until(lambda: shown(terminal, "show flow-export name a")["datagrams-sent"] > 3)
    terminal.line("clear statistics collector a", PROMPT)
    assert shown(terminal, "show flow-export name a")["datagrams-sent"] <= 3
    terminal.line("clear statistics", PROMPT)
    terminal.line("clear statistics collector none", r"does not exist")
    terminal.type("clear statistics collector \t")
    terminal.expect(r"collector a ")


def test_counters_are_exported_now(
    terminal: Terminal, exporting: Daemon, receiver: Collector
) -> None:
    """Between two polls, which are an hour apart."""
    exporting.commit(receiver.xml("a", polling_interval=3600))
    receiver.drain()
    terminal.line("export now collector a", PROMPT)
    assert receiver.receive()
    receiver.drain()
    terminal.line("export now", PROMPT)
    assert receiver.receive()


def test_findings_of_the_doctor_are_for_people(terminal: Terminal) -> None:
    output = terminal.line("doctor", rf"(?:ok|warning|error) +\S+.*: (?:.*\n)*.*{PROMPT}")
    assert re.search(r"\n +> \S", output) or "error" not in output
    findings = shown(terminal, "doctor | json")
    assert {"check", "status", "message"} <= findings[0].keys()
    number = len(findings)
    terminal.line("doctor | count", rf"\n{number}\n")


def test_recent_flows(terminal: Terminal) -> None:
    assert shown(terminal, "show flow recent") == []
    assert shown(terminal, "show flow recent dst 192.0.2.0/24 | first 3") == []
    terminal.line("show flow recent dst here", r"here is no prefix")
    assert shown(terminal, "show interfaces name lo")["type"] == "softwareLoopback"
    terminal.line("show simulation | json compact", r'"oper-status":')


def test_what_is_monitored_is_drawn_anew(terminal: Terminal) -> None:
    terminal.line("monitor flow-export exporter interval 1 count 2", PROMPT)
    assert terminal.raw.count("\x1b[H\x1b[J") >= 2
    terminal.line("monitor flow-export exporter commit | log", r"\n\d+\n(?:.*\n)*\d+\n")
    terminal.interrupt()
    terminal.expect(PROMPT)


def test_the_manager_is_killed_and_the_dialog_goes_on(
    terminal: Terminal, exporting: Daemon
) -> None:
    """The candidate of a manager that died is gone; the place in the tree is not."""
    terminal.line("configure", CONFIGURE)
    terminal.line("edit flow-export collector a", r"\[flow-export collector a\]# $")
    killed = exporting.child("manager")
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: exporting.child("manager") not in (0, killed), 30)
    with exporting.netconf():
        pass
    terminal.line("set dscp 8", r"this is session \d+\.\n(?:.*\n)*.*collector a\]\*# $")
    terminal.line("commit confirmed 300", r"\(confirm: \d+ s\)# $")
    terminal.line("abort", "The commit is rolled back")


def test_every_command_and_every_pipe_is_in_a_dialog() -> None:
    """The tests of dialogs leave nothing out that is declared."""
    text = "\n".join(path.read_text() for path in DIALOGS)
    lines = set(re.findall(r"""(?:line|shown)\([^"]*?f?"([^"]+)""", text))
    pipes = set(re.findall(r"""\| ([a-z-]+)""", "\n".join(lines)))
    pipes |= set(re.findall(r"""^ +\("([a-z-]+)""", text, re.MULTILINE))
    missing = [c.usage for c in COMMANDS if not any(_begins(line, c.words) for line in lines)]
    assert missing == []
    assert {pipe.name for pipe in PIPES} - pipes == set()


def _begins(line: str, words: tuple[str, ...]) -> bool:
    typed = line.removeprefix("run ").split()
    return tuple(typed[: len(words)]) == words
