from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.edits import apply, collector, flow_export, shown, whole_collector

from flowexport_mgmt.datastore.validation import validate
from flowexport_mgmt.errors import Fault, ManagementError
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.locate import locate
from flowexport_mgmt.schema.tree import Format, Tree

RULES = "/k:rules"
COLLECTOR = "/fe:flow-export/fe:collector"
REFRESH = f"{COLLECTOR}[fe:name='a']/fe:template-refresh"


def parse(schema: SchemaContext, document: Any) -> Tree:
    return Tree.parse(schema, json.dumps(document).encode(), Format.JSON)


def faults_of(schema: SchemaContext, document: Any, *given: str) -> tuple[Fault, ...]:
    with parse(schema, document) as tree:
        before = tree.print(Format.JSON)
        with pytest.raises(ManagementError) as refused:
            validate(tree, lambda: given)
        assert tree.print(Format.JSON) == before
        return refused.value.faults


def rules(schema: SchemaContext, **leaves: Any) -> list[tuple[str, str, str]]:
    names = {name.replace("_", "-"): value for name, value in leaves.items()}
    return shown(faults_of(schema, {"kinds:rules": names}))


def pair(left: str, **leaves: Any) -> dict[str, Any]:
    return {"left": left, "right": 1, "needed": 1, **leaves}


def test_a_valid_configuration_is_typed(schema: SchemaContext) -> None:
    with Tree(schema) as tree:
        apply(tree, flow_export(whole_collector("a", "<port>99</port>")))
        valid = validate(tree)
        with valid.tree:
            assert valid.configuration.flow_export is not None
            (entry,) = valid.configuration.flow_export.collector
            assert (entry.name, entry.port, entry.dscp) == ("a", 99, 0)
            assert json.loads(valid.document) == json.loads(tree.print(Format.JSON))
            assert valid.deleted == ()


def test_keys_with_quotes_of_both_kinds(schema: SchemaContext) -> None:
    """The library has no path for them; every fault is told with its own all the same."""
    name = """it's "so" ]/[1]"""
    common = {"address": "192.0.2.1", "protocol": "sflow"}
    more: list[dict[str, Any]] = [{"transport": "tcp"}, {"template-refresh": 9}, {"biflow": True}]
    entries = [common | leaf | {"name": f"{name}{n}"} for n, leaf in enumerate(more)]
    faults = faults_of(schema, {"flow-export:flow-export": {"collector": entries}})
    place = COLLECTOR + """[fe:name=concat('it', "'", 's "so" ]/[1]{}')]/fe:{}"""
    assert sorted(shown(faults)) == [
        ("operation-failed", "must-violation", place.format(0, "transport")),
        ("unknown-element", "", place.format(1, "template-refresh")),
        ("unknown-element", "", place.format(2, "biflow")),
    ]
    assert {fault.info.get("bad-element") for fault in faults} == {
        None,
        "template-refresh",
        "biflow",
    }


def test_a_default_that_breaks_a_rule_is_named_below_such_a_key(schema: SchemaContext) -> None:
    name = """it's "so" """
    document = {"flow-export:flow-export": {"collector": [{"name": name}]}}
    with parse(schema, document) as tree:
        text = f'/flow-export:flow-export/collector[name="{name}"]'
        node, path = locate(tree, text)
        assert node is not None
        assert node.path == path
        assert locate(tree, f"{text}/tls/server-name") == (
            None,
            f"{path}/fe:tls/fe:server-name",
        )
        assert locate(tree, "/flow-export:flow-export/collector/port")[0] is None
        assert locate(tree, "/nothing:at/all") == (None, "")


def test_each_kind_of_fault(schema: SchemaContext) -> None:
    assert rules(schema, limited=10) == [("operation-failed", "too-much", f"{RULES}/k:limited")]
    assert rules(schema, odd=2) == [("operation-failed", "must-violation", f"{RULES}/k:odd")]
    assert rules(schema, reference="x") == [
        ("data-missing", "instance-required", f"{RULES}/k:reference")
    ]
    assert rules(schema, conditional="x") == [("unknown-element", "", f"{RULES}/k:conditional")]
    assert rules(schema, conditional_box={"inside": "x"}) == [
        ("unknown-element", "", f"{RULES}/k:conditional-box")
    ]
    assert rules(schema, pair=[{"left": "a", "right": 1}]) == [
        ("data-missing", "missing-mandatory", f"{RULES}/k:pair[k:left='a'][k:right='1']/k:needed")
    ]
    assert rules(schema, several={"two": [1], "one": [{"id": 1}]}) == [
        ("operation-failed", "too-few-elements", f"{RULES}/k:several/k:two")
    ]
    assert rules(schema, alternative={}) == [
        ("data-missing", "missing-choice", f"{RULES}/k:alternative")
    ]


def test_all_paths_of_a_unique_statement(schema: SchemaContext) -> None:
    same = {"name": "n", "box": {"colour": "red"}}
    (fault,) = faults_of(schema, {"kinds:rules": {"pair": [pair("a", **same), pair("b", **same)]}})
    assert (fault.tag, fault.app_tag) == ("operation-failed", "data-not-unique")
    paths = fault.info["non-unique"].splitlines()
    assert sorted(paths) == [
        f"{RULES}/k:pair[k:left='{left}'][k:right='1']/{leaf}"
        for left in "ab"
        for leaf in ("k:box/k:colour", "k:name")
    ]


