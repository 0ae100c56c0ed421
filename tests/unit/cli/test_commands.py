"""Command lines: what is understood, and what is said about the rest."""

from __future__ import annotations

import types
import typing

import msgspec
import pytest

from flowexport_mgmt.cli.commands import COMMANDS, Command, Listing, UsageError, parse


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command.words))
def test_every_declared_command_is_understood(command: Command) -> None:
    assert parse("  ".join(command.words)).command is command


def test_a_name_narrows() -> None:
    invocation = parse("show flow-export name edge")
    assert (invocation.command.words, invocation.name) == (("show", "flow-export"), "edge")


@pytest.mark.parametrize("name", ["two words", "name", "", "a'b"])
def test_a_quoted_name_may_hold_anything(name: str) -> None:
    assert parse(f'show flow-export name "{name}"').name == name


@pytest.mark.parametrize(
    ("line", "column", "words"),
    [
        ("", 1, "more is needed: doctor, show"),
        ("show", 5, "more is needed: configuration, flow, flow-export"),
        ("shew flow-export", 0, "unknown word 'shew', expected doctor, show"),
        ("show flaw", 5, "unknown word 'flaw', expected configuration, flow, flow-export"),
        ("show flow", 10, "more is needed: recent"),
        ("show history 3", 13, "the command is: show history"),
        ("show interfaces eth0", 16, "the command is: show interfaces [name NAME]"),
        ("show interfaces name ", 21, "a name is missing"),
        ("show interfaces name eth0 eth1", 26, "unexpected"),
    ],
)
def test_a_caret_stands_under_the_word_that_is_wrong(line: str, column: int, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(line)
    shown, below = str(caught.value).split("\n")
    assert shown == line.rstrip()
    assert below.index("^") == column
    assert words in below


def test_abbreviations_are_not_for_scripts() -> None:
    with pytest.raises(UsageError):
        parse("sh flow-export")


@pytest.mark.parametrize(
    "command",
    [command for command in COMMANDS if isinstance(command.action, Listing)],
    ids=lambda command: " ".join(command.words),
)
def test_every_field_is_in_the_model(command: Command) -> None:
    listing = typing.cast(Listing, command.action)
    entries = [_child(struct, listing.entry) for struct in listing.structs]
    for field in listing.fields:
        assert any(_has(entry, field.path.split("/")) for entry in entries), field.path


def _child(struct: type[msgspec.Struct], name: str) -> object:
    for field in msgspec.structs.fields(struct):
        if field.encode_name == name:
            alternatives = (
                typing.get_args(field.type)
                if typing.get_origin(field.type) in (types.UnionType, typing.Union)
                else (field.type,)
            )
            inner = alternatives[0]
            return typing.get_args(inner)[0] if typing.get_origin(inner) is tuple else inner
    return None


def _has(struct: object, path: list[str]) -> bool:
    for name in path:
        if not (isinstance(struct, type) and issubclass(struct, msgspec.Struct)):
            return False
        struct = _child(struct, name)
    return struct is not None
