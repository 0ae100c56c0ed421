"""What the hints of the served modules make of the command line."""

from __future__ import annotations

import json

import pytest
from tests.support.cli_server import Served

from flowexport_mgmt.cli.commands.command import Mode
from flowexport_mgmt.cli.commands.expecting import expanded, expect
from flowexport_mgmt.cli.commands.lines import Scene, read_line
from flowexport_mgmt.cli.config.load import read
from flowexport_mgmt.cli.config.render import Tree, brace_lines, json_object, set_lines
from flowexport_mgmt.cli.grammar.paths import spelled
from flowexport_mgmt.cli.grammar.words import UsageError, split
from flowexport_mgmt.cli.main import main
from flowexport_mgmt.cli.shell.describing import help_lines
from flowexport_mgmt.schema.grammar import Grammar

GROUP = "set nacm group ops user-name ann"


@pytest.fixture
def scene(grammar: Grammar) -> Scene:
    return Scene(grammar)


@pytest.fixture
def configuring(grammar: Grammar) -> Scene:
    return Scene(grammar, Mode.CONFIGURE)


def offered(line: str, scene: Scene) -> list[str]:
    return [choice.text for choice in expect(split(line), scene).choices]


def tree(text: str, grammar: Grammar) -> Tree:
    return Tree.whole(read(text, grammar).root, grammar)


def test_order_puts_our_own_lists_first(configuring: Scene, grammar: Grammar) -> None:
    assert offered("set ", configuring) == ["flow-export", "simulation", "server", "nacm"]
    text = "nacm { enable-nacm true; } server { http { port 1; } } flow-export;"
    heads = [line.split()[0].rstrip(";") for line in brace_lines(tree(text, grammar))]
    assert [head for head in heads if head in {"flow-export", "server", "nacm"}] == [
        "flow-export",
        "server",
        "nacm",
    ]


def test_what_is_hidden_is_not_offered_and_can_be_typed(scene: Scene) -> None:
    words = offered("monitor ", scene)
    assert "yang-library" in words
    assert "netconf-state" in words
    assert not {"modules-state", "netconf"} & set(words)
    for line in ("monitor modules-state", "show netconf streams"):
        assert expanded(line, scene) == line  # and is not the beginning of netconf-state
        assert spelled(read_line(line, scene).path) == line.partition(" ")[2]
    with pytest.raises(UsageError) as caught:
        read_line("monitor nothing", scene)
    assert "modules-state" not in str(caught.value)


@pytest.mark.parametrize(
    ("alias", "leaf", "value"),
    [
        ("destination", "address", "192.0.2.1"),
        ("source", "source-address", "192.0.2.2"),
        ("template-timeout", "template-refresh", "60"),
    ],
)
def test_an_alias_is_a_second_name(
    configuring: Scene, grammar: Grammar, alias: str, leaf: str, value: str
) -> None:
    line = f"set flow-export collector a {alias} {value}"
    assert expanded(line, configuring) == line
    (setting,) = read_line(line, configuring).settings
    assert spelled(setting.path) == f"flow-export collector a {leaf}"
    block = f"flow-export {{ collector a {{ {alias} {value}; }} }}"
    assert list(set_lines(tree(block, grammar))) == [f"set flow-export collector a {leaf} {value}"]
    assert alias not in offered("set flow-export collector a ", configuring)
    help_ = help_lines(expect(split(f"set flow-export collector a {leaf} "), configuring), "", 80)
    assert any(f"also typed: {alias}" in line for line in help_)


def test_a_compressed_container_need_not_be_typed(configuring: Scene) -> None:
    assert "group" in offered("set nacm ", configuring)
    assert "groups" not in offered("set nacm ", configuring)
    for line in (GROUP, GROUP.replace("nacm", "nacm groups")):
        assert expanded(line, configuring) == line
        (setting,) = read_line(line, configuring).settings
        assert [step.node.name for step in setting.path[:3]] == ["nacm", "groups", "group"]
        assert spelled(setting.path) == "nacm group ops user-name"


@pytest.mark.parametrize(
    "text",
    [
        GROUP,
        GROUP.replace("nacm", "nacm groups"),
        "nacm { group ops { user-name ann; } }",
        "nacm { groups { group ops { user-name ann; } } }",
        '{"ietf-netconf-acm:nacm": {"groups": {"group": [{"name": "ops", "user-name": ["ann"]}]}}}',
    ],
)
def test_a_compressed_container_is_left_out_of_text_alone(text: str, grammar: Grammar) -> None:
    found = tree(text, grammar)
    assert list(set_lines(found)) == [GROUP]
    assert "groups" not in "\n".join(brace_lines(found))
    assert json_object(found) == {
        "ietf-netconf-acm:nacm": {"groups": {"group": [{"name": "ops", "user-name": ["ann"]}]}}
    }


def test_levels_pass_over_a_compressed_container(
    server: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["configure", "edit nacm group ops", "set user-name ann", "show | set", "up", "show"]
    options = [word for line in lines for word in ("-c", line)]
    assert main(["--socket", str(server.socket), *options]) == 0
    out = capsys.readouterr().out
    assert out.startswith("set user-name ann\n")
    assert "group ops {\n    user-name ann;\n}" in out
    options = ["-c", "configure", "-c", "delete nacm group ops", "-c", "show nacm group ops"]
    assert main(["--socket", str(server.socket), *options]) == 0
    assert capsys.readouterr().out == ""


def test_state_leaves_a_compressed_container_out(
    server: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["-c", "configure", "-c", GROUP, "-c", "commit", "-c", "run show nacm"]
    assert main(["--socket", str(server.socket), *options]) == 0
    out = capsys.readouterr().out
    shown = json.loads(out[out.index("{") :])
    assert {"name": "ops", "user-name": ["ann"]} in shown["group"]
