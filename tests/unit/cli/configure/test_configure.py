"""Configure mode in scripts, against the real server on a real datastore."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from lxml import etree
from tests.support.cli_server import Served
from tests.support.settings import accepted, leaves, nodes
from tests.unit.cli.config.test_round_trip import documents

from flowexport_mgmt.cli.config.document import Document
from flowexport_mgmt.cli.grammar.paths import spelled
from flowexport_mgmt.cli.grammar.words import quote
from flowexport_mgmt.cli.main import main
from flowexport_mgmt.schema.grammar import Grammar

Answered = tuple[int, str, str]
Run = Callable[..., Answered]
A = "set flow-export collector a address 192.0.2.1 protocol ipfix port 4739"


@pytest.fixture
def run(server: Served, capsys: pytest.CaptureFixture[str]) -> Run:
    def carry_out(*lines: str) -> Answered:
        options = [word for line in lines for word in ("-c", line)]
        code = main(["--socket", str(server.socket), *options])
        output = capsys.readouterr()
        return code, output.out, output.err

    return carry_out


def test_a_commit(run: Run) -> None:
    assert run("configure", A, "commit comment 'a is new'") == (0, "The commit is complete.\n", "")
    code, out, _ = run("show configuration flow-export | set")
    assert (code, sorted(out.splitlines())) == (
        0,
        [
            "set flow-export collector a address 192.0.2.1",
            "set flow-export collector a port 4739",
            "set flow-export collector a protocol ipfix",
        ],
    )
    history = json.loads(run("show history")[1])
    assert (history[-1]["rollback"], history[-1]["comment"]) == (0, "a is new")


def test_an_edit_is_compared(run: Run) -> None:
    run("configure", A, "commit")
    _, out, _ = run("configure", "set flow-export collector a port 9", "show | compare")
    assert out == "[edit flow-export collector a]\n-   port 4739;\n+   port 9;\n"
    _, out, _ = run("configure", "discard", "show | compare")
    assert out == ""


def test_levels(run: Run) -> None:
    code, out, _ = run(
        "configure",
        "edit flow-export collector a",
        "set port 9",
        "show",
        "up",
        "show",
        "exit",
        "show flow-export | set",
        "exit",
    )
    assert code == 0
    assert out.splitlines() == [
        "port 9;",
        "collector a {",
        "    port 9;",
        "}",
        "set flow-export collector a port 9",
        "The candidate keeps changes that are not committed.",
    ]


def test_a_refused_edit_has_a_caret(run: Run) -> None:
    code, _, err = run("configure", "set flow-export collector a dscp 99")
    line, caret = err.splitlines()
    assert (code, line) == (2, "set flow-export collector a dscp 99")
    assert caret.startswith(f"{' ' * line.index('99')}^ ")
    code, _, err = run("configure", "delete flow-export collector b")
    assert (code, err.splitlines()[1].index("^")) == (2, len("delete flow-export collector "))


def test_a_refused_commit_names_every_place(run: Run) -> None:
    lines = ("set flow-export collector a port 1", "set flow-export collector b port 2")
    code, _, err = run("configure", *lines, "commit")
    assert code == 2
    assert {line.partition(":")[0] for line in err.splitlines()} == {
        f"flow-export collector {name} {leaf}" for name in "ab" for leaf in ("address", "protocol")
    }


def test_a_check_commits_nothing(run: Run) -> None:
    code, out, _ = run("configure", A, "commit check")
    assert (code, out.splitlines()[0]) == (0, "The commit would be accepted.")
    assert json.loads(run("show flow-export")[1]) == {"status": "not-configured"}


def test_a_confirmed_commit(run: Run) -> None:
    run("configure", A, "commit confirmed 600 persist mine")
    assert run("configure", "confirm")[0] == 2
    assert run("configure", "confirm mine") == (0, "The commit is confirmed.\n", "")
    assert run("configure", "confirm mine") == (1, "", "no commit waits to be confirmed\n")


def test_an_aborted_commit(run: Run) -> None:
    run("configure", A, "commit confirmed 600 persist mine")
    assert run("configure", "abort mine") == (0, "The commit is rolled back.\n", "")
    assert json.loads(run("show flow-export")[1]) == {"status": "not-configured"}


def test_rollback_counts_back(run: Run) -> None:
    for port in (1, 2, 3):
        run("configure", A, f"set flow-export collector a port {port}", "commit")
    _, out, _ = run("configure", "rollback 2", "show flow-export collector a port")
    assert out == "port 1;\n"
    _, out, _ = run("configure", "show | compare rollback 1")
    assert out == "[edit flow-export collector a]\n-   port 2;\n+   port 1;\n"
    code, _, err = run("configure", "rollback 9")
    assert (code, err) == (1, "there is no commit 9 back: the history has 4\n")
    run("configure", "rollback 0")
    assert run("configure", "show | compare")[1] == ""


def test_exclusive_keeps_others_out(run: Run, server: Served) -> None:
    from flowexport_mgmt.cli.session.unix import UnixSession

    with UnixSession(server.socket) as other:
        other.lock("candidate")
        code, _, err = run("configure exclusive")
        assert (code, "lock" in err) == (2, True)
    assert run("configure exclusive", A, "exit", "configure", "show | compare")[1] == ""


@pytest.mark.parametrize("how", ["merge", "replace", "override"])
@pytest.mark.parametrize("form", ["conf", "set", "json", "xml"])
def test_what_was_saved_loads(run: Run, tmp_path: Path, how: str, form: str) -> None:
    file = tmp_path / f"saved.{form}"
    secret = "set server user ann password-hash $0$secret"
    assert run("configure", A, secret, "commit", f"save {file}")[0] == 0
    assert "$6$" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    before = run("show configuration | set")
    lines = ("configure", "delete flow-export collector a port", f"load {how} {file}", "commit")
    assert run(*lines)[0] == 0
    assert run("show configuration | set") == before


def test_what_is_shown_loads_with_its_masked_secrets(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "shown"
    run("configure", A, "set server user ann password-hash $0$secret", "commit", f"save {file}")
    saved = file.read_text()
    assert run(f"show configuration | set | save {file}") == (0, "", "")
    assert "$6$" not in file.read_text()
    run("configure", f"load override {file}", "commit", f"save {file}")
    assert file.read_text() == saved
    file.write_text("server { user bob { password-hash ********; } }")
    code, _, err = run("configure", f"load merge {file}")
    assert (code, "server user bob password-hash is masked" in err) == (1, True)


def test_load_replaces_only_what_it_names(run: Run, tmp_path: Path) -> None:
    run("configure", A, "set flow-export collector b port 7", "edit flow-export")
    file = tmp_path / "file"
    file.write_text("collector a { port 9; }")
    lines = ("configure", "edit flow-export", f"load replace {file}", "show | set")
    assert run(*lines)[1].splitlines() == ["set collector a port 9", "set collector b port 7"]


def test_a_file_that_is_wrong_changes_nothing(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("flow-export { collector a { port 9; } kollektor b; }")
    code, _, err = run("configure", f"load merge {file}")
    assert (code, "line 1: unknown word 'kollektor'" in err) == (1, True)
    assert run("configure", f"load merge {tmp_path / 'none'}")[0] == 1
    assert run("configure", "show | compare")[1] == ""


def test_whatever_is_shown_loads_again(
    grammar: Grammar, server: Served, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Any configuration that a candidate can hold, with its masked secrets, as set lines."""
    drawn, shown = tmp_path / "drawn.xml", tmp_path / "shown.set"
    place = ["--socket", str(server.socket), "-c", "configure"]
    again = (f"show | set | save {shown}", f"load override {shown}", "show | set", "discard")

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(documents(grammar))
    def check(document: Document) -> None:
        drawn.write_bytes(etree.tostring(document.root))
        assume(main([*place, "-c", f"load override {drawn}"]) == 0)  # some texts have patterns
        capsys.readouterr()
        code = main([*place, *(word for line in again for word in ("-c", line))])
        output = capsys.readouterr()
        assert (code, output.err) == (0, "")
        assert output.out == shown.read_text().removeprefix("\n")

    check()


