from __future__ import annotations

import pytest
from tests.support.edits import (
    collector,
    edits,
    faults_of,
    flow_export,
    kinds,
    server,
    shown,
    whole_collector,
)

from flowexport_mgmt.errors import Fault
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.edits import EditNode, Insertion, Operation, Where
from flowexport_mgmt.schema.findings import LIMIT

A = "/fe:flow-export/fe:collector[fe:name='a']"


def only(faults: tuple[Fault, ...]) -> Fault:
    (fault,) = faults
    return fault


def leaf(schema: SchemaContext, xml: str) -> EditNode:
    """Parse a container of values with one leaf in it."""
    ((node,),) = (edit.children for edit in edits(schema, kinds("values", xml)))
    return node


# -- what is right

_IANA = 'xmlns:t="urn:ietf:params:xml:ns:yang:iana-if-type"'


def test_an_entry_has_its_keys_apart_from_its_leaves(schema: SchemaContext) -> None:
    (top,) = edits(schema, flow_export(collector("a", "<port>99</port>")))
    (entry,) = top.children
    assert (entry.path, entry.keys) == (A, ("a",))
    assert [(node.schema.name, node.value, node.path) for node in entry.children] == [
        ("port", "99", f"{A}/fe:port")
    ]


def test_keys_may_come_last(schema: SchemaContext) -> None:
    xml = kinds("rules", "<pair><needed>1</needed><right>2</right><left>x</left></pair>")
    ((entry,),) = (edit.children for edit in edits(schema, xml))
    assert entry.keys == ("x", "2")
    assert entry.path == "/k:rules/k:pair[k:left='x'][k:right='2']"


@pytest.mark.parametrize("operation", ["merge", "replace", "create", "delete", "remove"])
def test_operations(schema: SchemaContext, operation: str) -> None:
    xml = flow_export(collector("a", attributes=f'nc:operation="{operation}"'))
    ((entry,),) = (edit.children for edit in edits(schema, xml))
    assert entry.operation is Operation(operation)


def test_a_leaf_to_delete_needs_no_value(schema: SchemaContext) -> None:
    xml = collector("a", '<port nc:operation="delete"/><address nc:operation="remove"/>')
    ((entry,),) = (edit.children for edit in edits(schema, flow_export(xml)))
    assert [(node.operation, node.value) for node in entry.children] == [
        (Operation.DELETE, None),
        (Operation.REMOVE, None),
    ]


def test_leaves_below_a_deleted_entry_need_no_value(schema: SchemaContext) -> None:
    xml = collector("a", "<port/>", 'nc:operation="delete"')
    ((entry,),) = (edit.children for edit in edits(schema, flow_export(xml)))
    assert entry.children[0].value is None


def test_comments_say_nothing(schema: SchemaContext) -> None:
    xml = "<!-- one --><small>4<!-- not forty-two -->2</small><?and that?>"
    fault = only(faults_of(schema, kinds("values", xml)))
    assert fault.message == "between one and ten"
    assert leaf(schema, "<small><!-- four -->4</small>").value == "4"


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("<small> +07\n</small>", "7"),
        ("<long>18446744073709551615</long>", "18446744073709551615"),
        ("<decimal>1.50</decimal>", "1.5"),
        ("<flag/>", ""),
        ("<on>\n true\n</on>", "true"),
        ("<text> as it is </text>", " as it is "),
        ("<text/>", ""),
        ("<word> abc </word>", "abc"),
        ("<colour>light blue</colour>", "light blue"),
        ("<shape>k:circle</shape>", "kinds:circle"),
        ("<shape>circle</shape>", "kinds:circle"),
        (
            f"<interface-type {_IANA}>t:ethernetCsmacd</interface-type>",
            "iana-if-type:ethernetCsmacd",
        ),
        ("<place>/k:values/k:small</place>", "/kinds:values/small"),
        ("<either>true</either>", "true"),
        ("<bits>b a</bits>", "a b"),
        ("<number>-5</number>", "-5"),
    ],
)
def test_values_become_canonical(schema: SchemaContext, given: str, canonical: str) -> None:
    assert leaf(schema, given).value == canonical


