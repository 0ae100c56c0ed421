from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.edits import edits, kinds, shown

from flowexport_mgmt.datastore.engine import make, plan_whole
from flowexport_mgmt.errors import Fault, ManagementError
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.edits import EditNode
from flowexport_mgmt.schema.from_json import edits_from_json
from flowexport_mgmt.schema.tree import Format, Tree

COLLECTOR = "/fe:flow-export/fe:collector"


def read(schema: SchemaContext, document: Any) -> tuple[EditNode, ...]:
    return edits_from_json(schema, json.dumps(document).encode())


def faults_of(schema: SchemaContext, document: Any) -> tuple[Fault, ...]:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(ManagementError) as refused:
        edits_from_json(schema, data)
    return refused.value.faults


def collectors(*entries: Any) -> dict[str, Any]:
    return {"flow-export:flow-export": {"collector": list(entries)}}


def test_json_and_xml_give_the_same_edits(schema: SchemaContext) -> None:
    xml = kinds(
        "values",
        "<small>7</small><long>5</long><decimal>1.5</decimal><flag/><on>true</on>"
        "<shape>k:circle</shape><number>1</number><number>2</number><either>3</either>",
    ) + kinds("rules", "<pair><left>a</left><right>1</right><needed>1</needed></pair>")
    document = {
        "kinds:values": {
            "small": 7,
            "long": "5",
            "decimal": "1.50",
            "flag": [None],
            "on": True,
            "shape": "circle",
            "number": [1, 2],
            "either": 3,
        },
        "kinds:rules": {"kinds:pair": [{"left": "a", "kinds:right": 1, "needed": 1}]},
    }
    assert read(schema, document) == edits(schema, xml, operations=False)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"flow-export": {}}, ("unknown-element", "", "")),
        ({"nobody:x": {}}, ("unknown-namespace", "", "")),
        ({"flow-export:flow-export": []}, ("invalid-value", "", "/fe:flow-export")),
        ({"flow-export:flow-export": {"collector": {}}}, ("invalid-value", "", COLLECTOR)),
        (collectors("a"), ("invalid-value", "", COLLECTOR)),
        (collectors({"port": 1}), ("missing-element", "", COLLECTOR)),
        (collectors({"name": 7}), ("invalid-value", "", f"{COLLECTOR}/fe:name")),
        (
            collectors({"name": "a"}, {"name": "a"}),
            ("bad-element", "data-not-unique", f"{COLLECTOR}[fe:name='a']"),
        ),
        (
            collectors({"name": "a", "enabled": "true"}),
            ("invalid-value", "", f"{COLLECTOR}[fe:name='a']/fe:enabled"),
        ),
        (
            collectors({"name": "a", "port": True}),
            ("invalid-value", "", f"{COLLECTOR}[fe:name='a']/fe:port"),
        ),
        (
            collectors({"name": "a", "port": 1.5}),
            ("invalid-value", "", f"{COLLECTOR}[fe:name='a']/fe:port"),
        ),
        (
            collectors({"name": "a", "@port": {}}),
            ("unknown-attribute", "", f"{COLLECTOR}[fe:name='a']"),
        ),
        (
            collectors({"name": "a", "statistics": {}}),
            ("unknown-element", "", f"{COLLECTOR}[fe:name='a']/fe:statistics"),
        ),
        ({"kinds:values": {"blob": {}}}, ("operation-not-supported", "", "/k:values/k:blob")),
        ({"kinds:values": {"flag": True}}, ("invalid-value", "", "/k:values/k:flag")),
        ({"kinds:values": {"text": "a\0b"}}, ("invalid-value", "", "/k:values/k:text")),
        ({"kinds:values": {"text": None}}, ("invalid-value", "", "/k:values/k:text")),
        (b'{"kinds:values": {"text": "\\ud800"}}', ("invalid-value", "", "/k:values/k:text")),
        (
            b'{"kinds:values": {"text": "a", "text": "b"}}',
            ("bad-element", "data-not-unique", "/k:values/k:text"),
        ),
        (
            {"kinds:box": {"wood": "a", "paper": ["b"]}},
            ("bad-element", "", "/k:box/k:paper[.='b']"),
        ),
        (b"", ("malformed-message", "", "")),
        (b"[]", ("malformed-message", "", "")),
        (b"{", ("malformed-message", "", "")),
        (b"\xff", ("malformed-message", "", "")),
        (b'{"kinds:values": {"small": NaN}}', ("malformed-message", "", "")),
        (b"[" * 100_000, ("malformed-message", "", "")),
    ],
)  # fmt: skip
def test_faults(schema: SchemaContext, document: Any, expected: tuple[str, str, str]) -> None:
    assert shown(faults_of(schema, document)) == [expected]


def test_all_faults_are_found_at_once(schema: SchemaContext) -> None:
    faults = faults_of(
        schema,
        {**collectors({"name": "a", "port": 0, "nonsense": 1}, {}), "nobody:x": 1},
    )
    assert shown(faults) == [
        ("invalid-value", "", f"{COLLECTOR}[fe:name='a']/fe:port"),
        ("unknown-element", "", f"{COLLECTOR}[fe:name='a']"),
        ("missing-element", "", COLLECTOR),
        ("unknown-namespace", "", ""),
    ]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["kinds:values", "kinds:rules", "pair", "left", "right", "small", "flag", "text", "@x",
             "flow-export:flow-export", "collector", "name", "address", "number", "long", "x:y"]
        ),
        inner,
        max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip


@given(_json)
def test_any_json_is_accepted_or_refused_with_faults(schema: SchemaContext, document: Any) -> None:
    try:
        found = read(schema, document)
    except ManagementError:
        return
    with Tree(schema) as tree:
        plan = plan_whole(tree, found)
        assert not plan.faults
        make(tree, plan)
        with Tree.parse(schema, tree.print(Format.JSON), Format.JSON) as again:
            assert again.print(Format.JSON) == tree.print(Format.JSON)
