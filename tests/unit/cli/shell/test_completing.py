"""What TAB offers, from the schema and from data, and what it asks the daemon for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from lxml import etree
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from flowexport_mgmt.cli.operator import Editing, Operator
from flowexport_mgmt.cli.session.replies import NotReachedError
from flowexport_mgmt.cli.session.session import Session
from flowexport_mgmt.cli.shell.completing import LineCompleter
from flowexport_mgmt.cli.shell.known import Known
from flowexport_mgmt.schema.grammar import Grammar

CANDIDATE = """<data><flow-export xmlns="urn:flowexport:flow-export">
  <collector><name>noc</name><address>192.0.2.1</address></collector>
  <collector><name>no such</name></collector>
  <conntrack><zone>7</zone><zone>9</zone></conntrack></flow-export></data>"""
INTERFACES = """<data><interfaces xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces">
  <interface><name>eth0</name></interface><interface><name>lo</name></interface>
  </interfaces></data>"""


class Recorder(Session):
    """Answers from texts, and counts what it was asked."""

    place, identity = "here", "1"

    def __init__(self) -> None:
        self.candidate = CANDIDATE
        self.asked: list[str] = []

    def ask(self, operation: etree._Element) -> etree._Element:
        raise NotReachedError(f"{operation.tag} is not asked for")

    def get_config(
        self, store: str, filters: Iterable[etree._Element] | None = None
    ) -> etree._Element:
        assert filters is None
        self.asked.append(store)
        return etree.fromstring(self.candidate)

    def get(self, filters: Iterable[etree._Element]) -> etree._Element:
        self.asked += [etree.QName(chosen).localname for chosen in filters]
        return etree.fromstring(INTERFACES)

    def is_alive(self) -> bool:
        return True

    def close(self) -> None:
        return


class Typist:
    """Somebody who types in configure mode."""

    def __init__(self, grammar: Grammar) -> None:
        self.session = Recorder()
        self.operator = Operator(lambda: self.session, editing=Editing())
        self.operator._grammar = grammar
        self._completer = LineCompleter(self.operator, Known(self.operator))

    def tab(self, line: str) -> list[str]:
        """Give what a line may become."""
        found = self._completer.get_completions(Document(line), CompleteEvent())
        return [line[: len(line) + each.start_position] + each.text for each in found]


@pytest.fixture
def typist(grammar: Grammar) -> Typist:
    return Typist(grammar)


def test_words_of_the_schema_end_with_a_space(typist: Typist) -> None:
    assert typist.tab("set flow-export coll") == ["set flow-export collector "]
    assert typist.tab("sh") == ["show "]
    assert typist.tab("set flow-export nothing") == []
    assert typist.session.asked == []


def test_keys_come_from_the_candidate_which_is_read_once(typist: Typist) -> None:
    assert typist.tab("delete flow-export collector n") == [
        "delete flow-export collector noc ",
        'delete flow-export collector "no such" ',
    ]
    for end in range(1, 4):
        typist.tab("set flow-export collector noc"[: -end or None])
    assert typist.session.asked == ["candidate"]
    typist.session.candidate = CANDIDATE.replace("noc", "new")
    typist.operator.changed(modified=True)
    assert typist.tab("set flow-export collector ne") == ["set flow-export collector new "]
    assert typist.session.asked == ["candidate"] * 2


def test_values_of_a_leaf_list_are_offered_where_one_goes(typist: Typist) -> None:
    assert typist.tab("delete flow-export conntrack zone ") == [
        "delete flow-export conntrack zone 7 ",
        "delete flow-export conntrack zone 9 ",
    ]
    assert typist.tab("set flow-export conntrack zone ") == []


def test_values_that_the_schema_lists(typist: Typist) -> None:
    line = "set flow-export collector noc protocol "
    assert typist.tab(f"{line}netflow") == [f"{line}netflow5 ", f"{line}netflow9 "]
    line = "set flow-export collector noc enabled "
    assert typist.tab(line) == [f"{line}true ", f"{line}false "]


def test_keys_of_state_are_asked_for_once(typist: Typist) -> None:
    for _ in range(3):
        assert typist.tab("run show interfaces interface e") == [
            "run show interfaces interface eth0 "
        ]
    assert typist.session.asked == ["interfaces"]


def test_entries_of_a_command(typist: Typist) -> None:
    assert typist.tab("run clear statistics collector noc")[-1].endswith("collector noc ")


def test_a_secret_is_not_offered(typist: Typist) -> None:
    assert typist.tab("set server user ann password-hash ") == []


def test_files(typist: Typist, tmp_path: Path) -> None:
    (tmp_path / "a b.set").touch()
    (tmp_path / "folder").mkdir()
    line = f"load merge {tmp_path}/"
    assert typist.tab(line) == [f'load merge "{tmp_path}/a b.set" ', f"{line}folder/"]
    assert typist.tab("load merge /none/here/") == []


def test_short_words_are_understood(typist: Typist) -> None:
    assert typist.tab("del flow-e coll no")[0] == "del flow-e coll noc "


@pytest.mark.parametrize(
    "line", ['set flow-export collector "', "set | ", "show | save x | json y "]
)
def test_a_line_that_leads_nowhere_has_no_end(typist: Typist, line: str) -> None:
    assert typist.tab(line) == []