def test_insertions(schema: SchemaContext) -> None:
    xml = kinds(
        "order",
        '<step yang:insert="first"><name>a</name></step>'
        '<step yang:insert="last"><name>b</name></step>'
        '<step yang:insert="before" yang:key="[k:name=\'x\']"><name>c</name></step>'
        '<word yang:insert="after" yang:value="x">d</word>',
    )
    (top,) = edits(schema, xml)
    assert [node.insertion for node in top.children] == [
        Insertion(Where.FIRST),
        Insertion(Where.LAST),
        Insertion(Where.BEFORE, ("x",)),
        Insertion(Where.AFTER, ("x",)),
    ]


# -- what is wrong


@pytest.mark.parametrize(
    ("xml", "expected", "info"),
    [
        (
            flow_export("<nonsense/>"),
            ("unknown-element", "", "/fe:flow-export"),
            {"bad-element": "nonsense"},
        ),
        (
            '<nonsense xmlns="urn:nobody"/>',
            ("unknown-namespace", "", ""),
            {"bad-element": "nonsense", "bad-namespace": "urn:nobody"},
        ),
        (
            '<nonsense xmlns=""/>',
            ("unknown-namespace", "", ""),
            {"bad-element": "nonsense", "bad-namespace": ""},
        ),
        ("<flow-export/>", ("unknown-element", "", ""), {"bad-element": "flow-export"}),
        (
            flow_export("<collector><port>1</port></collector>"),
            ("missing-element", "", "/fe:flow-export/fe:collector"),
            {"bad-element": "name"},
        ),
        (
            kinds("rules", "<pair><left>x</left></pair>"),
            ("missing-element", "", "/k:rules/k:pair"),
            {"bad-element": "right"},
        ),
        (
            flow_export(collector("a", "<port>0</port>")),
            ("invalid-value", "", f"{A}/fe:port"),
            {},
        ),
        (
            flow_export(collector("a", "<port/>")),
            ("invalid-value", "", f"{A}/fe:port"),
            {},
        ),
        (
            flow_export(collector("x" * 65)),
            ("invalid-value", "", "/fe:flow-export/fe:collector/fe:name"),
            {},
        ),
        (
            kinds("values", "<small>11</small>"),
            ("invalid-value", "not-small", "/k:values/k:small"),
            {},
        ),
        (
            kinds("values", "<shape>nobody:circle</shape>"),
            ("invalid-value", "", "/k:values/k:shape"),
            {},
        ),
        (kinds("values", "<place>here</place>"), ("invalid-value", "", "/k:values/k:place"), {}),
        (
            kinds("values", "<small>1<sub/></small>"),
            ("unknown-element", "", "/k:values/k:small"),
            {"bad-element": "sub"},
        ),
        (
            flow_export(collector("a", "<statistics><errors>1</errors></statistics>")),
            ("unknown-element", "", f"{A}/fe:statistics"),
            {"bad-element": "statistics"},
        ),
        (
            '<interfaces xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces"/>',
            ("unknown-element", "", "/if:interfaces"),
            {"bad-element": "interfaces"},
        ),
        (kinds("something", ""), ("unknown-element", "", ""), {"bad-element": "something"}),
        (
            kinds("values", "<blob><x xmlns='urn:x'/></blob>"),
            ("operation-not-supported", "", "/k:values/k:blob"),
            {},
        ),
        (
            flow_export("words", collector("a")),
            ("bad-element", "", "/fe:flow-export"),
            {"bad-element": "flow-export"},
        ),
        (
            flow_export(collector("a", "<dscp>1</dscp><dscp>2</dscp>")),
            ("bad-element", "data-not-unique", f"{A}/fe:dscp"),
            {"bad-element": "dscp"},
        ),
        (
            flow_export(collector("a"), collector("a")),
            ("bad-element", "data-not-unique", A),
            {"bad-element": "collector"},
        ),
        (
            flow_export("<collector><name>a</name><name>b</name></collector>"),
            ("bad-element", "data-not-unique", "/fe:flow-export/fe:collector"),
            {"bad-element": "name"},
        ),
        (
            kinds("values", "<number>01</number><number>1</number>"),
            ("bad-element", "data-not-unique", "/k:values/k:number[.='1']"),
            {"bad-element": "number"},
        ),
        (
            server("<http/><http/>"),
            ("bad-element", "data-not-unique", "/fxs:server/fxs:http"),
            {"bad-element": "http"},
        ),
        (
            kinds("box", "<wood>oak</wood><metal/>"),
            ("bad-element", "", "/k:box/k:metal"),
            {"bad-element": "metal"},
        ),
    ],
)
def test_faults_of_elements(
    schema: SchemaContext, xml: str, expected: tuple[str, str, str], info: dict[str, str]
) -> None:
    fault = only(faults_of(schema, xml))
    assert shown([fault]) == [expected]
    assert dict(fault.info) == info
    assert fault.message


