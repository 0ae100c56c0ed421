from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.edits import (
    apply,
    collector,
    edits,
    flow_export,
    kinds,
    server,
    shown,
    whole_collector,
)

from flowexport_mgmt.datastore.changes import Change, Kind
from flowexport_mgmt.datastore.engine import make, plan_edits, plan_whole
from flowexport_mgmt.errors import ManagementError
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.edits import Operation
from flowexport_mgmt.schema.tree import Format, Tree

A = "/fe:flow-export/fe:collector[fe:name='a']"


@pytest.fixture
def tree(schema: SchemaContext) -> Any:
    """A validated tree, with defaults in it, that has one collector."""
    with Tree(schema) as tree:
        apply(tree, flow_export(whole_collector("a", "<port>99</port>")))
        tree.validate()
        yield tree


def data(tree: Tree) -> Any:
    return json.loads(tree.print(Format.JSON) or b"{}")


def entry(tree: Tree) -> Any:
    return data(tree)["flow-export:flow-export"]["collector"][0]


def refused(
    tree: Tree, xml: str, default: Operation = Operation.MERGE
) -> list[tuple[str, str, str]]:
    """Have edits refused, see that nothing was done, and give the faults."""
    before = tree.print(Format.JSON)
    with pytest.raises(ManagementError) as error:
        apply(tree, xml, default)
    assert tree.print(Format.JSON) == before
    return shown(error.value.faults)


def changes(tree: Tree, xml: str, default: Operation = Operation.MERGE) -> list[Change]:
    plan = plan_edits(tree, edits(tree.schema, xml), default)
    assert not plan.faults
    make(tree, plan)
    return plan.changes


def on_port(operation: str, value: str = "") -> str:
    return flow_export(collector("a", f'<port nc:operation="{operation}">{value}</port>'))


def on_entry(operation: str, name: str = "a", leaves: str = "") -> str:
    return flow_export(collector(name, leaves, f'nc:operation="{operation}"'))


# -- one operation each


def test_merge(tree: Tree) -> None:
    apply(tree, flow_export(collector("a", "<dscp>8</dscp><port>100</port>")))
    assert (entry(tree)["dscp"], entry(tree)["port"]) == (8, 100)


def test_create(tree: Tree) -> None:
    apply(tree, on_entry("create", "b", "<port>1</port>"))
    assert [e["name"] for e in data(tree)["flow-export:flow-export"]["collector"]] == ["a", "b"]
    assert refused(tree, on_entry("create")) == [("data-exists", "", A)]
    assert refused(tree, on_port("create", "1")) == [("data-exists", "", f"{A}/fe:port")]


def test_a_default_may_be_created(tree: Tree) -> None:
    xml = flow_export(collector("a", '<dscp nc:operation="create">0</dscp>'))
    apply(tree, xml)
    assert entry(tree)["dscp"] == 0
    assert refused(tree, xml) == [("data-exists", "", f"{A}/fe:dscp")]


@pytest.mark.parametrize("operation", ["delete", "remove"])
def test_delete_what_is_there(tree: Tree, operation: str) -> None:
    apply(tree, on_port(operation))
    assert "port" not in entry(tree)
    apply(tree, on_entry(operation))
    assert data(tree) == {"flow-export:flow-export": {}}


def test_delete_what_is_not_there(tree: Tree) -> None:
    assert refused(tree, on_entry("delete", "b")) == [("data-missing", "", A.replace("'a'", "'b'"))]
    default = flow_export(collector("a", '<dscp nc:operation="delete"/>'))
    assert refused(tree, default) == [("data-missing", "", f"{A}/fe:dscp")]
    assert refused(tree, server("<http nc:operation='delete'/>")) == [
        ("data-missing", "", "/fxs:server/fxs:http")
    ]


def test_remove_what_is_not_there(tree: Tree) -> None:
    before = data(tree)
    apply(tree, on_entry("remove", "b"))
    apply(tree, flow_export(collector("a", '<dscp nc:operation="remove"/>')))
    assert data(tree) == before


def test_delete_in_what_the_edit_creates(tree: Tree) -> None:
    xml = flow_export(collector("b", '<port nc:operation="delete"/>'))
    assert refused(tree, xml) == [("data-missing", "", A.replace("'a'", "'b'") + "/fe:port")]
    apply(tree, xml.replace("delete", "remove"))


