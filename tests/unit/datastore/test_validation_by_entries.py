"""Validation of the entries that were changed against validation of everything."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.edits import collector, edits, flow_export, shown, whole_collector

from flowexport_mgmt.datastore.candidate import LogEntry
from flowexport_mgmt.datastore.engine import Plan, make
from flowexport_mgmt.datastore.touched import touched_entries
from flowexport_mgmt.datastore.validation import Valid, validate, validate_in_place
from flowexport_mgmt.errors import ManagementError
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.edits import Operation
from flowexport_mgmt.schema.tree import Defaults, Format, Tree

_LEAVES = (
    ("protocol", ("sflow", "netflow5", "netflow9", "ipfix")),
    ("transport", ("udp", "tcp")),
    ("address", ("192.0.2.1", "2001:db8::1", "0.0.0.0")),
    ("source-address", ("192.0.2.9",)),
    ("record-format", ("classic", "extended")),
    ("biflow", ("true", "false")),
    ("template-refresh", ("60",)),
    ("sub-agent-id", ("7",)),
    ("agent-address", ("192.0.2.8",)),
    ("port", ("9",)),
    ("tls/server-name", ("collector.example",)),
    ("tls", ("",)),
    ("sampled-flows/enabled", ("true",)),
)


def _leaf(path: str, value: str, operation: str) -> str:
    outer, _, name = path.rpartition("/")
    given = "" if operation == "remove" else value
    leaf = f'<{name} nc:operation="{operation}">{given}</{name}>'
    return f"<{outer}>{leaf}</{outer}>" if outer else leaf


_leaves = st.sampled_from(_LEAVES).flatmap(
    lambda leaf: st.tuples(
        st.just(leaf[0]), st.sampled_from(leaf[1]), st.sampled_from(["merge", "remove"])
    )
)
_collectors = st.one_of(
    st.builds(
        lambda name, leaves: collector(name, "".join(_leaf(*leaf) for leaf in leaves)),
        st.sampled_from("abc"),
        st.lists(_leaves, min_size=1, max_size=3, unique_by=lambda leaf: leaf[0].partition("/")[0]),
    ),
    st.builds(whole_collector, st.sampled_from("abcd"), protocol=st.sampled_from(_LEAVES[0][1])),
    st.builds(
        lambda name: collector(name, attributes='nc:operation="remove"'), st.sampled_from("abcd")
    ),
)
_elsewhere = st.just("<sampling><backend>packet</backend></sampling>")
_entries = st.lists(
    st.one_of(_collectors, _collectors, _collectors, _elsewhere),
    min_size=1,
    max_size=2,
    unique_by=lambda xml: xml.partition("<name>")[2][:1],
)


@dataclass
class _Running:
    """A configuration that goes through edits; ``by_entries`` says how they are validated."""

    tree: Tree
    by_entries: bool

    def commit(self, xml: str) -> object:
        """Edit and validate; give all that can be told of the outcome."""
        entry = LogEntry(edits(self.tree.schema, xml), Operation.MERGE)
        with self.tree.duplicate() as candidate:
            plan = entry.plan(candidate)
            if plan.faults:
                return shown(plan.faults)
            make(candidate, plan)
            try:
                valid = self._validated(candidate, entry, plan)
            except ManagementError as error:
                return shown(error.faults)
        self.tree.free()
        self.tree = valid.tree
        printed = valid.tree.print(Format.JSON, Defaults.REPORT_ALL_TAGGED)
        return printed, valid.document, valid.configuration, valid.deleted

    def _validated(self, candidate: Tree, entry: LogEntry, plan: Plan) -> Valid:
        if not self.by_entries:
            return validate(candidate, entry.given)
        copy = candidate.duplicate()
        touched = touched_entries(copy.schema.confined_lists, entry.edits, plan.changes)
        return validate_in_place(copy, lambda: candidate, entry.given, touched)


@settings(max_examples=60)
@given(rounds=st.lists(_entries, min_size=1, max_size=8))
@example(
    rounds=[  # what was set goes by another edit, though nobody validated everything meanwhile
        [collector("a", "<protocol>sflow</protocol>")],
        [collector("a", "<agent-address>192.0.2.8</agent-address>")],
        [collector("a", "<protocol>ipfix</protocol>")],
    ]
)
@example(
    rounds=[  # and when everything is validated between
        [collector("a", "<protocol>sflow</protocol>")],
        [collector("a", "<agent-address>192.0.2.8</agent-address>")],
        ["<sampling><backend>packet</backend></sampling>"],
        [
            collector("a", "<protocol>ipfix</protocol>"),
            "<sampling><backend>auto</backend></sampling>",
        ],
    ]
)
def test_both_come_to_the_same(schema: SchemaContext, rounds: list[list[str]]) -> None:
    start = Tree(schema)
    first = validate_in_place(start, lambda: start, tuple)
    with first.tree:
        both = [_Running(first.tree.duplicate(), by_entries) for by_entries in (True, False)]
    try:
        for entries in [[whole_collector("a"), whole_collector("b")], *rounds]:
            one, other = (running.commit(flow_export(*entries)) for running in both)
            assert one == other
    finally:
        for running in both:
            running.tree.free()


def _whole_validations(
    schema: SchemaContext, monkeypatch: pytest.MonkeyPatch, *collectors: str
) -> int:
    """Count how often everything is validated for an edit of two collectors."""
    start = Tree(schema)
    running = _Running(validate_in_place(start, lambda: start, tuple).tree, by_entries=True)
    running.commit(flow_export(whole_collector("a"), whole_collector("b")))
    calls: list[Tree] = []
    validate_all = Tree.validate

    def counted(tree: Tree) -> None:
        calls.append(tree)
        validate_all(tree)

    monkeypatch.setattr(Tree, "validate", counted)
    running.commit(flow_export(*collectors))
    running.tree.free()
    return len(calls)


@pytest.mark.parametrize(
    "entry",
    [
        collector("a", "<port>7</port><agent-address nc:operation='remove'/>"),
        whole_collector("c"),
        collector("b", attributes='nc:operation="delete"'),
    ],
)
def test_an_entry_that_changes_costs_no_other(
    schema: SchemaContext, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    assert _whole_validations(schema, monkeypatch, entry) == 0


def test_what_stands_in_no_entry_is_validated_with_everything(
    schema: SchemaContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = "<sampling><backend>packet</backend></sampling>"
    assert _whole_validations(schema, monkeypatch, entry) == 1
    assert _whole_validations(schema, monkeypatch, entry, whole_collector("c")) > 0


@pytest.mark.parametrize("elsewhere", [True, False])
def test_every_edit_is_looked_at(schema: SchemaContext, elsewhere: bool) -> None:
    one = edits(schema, flow_export(collector("a", "<port>7</port>")))
    other = edits(schema, flow_export("<sampling><backend>packet</backend></sampling>"))
    spoken_of = [*one * 100, *(other if elsewhere else one)]
    entries = touched_entries(schema.confined_lists, spoken_of, ())
    assert entries is None if elsewhere else entries and len(entries) == 1


def test_of_many_entries_the_whole_is_cheaper(schema: SchemaContext) -> None:
    many = flow_export(*(collector(f"c{n}", "<port>7</port>") for n in range(65)))
    assert touched_entries(schema.confined_lists, edits(schema, many), ()) is None