_NIL = 'xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="1"'


@pytest.mark.parametrize(
    ("xml", "tag", "path", "blamed"),
    [
        (collector("a", attributes='nc:operation="x"'), "bad-attribute", A, "operation"),
        (collector("a", attributes='nc:operation="none"'), "bad-attribute", A, "operation"),
        (collector("a", attributes='yang:insert="first"'), "unknown-attribute", A, "insert"),
        (
            collector("a", '<port nc:operation="">1</port>'),
            "bad-attribute",
            f"{A}/fe:port",
            "operation",
        ),
        (
            collector("a", '<port operation="merge">1</port>'),
            "unknown-attribute",
            f"{A}/fe:port",
            "operation",
        ),
        (
            collector("a", f"<port {_NIL}>1</port>"),
            "unknown-attribute",
            f"{A}/fe:port",
            "nil",
        ),
        (
            '<collector><name nc:operation="delete">a</name></collector>',
            "bad-attribute",
            A,
            "operation",
        ),
        (
            collector("a", '<port nc:operation="create">1</port>', 'nc:operation="delete"'),
            "bad-attribute",
            f"{A}/fe:port",
            "operation",
        ),
    ],
)
def test_faults_of_attributes(
    schema: SchemaContext, xml: str, tag: str, path: str, blamed: str
) -> None:
    fault = only(faults_of(schema, flow_export(xml)))
    assert shown([fault]) == [(tag, "", path)]
    assert fault.info["bad-attribute"] == blamed
    assert fault.info["bad-element"] in xml


def test_a_key_may_repeat_the_operation_of_its_entry(schema: SchemaContext) -> None:
    xml = '<collector nc:operation="create"><name nc:operation="create">a</name></collector>'
    assert len(edits(schema, flow_export(xml))) == 1


@pytest.mark.parametrize(
    ("attributes", "tag", "attribute"),
    [
        ('yang:insert="middle"', "bad-attribute", "insert"),
        ('yang:insert="before"', "missing-attribute", "key"),
        ('yang:insert="before" yang:key="[k:note=\'x\']"', "bad-attribute", "key"),
        ('yang:insert="before" yang:key="x"', "bad-attribute", "key"),
        ('yang:key="x"', "bad-attribute", "insert"),
    ],
)
def test_faults_of_insertions(
    schema: SchemaContext, attributes: str, tag: str, attribute: str
) -> None:
    xml = kinds("order", f"<step {attributes}><name>a</name></step>")
    fault = only(faults_of(schema, xml))
    assert shown([fault]) == [(tag, "", "/k:order/k:step[k:name='a']")]
    assert fault.info["bad-attribute"] == attribute


def test_a_whole_configuration_has_no_operations(schema: SchemaContext) -> None:
    xml = flow_export(collector("a", attributes='nc:operation="create"'))
    fault = only(faults_of(schema, xml, operations=False))
    assert shown([fault]) == [("unknown-attribute", "", A)]


def test_one_case_may_be_deleted_and_another_created(schema: SchemaContext) -> None:
    assert edits(schema, kinds("box", '<wood nc:operation="delete"/><metal/>'))


def test_all_faults_are_found_at_once(schema: SchemaContext) -> None:
    xml = flow_export(
        whole_collector("a", "<port>0</port><dscp>64</dscp><nonsense/>"),
        "<collector/>",
        attributes='wrong="1"',
    ) + server("<http><port>x</port></http>")
    assert shown(faults_of(schema, xml)) == [
        ("unknown-attribute", "", "/fe:flow-export"),
        ("invalid-value", "", f"{A}/fe:port"),
        ("invalid-value", "", f"{A}/fe:dscp"),
        ("unknown-element", "", A),
        ("missing-element", "", "/fe:flow-export/fe:collector"),
        ("invalid-value", "", "/fxs:server/fxs:http/fxs:port"),
    ]


def test_the_faults_of_a_request_are_bounded(schema: SchemaContext) -> None:
    faults = faults_of(schema, flow_export("<x/>" * (LIMIT + 5)))
    assert len(faults) == LIMIT + 1
    assert faults[-1].message == "5 further faults are not listed"
