"""Values of every type, from data to each encoding and back."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from tests.support.edits import KINDS
from tests.support.gnmi import value_of

from flowexport_mgmt.north.gnmi.messages import Encoding, TypedValue
from flowexport_mgmt.north.gnmi.status import RpcError
from flowexport_mgmt.north.gnmi.typed import read_value
from flowexport_mgmt.north.gnmi.values import encode_json, encode_leaf, set_leaf
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.nodes import SchemaNode

BINARY = """module binary {
  namespace "urn:test:binary";
  prefix b;
  leaf octets {
    type binary;
  }
}"""


@cache
def kinds() -> SchemaContext:
    return SchemaContext([KINDS, BINARY])


def leaf(name: str) -> SchemaNode:
    if name == "octets":
        return kinds().top_by_json_name["binary:octets"]
    return kinds().top_by_json_name["kinds:values"].by_json_name[name]


# the leaf, its value as RFC 7951 has it, its value in JSON, and its field and value in PROTO
VALUES: list[tuple[str, Any, Any, str, Any]] = [
    ("small", -7, -7, "int_val", -7),
    ("long", str(2**64 - 1), 2**64 - 1, "uint_val", 2**64 - 1),
    ("decimal", "-1.25", -1.25, "double_val", -1.25),
    ("flag", [None], [None], "bool_val", True),
    ("on", True, True, "bool_val", True),
    ("on", False, False, "bool_val", False),
    ("text", "täxt", "täxt", "string_val", "täxt"),
    ("colour", "light blue", "light blue", "string_val", "light blue"),
    ("shape", "kinds:circle", "circle", "string_val", "kinds:circle"),
    ("either", 200, 200, "uint_val", 200),
    ("either", True, True, "bool_val", True),
    ("bits", "a b", "a b", "string_val", "a b"),
    ("octets", "AP8=", "AP8=", "bytes_val", b"\x00\xff"),
]


@pytest.mark.parametrize(("name", "ietf", "plain", "field", "proto"), VALUES)
def test_a_value_in_each_encoding(name: str, ietf: Any, plain: Any, field: str, proto: Any) -> None:
    node = leaf(name)
    assert value_of(encode_leaf(node, ietf, Encoding.JSON_IETF)) == ietf
    in_json = encode_leaf(node, ietf, Encoding.JSON)
    assert (in_json.WhichOneof("value"), value_of(in_json)) == ("json_val", plain)
    typed = encode_leaf(node, ietf, Encoding.PROTO)
    assert (typed.WhichOneof("value"), value_of(typed)) == (field, proto)
    for encoding in (Encoding.PROTO, Encoding.JSON, Encoding.JSON_IETF):
        again = TypedValue(string_val="of before")
        set_leaf(again, node, ietf, encoding)
        assert again == encode_leaf(node, ietf, encoding)


@pytest.mark.parametrize(("name", "ietf", "plain", "field", "proto"), VALUES)
def test_a_value_that_was_told_can_be_set(
    name: str, ietf: Any, plain: Any, field: str, proto: Any
) -> None:
    """In each encoding, though a 64-bit number of JSON is a number there."""
    node = leaf(name)
    assert read_value(node, TypedValue(json_ietf_val=json.dumps(ietf).encode())) == ietf
    if field != "double_val" and name != "long":
        assert read_value(node, TypedValue(json_val=json.dumps(plain).encode())) == ietf
    read = read_value(node, TypedValue(**{field: proto}))
    assert str(read) == str(ietf) or (field, read) == ("bool_val", ietf)


def test_a_leaf_list_is_a_list_of_scalars() -> None:
    node = leaf("number")
    typed = encode_leaf(node, [3, -4], Encoding.PROTO)
    assert [(one.WhichOneof("value"), one.int_val) for one in typed.leaflist_val.element] == [
        ("int_val", 3),
        ("int_val", -4),
    ]
    assert value_of(encode_leaf(node, [], Encoding.PROTO)) == []
    assert read_value(node, typed) == [3, -4]
    again = TypedValue()
    set_leaf(again, node, [3, -4], Encoding.PROTO)
    assert again == typed
    assert value_of(encode_json(node, [3, -4], Encoding.JSON)) == [3, -4]


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("shape", {"string_val": "circle"}, "kinds:circle"),
        ("shape", {"json_val": b'"circle"'}, "kinds:circle"),
        ("shape", {"json_ietf_val": b'"kinds:circle"'}, "kinds:circle"),
        ("interface-type", {"string_val": "softwareLoopback"}, "iana-if-type:softwareLoopback"),
        ("shape", {"string_val": "square"}, "square"),  # left to be refused
        ("text", {"string_val": "circle"}, "circle"),
        ("decimal", {"float_val": 1.5}, "1.5"),
        ("decimal", {"decimal_val": {"digits": -125, "precision": 2}}, "-1.25"),
    ],
)
def test_other_ways_to_write_a_value(name: str, given: Any, expected: Any) -> None:
    assert read_value(leaf(name), TypedValue(**given)) == expected


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("long", {"string_val": "1"}),
        ("on", {"string_val": "true"}),
        ("flag", {"bool_val": False}),
        ("text", {"uint_val": 1}),
        ("text", {"bytes_val": b"x"}),
        ("small", {"double_val": 1.0}),
        ("decimal", {"double_val": float("nan")}),
        ("decimal", {"decimal_val": {"digits": 1, "precision": 19}}),
        ("small", {"leaflist_val": {"element": [{"int_val": 1}]}}),
        ("number", {"leaflist_val": {"element": [{}]}}),
        ("number", {"leaflist_val": {"element": [{"json_val": b"1"}]}}),
        ("small", {}),
    ],
)
def test_what_is_no_value_of_a_leaf(name: str, given: Any) -> None:
    with pytest.raises(RpcError) as refused:
        read_value(leaf(name), TypedValue(**given))
    assert refused.value.code.name == "INVALID_ARGUMENT"