def test_every_node_can_be_set_shown_and_deleted(
    grammar: Grammar, server: Served, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """One session does it all: a node that the model gains is in it by itself."""
    lines, expected = ["configure"], []
    for path in nodes(grammar):
        node = path[-1].node
        if not (node.is_term or node.kind == "list" or node.presence):
            continue
        value = f" {quote(accepted(node)[0])}" if node.is_term else ""
        if node.type is not None and node.type.base == "empty":
            value = ""
        one = value if node.kind == "leaf-list" else ""
        place = spelled(path)
        lines += [
            "discard",
            f"set {place}{value}",
            "show | set",
            f"delete {place}{one}",
            "show | set | match .",
        ]
        expected.append(f"set {place}{value}")
    script = tmp_path / "script"
    script.write_text("\n".join(lines))
    code = main(["--socket", str(server.socket), "-f", str(script)])
    output = capsys.readouterr()
    assert (code, output.err) == (0, ""), output.err
    shown = [
        line.replace("********", accepted_secret(line, expected))
        for line in output.out.splitlines()
    ]
    assert set(expected) <= set(shown)
    assert len(expected) > 2 * len(leaves(grammar)) // 3


def accepted_secret(line: str, expected: list[str]) -> str:
    """Give the secret that a masked line stands for."""
    start = line.partition("********")[0]
    return next((e.removeprefix(start) for e in expected if e.startswith(start)), "")