def test_messages_say_what_was_wanted(schema: SchemaContext) -> None:
    (fault,) = faults_of(schema, {"kinds:rules": {"limited": 10}})
    assert fault.message == "ten is too much"
    (fault,) = faults_of(schema, {"kinds:rules": {"conditional": "x"}})
    assert fault.message == "this node exists only when ../odd = 5"
    assert dict(fault.info) == {"bad-element": "conditional"}


def test_faults_of_every_kind_are_found_at_once(schema: SchemaContext) -> None:
    found = rules(
        schema,
        limited=10,
        odd=2,
        conditional="x",
        reference="nobody",
        pair=[{"left": "a", "right": 1}, pair("b")],
        several={},
        alternative={"lanes": 1},
    )
    assert sorted(found) == sorted(
        [
            ("operation-failed", "too-much", f"{RULES}/k:limited"),
            ("operation-failed", "must-violation", f"{RULES}/k:odd"),
            ("unknown-element", "", f"{RULES}/k:conditional"),
            ("data-missing", "instance-required", f"{RULES}/k:reference"),
            (
                "data-missing",
                "missing-mandatory",
                f"{RULES}/k:pair[k:left='a'][k:right='1']/k:needed",
            ),
            ("operation-failed", "too-few-elements", f"{RULES}/k:several/k:two"),
            ("operation-failed", "too-few-elements", f"{RULES}/k:several/k:one"),
        ]
    )


def test_no_fault_comes_only_from_looking_for_others(schema: SchemaContext) -> None:
    """What refers to an entry that is itself at fault is not at fault."""
    assert rules(schema, pair=[{"left": "a", "right": 1}], reference="a") == [
        ("data-missing", "missing-mandatory", f"{RULES}/k:pair[k:left='a'][k:right='1']/k:needed")
    ]


def test_three_entries_with_one_unique_value(schema: SchemaContext) -> None:
    same = {"name": "n", "box": {"colour": "red"}}
    found = rules(schema, pair=[pair(left, **same) for left in "abc"])
    assert [app_tag for _, app_tag, _ in found] == ["data-not-unique"] * 2


def test_two_entries_with_a_fault_each(schema: SchemaContext) -> None:
    entries = [
        {"name": "a", "address": "192.0.2.1"},
        {"name": "b", "protocol": "sflow"},
        {"name": "c", "address": "192.0.2.1", "protocol": "sflow", "template-refresh": 5},
        {"name": "d", "address": "192.0.2.1", "protocol": "ipfix", "source-address": "::1"},
    ]
    found = shown(faults_of(schema, {"flow-export:flow-export": {"collector": entries}}))
    assert found == [
        ("data-missing", "missing-mandatory", f"{COLLECTOR}[fe:name='a']/fe:protocol"),
        ("data-missing", "missing-mandatory", f"{COLLECTOR}[fe:name='b']/fe:address"),
        ("unknown-element", "", f"{COLLECTOR}[fe:name='c']/fe:template-refresh"),
        ("operation-failed", "", f"{COLLECTOR}[fe:name='d']/fe:source-address"),
    ]


@pytest.fixture
def ipfix(schema: SchemaContext) -> Any:
    """A validated tree with a leaf that sflow does not have."""
    with Tree(schema) as tree:
        apply(tree, flow_export(whole_collector("a", "<template-refresh>9</template-refresh>")))
        tree.validate()
        yield tree


def test_what_another_edit_rules_out_is_deleted(ipfix: Tree) -> None:
    apply(ipfix, flow_export(collector("a", "<protocol>sflow</protocol>")))
    valid = validate(ipfix, lambda: [f"{COLLECTOR}[fe:name='a']/fe:protocol"])
    with valid.tree:
        assert valid.deleted == (REFRESH,)
        assert valid.tree.find("/flow-export:flow-export/collector/template-refresh") is None
        assert ipfix.find("/flow-export:flow-export/collector/template-refresh") is not None


def test_what_the_same_edit_gives_is_refused(ipfix: Tree) -> None:
    leaves = "<protocol>sflow</protocol><template-refresh>9</template-refresh>"
    apply(ipfix, flow_export(collector("a", leaves)))
    with pytest.raises(ManagementError) as refused:
        validate(ipfix, lambda: [REFRESH])
    assert shown(refused.value.faults) == [("unknown-element", "", REFRESH)]


def test_a_broken_entry_does_not_hide_what_an_edit_rules_out(ipfix: Tree) -> None:
    apply(ipfix, flow_export(collector("a", "<protocol>sflow</protocol>"), collector("b")))
    with pytest.raises(ManagementError) as refused:
        validate(ipfix, lambda: [REFRESH])
    assert [path for _, _, path in shown(refused.value.faults)] == [
        f"{COLLECTOR}[fe:name='b']/fe:address",
        f"{COLLECTOR}[fe:name='b']/fe:protocol",
        REFRESH,
    ]
