"""The tests that the reference of NETCONF names are there, and each rule is on the page once."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "netconf.md"
ROW = re.compile(
    r"^\| (?P<rule>.+?) \| `(?P<file>tests/[\w/]+\.py)::(?P<test>\w+)` \|$", re.MULTILINE
)
ROWS = [(m["rule"], m["file"], m["test"]) for m in ROW.finditer(PAGE.read_text())]


@cache
def _tests_of(file: str) -> frozenset[str]:
    """Give the names of the test functions of a file."""
    tree = ast.parse((ROOT / file).read_text())
    functions = (n for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(n.name for n in functions if n.name.startswith("test_"))


def test_the_table_is_read_whole() -> None:
    after = PAGE.read_text().partition("| rule | test |")[2]
    assert len(ROWS) == after.count("\n| ")
    assert len({rule for rule, _, _ in ROWS}) == len(ROWS)


@pytest.mark.parametrize(("file", "test"), [(file, test) for _, file, test in ROWS])
def test_the_test_of_a_rule_is_there(file: str, test: str) -> None:
    assert test in _tests_of(file)
