"""Command lines: what is understood, and what is said about the rest."""

from __future__ import annotations

import pytest

from flowexport_mgmt.cli.commands.command import Command, Kind, Mode
from flowexport_mgmt.cli.commands.expecting import expanded, expect
from flowexport_mgmt.cli.commands.lines import Scene, read_line
from flowexport_mgmt.cli.commands.listing import Listing
from flowexport_mgmt.cli.commands.table import COMMANDS, OPERATIONAL
from flowexport_mgmt.cli.grammar.paths import spelled
from flowexport_mgmt.cli.grammar.words import UsageError, split
from flowexport_mgmt.cli.operator import node_at
from flowexport_mgmt.schema.grammar import Grammar, Node

PATHS = (Kind.CONFIG, Kind.DATA, Kind.SETTINGS)
EXAMPLES = {
    Kind.FLAG: "",
    Kind.TEXT: '"a b"',
    Kind.NUMBER: "3",
    Kind.FILE: "file",
    Kind.DATA: "flow-export exporter",
    Kind.CONFIG: "flow-export conntrack",
    Kind.SETTINGS: "flow-export conntrack enabled true",
}


@pytest.fixture
def scene(grammar: Grammar) -> Scene:
    return Scene(grammar)


@pytest.fixture
def configuring(grammar: Grammar) -> Scene:
    return Scene(grammar, Mode.CONFIGURE)


def example(command: Command) -> str:
    """Write a command with every argument that it has, but for those that exclude each other."""
    words = [*command.words]
    for argument in sorted(command.arguments, key=lambda a: bool(a.word)):
        if argument.word not in ("merge", "replace"):
            words += [argument.word, EXAMPLES[argument.kind]]
    return " ".join(filter(None, words))


def available(scene: Scene, command: Command) -> bool:
    return command in scene.commands()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command.words))
def test_every_declared_command_is_understood(
    scene: Scene, configuring: Scene, command: Command
) -> None:
    scenes = [s for s in (scene, configuring) if command in s.commands()]
    for here in scenes:
        found = read_line(example(command), here)
        assert found.command is command
        places = {a.name for a in command.arguments if a.kind not in PATHS}
        assert found.given.keys() == places - {"merge", "replace"}


def test_a_name_narrows(scene: Scene) -> None:
    invocation = read_line("show flow-export name edge", scene)
    assert invocation.command.words == ("show", "flow-export")
    assert invocation.text("name") == "edge"


@pytest.mark.parametrize("name", ["two words", "name", "", "a'b", "a|b", "[x]"])
def test_a_quoted_name_may_hold_anything(scene: Scene, name: str) -> None:
    assert read_line(f'show flow-export name "{name}"', scene).text("name") == name


