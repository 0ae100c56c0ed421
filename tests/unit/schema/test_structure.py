from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.edits import shown

from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.library import LibraryError
from flowexport_mgmt.schema.structure import find_shortages
from flowexport_mgmt.schema.tree import Format, Tree

SEVERAL = "/k:rules/k:several"
WAY = "/k:rules/k:alternative"
MISSING = ("data-missing", "missing-mandatory")
TOO_FEW = ("operation-failed", "too-few-elements")
NO_CHOICE = ("data-missing", "missing-choice")


def shortages(schema: SchemaContext, rules: Any) -> list[tuple[str, str, str]]:
    with Tree.parse(schema, json.dumps({"kinds:rules": rules}).encode(), Format.JSON) as tree:
        return shown(shortage.fault for shortage in find_shortages(tree))


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({}, []),
        (
            {"pair": [{"left": "a", "right": 1}, {"left": "b", "right": 1}]},
            [
                (*MISSING, "/k:rules/k:pair[k:left='a'][k:right='1']/k:needed"),
                (*MISSING, "/k:rules/k:pair[k:left='b'][k:right='1']/k:needed"),
            ],
        ),
        (
            {"pair": [{"left": str(n), "right": 1, "needed": 1} for n in range(5)]},
            [("operation-failed", "too-many-elements", "/k:rules/k:pair")],
        ),
        ({"several": {}}, [(*TOO_FEW, f"{SEVERAL}/k:two"), (*TOO_FEW, f"{SEVERAL}/k:one")]),
        ({"several": {"two": [1], "one": [{"id": 1}]}}, [(*TOO_FEW, f"{SEVERAL}/k:two")]),
        ({"several": {"two": [1, 2], "one": [{"id": 1}]}}, []),
        ({"alternative": {}}, [(*NO_CHOICE, WAY)]),
        ({"alternative": {"lanes": 2}}, []),
        (
            {"alternative": {"track": {}}},
            [(*MISSING, f"{WAY}/k:operator"), (*NO_CHOICE, WAY)],
        ),
        ({"alternative": {"volts": 5}}, [(*MISSING, f"{WAY}/k:operator")]),
        ({"alternative": {"volts": 5, "operator": "x"}}, []),
    ],
)
def test_shortages(schema: SchemaContext, rules: Any, expected: list[tuple[str, str, str]]) -> None:
    assert shortages(schema, rules) == expected


def test_the_library_agrees(schema: SchemaContext) -> None:
    """Whatever has a shortage is refused by the library, and the other way round."""
    for rules in (
        {"several": {"two": [1, 2], "one": [{"id": 1}]}},
        {"alternative": {"steam": [None], "operator": "x"}},
        {"alternative": {"steam": [None]}},
        {"several": {"two": [1]}},
    ):
        with Tree.parse(schema, json.dumps({"kinds:rules": rules}).encode(), Format.JSON) as tree:
            found = list(find_shortages(tree))
            try:
                tree.validate()
                assert not found
            except LibraryError:
                assert found
