"""The dialog on a real terminal with a real daemon."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.support.cli_server import Served, served
from tests.support.terminal import Terminal

A = "set flow-export collector a address 192.0.2.1 protocol ipfix port 4739"
PROMPT = r"\w+@[\w-]+> $"
CONFIGURE = r"\w+@[\w-]+# $"
MODIFIED = r"\w+@[\w-]+\*# $"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home for all dialogs, so that the schema is fetched once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def terminal(server: Served, home: Path) -> Iterator[Terminal]:
    with Terminal(server.socket, home) as terminal:
        terminal.expect(PROMPT)
        yield terminal


def shown(terminal: Terminal, command: str) -> object:
    output = terminal.line(command, r"\n[\w@-]+[^\n]*[>#] $")
    return json.loads(output[output.index("\n") : output.rindex("\n")])


def test_every_operational_command(terminal: Terminal) -> None:
    assert shown(terminal, "show flow-export") == {"status": "not-configured"}
    assert shown(terminal, "sh interf | first 0") == []
    assert isinstance(shown(terminal, "show sessions"), list)
    assert isinstance(shown(terminal, "show history"), list)
    terminal.line("show configuration server http", r"enabled false;\s")
    terminal.line("show server netconf | text", r"host-key-fingerprint")
    terminal.line(
        "monitor server sessions rejected count 2 interval 1", rf"0\s+(?:.*\n)*.*{PROMPT}"
    )
    terminal.line("monitor server sessions rejected | log", r"\n0\n")
    terminal.interrupt()
    terminal.expect(PROMPT)
    terminal.line("show nothing", r"\^ unknown word 'nothing'")
    terminal.line("exit", "")
    assert terminal.wait() == 0


@pytest.mark.parametrize(
    ("pipe", "pattern"),
    [
        ("match init", r'"door": "init"'),
        ("except init", r"\n\[\]\n"),
        ("count", r"\n1\n"),
        ("first 1", r'"id": 1'),
        ("last 1", r'"id": 1'),
        ("resolve", r'"id": 1'),
        ("json compact", r'\[\{"rollback":0,"id":1'),
        ("ndjson", r'\n\{"rollback":0,"id":1'),
        ("table", r"rollback +id +time"),
        ("text", r"rollback +0\n"),
        ("yaml", r"- rollback: 0\n"),
        ("xml", r"<id>1</id>"),
        ("csv", r"rollback,id,time"),
        ("raw", r"<id>1</id>"),
        ("no-more", r'"id": 1'),
        ("save /dev/null", PROMPT),
        ("origin", r'"id": 1'),
        ("log", r"log is for monitor"),
    ],
)
def test_every_pipe(pipes: Terminal, pipe: str, pattern: str) -> None:
    pipes.line(f"show history | {pipe}", pattern)
    pipes.line("", PROMPT)


@pytest.fixture(scope="module")
def pipes(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Iterator[Terminal]:
    folder = tmp_path_factory.mktemp("pipes")
    with served(folder) as server, Terminal(server.socket, home) as terminal:
        terminal.expect(PROMPT)
        yield terminal


def test_set_and_compare_are_pipes_of_configurations(pipes: Terminal) -> None:
    pipes.line("show configuration | set | match http", r"\nset server http enabled false\n")
    pipes.line("show configuration | compare", PROMPT)


def test_every_configure_command(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "saved.set"
    terminal.line("configure", rf"Entering configuration mode\n(?:.*\n)*.*{CONFIGURE}")
    terminal.line(A, MODIFIED)
    terminal.line("show | compare", r"\+   collector a \{|\+   flow-export \{|\+   flow-export")
    terminal.line("validate", "The configuration is valid")
    terminal.line("commit check", "would be accepted")
    terminal.line("commit comment first", rf"The commit is complete\.\n.*{CONFIGURE}")
    terminal.line("edit flow-export collector a", r"\[flow-export collector a\]# $")
    terminal.line("show", r"address 192\.0\.2\.1;\n")
    terminal.line("set dscp 46", r"\[flow-export collector a\]\*# $")
    terminal.line("up", r"\[flow-export\]\*# $")
    terminal.line("delete collector a port", r"\*# $")
    terminal.line("top", MODIFIED)
    terminal.line("run show history | count", r"\n2\n")
    terminal.line(f"save {file}", MODIFIED)
    terminal.line("discard", CONFIGURE)
    terminal.line(f"load merge {file}", MODIFIED)
    terminal.line("show flow-export collector a dscp", "dscp 46;")
    terminal.line(f"load replace {file}", MODIFIED)
    terminal.line(f"load override {file}", MODIFIED)
    terminal.line("rollback 0", CONFIGURE)
    terminal.line("rollback 1", MODIFIED)
    terminal.line("show | compare rollback 1", CONFIGURE.replace("#", r"\*#"))
    terminal.line("commit confirmed 300", r"rolled back in 300 seconds")
    terminal.line("confirm", "The commit is confirmed")
    terminal.line("rollback 1", MODIFIED)
    terminal.line("commit confirmed", r"rolled back in 600 seconds")
    terminal.line("abort", "The commit is rolled back")
    terminal.line("exit", PROMPT)
    terminal.line("configure exclusive", "exclusively")
    terminal.line("quit", PROMPT)


def test_completion_and_help(terminal: Terminal) -> None:
    terminal.line("configure", CONFIGURE)
    terminal.line(A, MODIFIED)
    terminal.type("set flow-e\t")
    terminal.expect(r"set flow-export ")
    terminal.type("coll\t")
    terminal.expect(r"collector ")
    terminal.type("a\tprotoc\t")
    terminal.expect(r"protocol ")
    terminal.type("?")
    help_ = terminal.expect(r"ipfix +IP Flow Information Export(?:.*\n)+.*protocol $")
    assert "The protocol that the collector is served in" in help_
    terminal.type("netf\t\t")
    terminal.expect(r"netflow5 +.*netflow9|netflow9 +.*netflow5")
    terminal.interrupt()
    terminal.expect(MODIFIED)
    terminal.type("set flow-export collector a dscp ?")
    terminal.expect(r"type: dscp 0\.\.63\n(?:.*\n)*.*default: 0")
    terminal.interrupt()
    terminal.type("?")
    terminal.expect(r"rollback +make the candidate what ran N commits ago")
    terminal.type("delete flow-export collector \t")
    terminal.expect(r"collector a ")


def test_an_interrupted_line_is_dropped(terminal: Terminal) -> None:
    terminal.type("show histo")
    terminal.interrupt()
    terminal.expect(PROMPT)
    terminal.line("show history | count", r"\n1\n")


def test_a_confirmed_commit_counts_down_and_rolls_back(terminal: Terminal) -> None:
    terminal.line("configure", CONFIGURE)
    terminal.line(A, MODIFIED)
    terminal.line("commit confirmed 6", r"\(confirm: [1-6] s\)# $")
    terminal.expect(r"[0-5]\D*[0-4]")  # only the digit is drawn anew
    terminal.expect(r"The commit was not confirmed: it is rolled back")
    assert shown(terminal, "run show flow-export") == {"status": "not-configured"}


def test_who_else_is_here(terminal: Terminal, server: Served, home: Path) -> None:
    with Terminal(server.socket, home) as other:
        other.expect(PROMPT)
        other.line("configure", r"Also here: \w+ by netconf-unix from pid \d+")
        other.line(A, MODIFIED)
        terminal.line("configure", r"The candidate has changes that nobody has committed")
        terminal.line("configure", r"unknown word 'configure'")


def test_a_pasted_configuration(terminal: Terminal) -> None:
    lines = [
        f"set flow-export collector c{i} address 192.0.2.{i % 250 + 1} port {i + 1} protocol ipfix"
        for i in range(500)
    ]
    terminal.line("configure", CONFIGURE)
    terminal.type("\x1b[200~" + "\n".join(lines) + "\n\x1b[201~\r")
    terminal.expect(MODIFIED)
    terminal.line("show flow-export | set | match protocol | count", r"\n500\n")


def test_pasted_blocks(terminal: Terminal) -> None:
    """Brace text of 500 lines typed after ``load``, ended as any input is."""
    entries = [
        f"collector c{i} {{\n address 192.0.2.1;\n port {i + 1};\n protocol ipfix;\n}}"
        for i in range(100)
    ]
    terminal.line("configure", CONFIGURE)
    terminal.line("load merge terminal", r"load merge terminal")
    terminal.type("flow-export {\n" + "\n".join(entries) + "\n}\n\x04")
    terminal.expect(MODIFIED)
    terminal.line("show flow-export | set | match ' port ' | count", r"\n100\n")
    terminal.line("load merge -", r"load merge -")
    terminal.type("flow-export {\n collector {\n\x04")
    terminal.expect(rf"line 2: .*\n(?:.*\n)*.*{MODIFIED}")
    terminal.line("load merge -", r"load merge -")
    terminal.interrupt()
    terminal.expect(rf"interrupted\n.*{MODIFIED}")
    terminal.line("show flow-export | set | match ' port ' | count", r"\n100\n")


def test_secrets_stay_out_of_the_history(terminal: Terminal, home: Path) -> None:
    terminal.line("configure", CONFIGURE)
    terminal.line("set server user ann password-hash $0$hunter2hunter2", MODIFIED)
    terminal.line("show server user ann", r"password-hash \*{8};")
    history = (home / "state" / "flowexport" / "cli-history").read_text()
    assert "show server user ann" in history
    assert "hunter2" not in history


def test_a_lost_connection_comes_back(tmp_path: Path, home: Path) -> None:
    with ExitStack() as stack, ExitStack() as first:
        server = first.enter_context(served(tmp_path))
        terminal = stack.enter_context(Terminal(server.socket, home))
        terminal.expect(PROMPT)
        first.close()
        terminal.line("show history | count", r"flowexportd is not reached at")
        stack.enter_context(served(tmp_path))
        terminal.line("show history | count", r"this is session \d+\.\n(?:.*\n)*1\n")
        terminal.line("show history | count", r"\n1\n")


def test_nobody_to_talk_to(tmp_path: Path, home: Path) -> None:
    with Terminal(tmp_path / "none", home) as terminal:
        assert terminal.expect(r"flowexportd is not reached at")
        assert terminal.wait() == 3


def test_only_80_columns(pipes: Terminal) -> None:
    output = pipes.line("show sessions | table", rf"rpcs(?:.*\n)+.*{PROMPT}")
    assert max(len(line) for line in output.splitlines()) <= 80
    assert re.search(r"netconf-unix", output)
