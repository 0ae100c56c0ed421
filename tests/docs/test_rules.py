"""The tests that pages name are there, and each rule is on its page once."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "docs/reference/netconf.md",
    "docs/reference/gnmi.md",
    "docs/explanation/faults.md",
    "SECURITY.md",
)
TABLE = re.compile(r"^\|.* test \|\n\|[-|]+\|\n(?P<rows>(?:\|.*\n?)+)", re.MULTILINE)
ROW = re.compile(
    r"^\| (?P<rule>.+?) \| `(?P<file>tests/[\w/]+\.py)::(?P<test>\w+)` \|$", re.MULTILINE
)


def _rows(page: str) -> list[tuple[str, str, str]]:
    found = ROW.finditer((ROOT / page).read_text())
    return [(m["rule"], m["file"], m["test"]) for m in found]


ROWS = [row for page in PAGES for row in _rows(page)]


@cache
def _tests_of(file: str) -> frozenset[str]:
    """Give the names of the test functions of a file."""
    tree = ast.parse((ROOT / file).read_text())
    functions = (n for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(n.name for n in functions if n.name.startswith("test_"))


@pytest.mark.parametrize("page", PAGES)
def test_the_table_is_read_whole(page: str) -> None:
    tables = TABLE.finditer((ROOT / page).read_text())
    rows = _rows(page)
    assert len(rows) == sum(len(table["rows"].splitlines()) for table in tables) > 5
    assert len({rule for rule, _, _ in rows}) == len(rows)


@pytest.mark.parametrize(("file", "test"), [(file, test) for _, file, test in ROWS])
def test_the_test_of_a_rule_is_there(file: str, test: str) -> None:
    assert test in _tests_of(file)