@pytest.mark.parametrize(
    ("line", "column", "words"),
    [
        ("", 1, "more is needed: show"),
        ("show", 5, "more is needed: "),
        ("shew flow-export", 0, "unknown word 'shew', expected show"),
        ("show flaw", 5, "unknown word 'flaw', expected flow-export, flow, interfaces"),
        ("show flow", 10, "more is needed: recent"),
        ("show flow x", 10, "unknown word 'x', expected recent"),
        ("show ", 5, "more is needed: flow-export, flow, interfaces, sessions, history"),
        ("show history 3", 13, "the command is: show history"),
        ("show interfaces eth0", 16, "the command is: show interfaces [name NAME]"),
        ("show interfaces name ", 21, "a NAME is missing"),
        ("show interfaces name eth0 eth1", 26, "unexpected"),
        ("show history | frist 3", 15, "unknown pipe 'frist', expected match"),
        ("show history | first", 21, "a N is missing"),
        ("show history | first x", 21, "'x' is no number"),
        ("show history | match (", 21, "no regular expression"),
        ("show history | table | csv", 23, "there is a format already: table"),
        ("show history | set", 15, "set is for configurations"),
        ("show history | log", 15, "log is for monitor"),
        ("show history |", 15, "a pipe is missing: match"),
        ('show history | match "x', 21, "the quote is not closed"),
        ("show configuration flow-export kollektor", 31, "unknown word 'kollektor'"),
        ("monitor flow-export interval fast", 29, "'fast' is no SECONDS"),
    ],
)
def test_a_caret_stands_under_the_word_that_is_wrong(
    scene: Scene, line: str, column: int, words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read_line(line, scene)
    shown, below = str(caught.value).split("\n")
    assert shown == line.rstrip()
    assert below.index("^") == column
    assert words in below


@pytest.mark.parametrize(
    ("line", "column", "words"),
    [
        ("set flow-export collector", 26, "a name is missing"),
        ("set flow-export collector a port", 33, "a value of port is missing"),
        ("set flow-export collector a port 1 prt 2", 35, "unknown word 'prt'"),
        ("set flow-export collector a statistics errors 1", 28, "unknown word 'statistics'"),
        ("set flow-export conntrack zone [ 1 2", 37, "a value of zone is missing"),
        ("set flow-export conntrack", 26, "more is needed: enabled"),
        ("delete flow-export collector", 29, "a name is missing"),
        ("delete", 7, "more is needed: "),
        ("rollback", 9, "a N is missing"),
        ("commit confirmed 10 confirmed 10", 20, "unexpected"),
        ("commit | match x", 17, "commit has no output for a pipe"),
        ("load merge override x", 20, "unexpected"),
    ],
)
def test_a_caret_in_configure_mode(configuring: Scene, line: str, column: int, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_line(line, configuring)
    below = str(caught.value).split("\n")[1]
    assert (below.index("^"), words in below) == (column, True), below


def test_several_leaves_on_a_line(configuring: Scene) -> None:
    line = "set flow-export collector a address 192.0.2.1 port 9 protocol ipfix"
    settings = read_line(line, configuring).settings
    assert [(spelled(s.path), s.values[0].text) for s in settings] == [
        ("flow-export collector a address", "192.0.2.1"),
        ("flow-export collector a port", "9"),
        ("flow-export collector a protocol", "ipfix"),
    ]


def test_a_bracket_holds_values(configuring: Scene) -> None:
    (setting,) = read_line("set flow-export conntrack zone [ 1 2 3 ]", configuring).settings
    assert [word.text for word in setting.values] == ["1", "2", "3"]


def test_paths_begin_at_the_level(grammar: Grammar, configuring: Scene) -> None:
    level = read_line("edit flow-export collector a", configuring).path
    inside = Scene(grammar, Mode.CONFIGURE, level)
    assert spelled(read_line("delete port", inside).path) == "flow-export collector a port"
    shown = read_line("run show flow-export conntrack", inside)
    assert spelled(shown.path) == "flow-export conntrack"


def test_abbreviations_are_not_for_scripts(scene: Scene) -> None:
    with pytest.raises(UsageError):
        read_line("sh flow-export", scene)


@pytest.mark.parametrize(
    ("line", "full"),
    [
        ("sh flow-e", "show flow-export"),
        ("sh hist | ma init | co", "show history | match init | count"),
        ("sh conf fl coll noc por", "show configuration flow-export collector noc port"),
        ('sh flow-export name "sh"', 'show flow-export name "sh"'),
        ("mon ser http int 3", "monitor server http interval 3"),
    ],
)
def test_people_may_be_brief(scene: Scene, line: str, full: str) -> None:
    assert expanded(line, scene) == full


def test_a_beginning_of_several_words_is_refused(scene: Scene) -> None:
    with pytest.raises(UsageError, match="'fl' is ambiguous"):
        expanded("sh fl", scene)


@pytest.mark.parametrize(
    ("line", "expected", "complete"),
    [
        ("", {"show", "monitor", "configure", "exit"}, False),
        ("show ", {"flow-export", "configuration", "flow", "server", "interfaces"}, False),
        ("show flow-export ", {"name", "collector", "conntrack"}, True),
        ("show configuration | ", {"match", "set", "compare"}, False),
        ("show history | json ", {"pretty", "compact"}, True),
        ("show history | table | ", {"match", "save"}, False),
        ("monitor flow-export ", {"interval", "count", "collector"}, True),
    ],
)
def test_what_may_follow(scene: Scene, line: str, expected: set[str], complete: bool) -> None:
    found = expect(split(line), scene)
    assert expected <= {choice.text for choice in found.choices}
    assert all(choice.help or choice.text for choice in found.choices)
    assert found.complete or not complete


def test_a_second_format_is_not_offered(scene: Scene) -> None:
    offered = {choice.text for choice in expect(split("show history | table | "), scene).choices}
    assert not offered & {"json", "csv", "yaml"}


def test_keys_and_values_are_expected(configuring: Scene) -> None:
    (key,) = expect(split("set flow-export collector "), configuring).leaves
    assert key.leaf is not None
    assert (key.leaf.name, key.is_key) == ("name", True)
    (value,) = expect(split("set flow-export collector a protocol "), configuring).leaves
    assert value.leaf is not None
    assert value.leaf.type is not None
    assert [name for name, _ in value.leaf.type.values] == [
        "sflow",
        "netflow5",
        "netflow9",
        "ipfix",
    ]


@pytest.mark.parametrize(
    "command",
    [command for command in OPERATIONAL if isinstance(command.run, Listing)],
    ids=lambda command: " ".join(command.words),
)
def test_every_field_is_in_the_model(grammar: Grammar, command: Command) -> None:
    assert isinstance(command.run, Listing)
    entry = node_at(grammar, command.run.path)[-1]
    for field in command.run.fields:
        assert _has(entry, field.path.split("/")), field.path


def _has(node: Node, path: list[str]) -> bool:
    for name in path:
        found = [child for child in node.children if child.name == name]
        if not found:
            return False
        node = found[0]
    return True
