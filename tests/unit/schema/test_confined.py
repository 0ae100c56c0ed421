from __future__ import annotations

import pytest

from flowexport_mgmt.schema.confined import confined_lists
from flowexport_mgmt.schema.context import SchemaContext

_MODULE = """
module island {{
  yang-version 1.1;
  namespace "urn:test:island";
  prefix i;
  container all {{
    leaf outside {{ type string; }}
    {around}
    list entry {{
      key "name";
      {at_entry}
      leaf name {{ type string; }}
      leaf kind {{ type string; }}
      container box {{
        leaf deep {{ type string; {at_leaf} }}
      }}
    }}
  }}
}}
"""


def is_confined(around: str = "", at_entry: str = "", at_leaf: str = "") -> bool:
    text = _MODULE.format(around=around, at_entry=at_entry, at_leaf=at_leaf)
    schema = SchemaContext([text], modules=())
    found = [node.schema_path for node in confined_lists(schema.top_nodes.values())]
    schema.destroy()
    assert found in ([], ["/all/entry"])
    return bool(found)


@pytest.mark.parametrize(
    "statement",
    [
        "",
        "when \"../../kind = 'x'\";",
        "must \"../../kind = 'a/b' or not(../../name) or . = 'x'\";",
        'must "count(../../box/deep) > 0 and (../../kind)";',
        "must \"string-length(.) < 5 and ../../kind != concat('..', 'x')\";",
    ],
)
def test_what_looks_into_its_own_entry_alone(statement: str) -> None:
    assert is_confined(at_leaf=statement)


@pytest.mark.parametrize(
    "statement",
    [
        "must \"../../../outside = 'x'\";",
        "when \"../../../outside = 'x'\";",
        "must \"/i:all/i:outside = 'x'\";",
        "must \"../../../entry[name = 'x']\";",
        "must \"//outside = 'x'\";",
        "must \"ancestor::all/outside = 'x'\";",
        "must \"preceding-sibling::* = 'x'\";",
        "must \"current()/../../../outside = 'x'\";",
        'must "position() = 1";',
        "must \"../.. = 'x'\";",
    ],
)
def test_what_looks_out_of_its_entry(statement: str) -> None:
    assert not is_confined(at_leaf=statement)


@pytest.mark.parametrize(
    "statement",
    ['unique "kind";', "max-elements 3;", "min-elements 1;", "when \"outside = 'x'\";"],
)
def test_what_concerns_the_list_as_such(statement: str) -> None:
    assert not is_confined(at_entry=statement)


def test_a_condition_of_the_entry_itself() -> None:
    assert is_confined(at_entry="must \"kind = 'x' or box/deep\";")
    assert not is_confined(at_entry="must \"../outside = 'x'\";")


@pytest.mark.parametrize(
    "statement",
    [
        'leaf other { type leafref { path "../entry/name"; } }',
        'leaf other { type union { type leafref { path "/i:all/i:entry/i:name"; } type int8; } }',
        "leaf other { type instance-identifier; }",
        'leaf other { type string; must "count(../entry) > 0"; }',
        "leaf other { type string; must \"../*/kind = 'x'\"; }",
        "leaf other { type string; must \"..//kind = 'x'\"; }",
        'leaf other { type string; must "following-sibling::entry"; }',
        "leaf other { type string; must \"contains(.., 'x')\"; }",
        "must \"contains(., 'x')\";",
        "must \"entry/kind = 'x'\";",
        "container other { when \"../entry/kind = 'x'\"; }",
        "choice way { case one { when \"entry/kind = 'x'\"; leaf other { type string; } } }",
    ],
)
def test_what_looks_into_entries_from_outside(statement: str) -> None:
    assert not is_confined(around=statement)


@pytest.mark.parametrize(
    "statement",
    [
        'leaf other { type leafref { path "../outside"; } }',
        "leaf other { type instance-identifier { require-instance false; } }",
        "leaf other { type string; must \"../outside = 'entry' and . != 'x'\"; }",
        "must \"not(outside) or outside = '*'\";",
    ],
)
def test_what_outside_does_not_concern_entries(statement: str) -> None:
    assert is_confined(around=statement)


def test_the_lists_of_the_daemon() -> None:
    schema = SchemaContext()
    found = {node.schema_path for node in schema.confined_lists}
    schema.destroy()
    assert {"/flow-export/collector", "/simulation/device-group", "/server/user"} <= found
    assert "/server/netconf/call-home" not in found  # it needs the certificate of the server