def test_replace(tree: Tree) -> None:
    apply(tree, on_entry("replace", leaves="<address>::1</address><dscp>1</dscp>"))
    assert entry(tree) == {"name": "a", "address": "::1", "dscp": 1}
    apply(tree, on_port("replace", "7"))
    assert entry(tree)["port"] == 7
    apply(tree, flow_export(collector("b"), attributes='nc:operation="replace"'))
    assert data(tree) == {"flow-export:flow-export": {"collector": [{"name": "b"}]}}


def test_children_inherit_operations(tree: Tree) -> None:
    xml = flow_export(
        collector("a", "<dscp>1</dscp>"), collector("b"), attributes='nc:operation="create"'
    )
    assert refused(tree, xml) == [("data-exists", "", "/fe:flow-export")]
    apply(tree, flow_export(attributes='nc:operation="delete"'))
    apply(tree, xml)
    assert len(data(tree)["flow-export:flow-export"]["collector"]) == 2


# -- default operations


def test_none_leads_through_what_exists(tree: Tree) -> None:
    apply(tree, on_port("replace", "7"), Operation.NONE)
    assert entry(tree)["port"] == 7
    apply(tree, flow_export(collector("a", "<port>8</port>")), Operation.NONE)
    assert entry(tree)["port"] == 7


def test_none_refuses_what_does_not_exist(tree: Tree) -> None:
    b = A.replace("'a'", "'b'")
    assert refused(tree, flow_export(collector("b")), Operation.NONE) == [("data-missing", "", b)]
    leaf = flow_export(collector("a", "<dscp>1</dscp>"))
    assert refused(tree, leaf, Operation.NONE) == [("data-missing", "", f"{A}/fe:dscp")]


def test_none_passes_containers_that_mean_nothing(schema: SchemaContext) -> None:
    with Tree(schema) as tree:
        xml = server("<http><port nc:operation='create'>1</port></http>")
        apply(tree, xml, Operation.NONE)
        assert data(tree) == {"flow-export-server:server": {"http": {"port": 1}}}


def test_replace_as_default_replaces_each_top_node(tree: Tree) -> None:
    apply(tree, server("<http><port>1</port></http>"))
    apply(tree, flow_export(collector("c")), Operation.REPLACE)
    assert data(tree) == {
        "flow-export:flow-export": {"collector": [{"name": "c"}]},
        "flow-export-server:server": {"http": {"port": 1}},
    }


def test_a_whole_configuration_replaces_everything(tree: Tree) -> None:
    apply(tree, server("<http><port>1</port></http>"))
    plan = plan_whole(tree, edits(tree.schema, flow_export(collector("c")), operations=False))
    assert not plan.faults
    make(tree, plan)
    assert data(tree) == {"flow-export:flow-export": {"collector": [{"name": "c"}]}}


# -- lists ordered by the user


def order(tree: Tree) -> list[str]:
    return [step["name"] for step in data(tree)["kinds:order"]["step"]]


def step(name: str, attributes: str = "") -> str:
    return f"<step {attributes}><name>{name}</name></step>"


def beside(where: str, anchor: str) -> str:
    return f'yang:insert="{where}" yang:key="[k:name=\'{anchor}\']"'


@pytest.fixture
def steps(schema: SchemaContext) -> Any:
    with Tree(schema) as tree:
        apply(tree, kinds("order", step("a") + step("b") + step("c")))
        yield tree


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        (step("d"), "abcd"),
        (step("d", 'yang:insert="first"'), "dabc"),
        (step("a", 'yang:insert="last"'), "bca"),
        (step("c", 'yang:insert="first"'), "cab"),
        (step("a"), "abc"),
        (step("d", beside("before", "b")), "adbc"),
        (step("a", beside("after", "c")), "bca"),
        (step("d", beside("after", "a")) + step("e", beside("before", "d")), "aedbc"),
        (step("c", 'nc:operation="delete"') + step("d"), "abd"),
    ],
)
def test_insertion(steps: Tree, xml: str, expected: str) -> None:
    apply(steps, kinds("order", xml))
    assert "".join(order(steps)) == expected


@pytest.mark.parametrize(
    "xml",
    [
        step("d", beside("after", "x")),
        step("a", beside("after", "a")),
        step("b", 'nc:operation="delete"') + step("d", beside("after", "b")),
        step("d", beside("after", "e")) + step("e"),
    ],
)
def test_an_anchor_must_exist(steps: Tree, xml: str) -> None:
    ((tag, app_tag, _),) = refused(steps, kinds("order", xml))
    assert (tag, app_tag) == ("bad-attribute", "missing-instance")


def test_leaf_lists_are_ordered_too(steps: Tree) -> None:
    apply(steps, kinds("order", "<word>x</word><word>y</word>"))
    apply(steps, kinds("order", '<word yang:insert="before" yang:value="y">z</word>'))
    assert data(steps)["kinds:order"]["word"] == ["x", "z", "y"]


def test_replacing_gives_the_order_of_the_edit(steps: Tree) -> None:
    xml = step("d") + step("c") + step("a")
    apply(steps, kinds("order", xml, 'nc:operation="replace"'))
    assert order(steps) == ["d", "c", "a"]
    assert changes(steps, kinds("order", xml, 'nc:operation="replace"')) == []


# -- choices


def test_another_case_goes_when_one_comes(schema: SchemaContext) -> None:
    with Tree(schema) as tree:
        apply(tree, kinds("box", "<label>x</label><paper>a</paper><paper>b</paper>"))
        apply(tree, kinds("box", "<metal><alloy>brass</alloy></metal>"))
        assert data(tree)["kinds:box"] == {"label": "x", "metal": {"alloy": "brass"}}
        apply(tree, kinds("box", "<wood>oak</wood>", 'nc:operation="replace"'))
        assert data(tree)["kinds:box"] == {"wood": "oak"}
        apply(tree, kinds("box", '<wood nc:operation="delete"/><paper>c</paper>'))
        assert data(tree)["kinds:box"] == {"paper": ["c"]}


def test_nested_choices(schema: SchemaContext) -> None:
    def way(inside: str) -> str:
        return kinds("rules", f"<alternative>{inside}</alternative>")

    with Tree(schema) as tree:
        apply(tree, way("<volts>5</volts><operator>x</operator>"))
        apply(tree, way("<steam/>"))
        assert data(tree)["kinds:rules"]["alternative"] == {"steam": [None], "operator": "x"}
        apply(tree, way("<lanes>2</lanes>"))
        assert data(tree)["kinds:rules"]["alternative"] == {"lanes": 2}


# -- what else


def test_all_faults_are_found_and_nothing_is_done(tree: Tree) -> None:
    xml = flow_export(
        collector("a", '<port nc:operation="create">1</port><dscp nc:operation="delete"/>'),
        collector("b", attributes='nc:operation="delete"'),
        collector("c"),
    )
    assert refused(tree, xml) == [
        ("data-exists", "", f"{A}/fe:port"),
        ("data-missing", "", f"{A}/fe:dscp"),
        ("data-missing", "", A.replace("'a'", "'b'")),
    ]


def told(
    tree: Tree, xml: str, default: Operation = Operation.MERGE
) -> list[tuple[Kind, str, str, int]]:
    return [(c.kind, c.path, c.schema_path, c.nodes) for c in changes(tree, xml, default)]


def test_changes_name_the_subtrees(tree: Tree) -> None:
    b = A.replace("'a'", "'b'")
    assert told(tree, flow_export(whole_collector("b", "<port>1</port>"))) == [
        (Kind.CREATED, b, "/flow-export/collector", 4)
    ]
    assert told(tree, flow_export(collector("b", "<port>2</port><dscp>1</dscp>"))) == [
        (Kind.CHANGED, f"{b}/fe:port", "/flow-export/collector/port", 1),
        (Kind.CREATED, f"{b}/fe:dscp", "/flow-export/collector/dscp", 1),
    ]
    assert told(tree, flow_export(collector("b", "<port>2</port>"))) == []
    assert told(tree, on_entry("delete", "b")) == [(Kind.DELETED, b, "/flow-export/collector", 5)]
    assert told(tree, server("<http/>")) == []


@pytest.mark.parametrize("name", ["it's", 'say "x"', "both ' and \"", "a]b", "[x='y']", "ä/ö"])
def test_keys_may_hold_anything(tree: Tree, name: str) -> None:
    escaped = name.replace("&", "&amp;").replace('"', "&quot;")
    apply(tree, flow_export(collector(escaped, "<port>1</port>")))
    apply(tree, flow_export(collector(escaped, "<port>2</port>")))
    assert data(tree)["flow-export:flow-export"]["collector"][1] == {"name": name, "port": 2}
    apply(tree, flow_export(collector(escaped, attributes='nc:operation="delete"')))
    assert len(data(tree)["flow-export:flow-export"]["collector"]) == 1
