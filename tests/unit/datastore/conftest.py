"""One schema context for all tests of the room: loading it takes longer than any of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.edits import KINDS

from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.tree import Tree


@pytest.fixture(scope="session")
def schema() -> SchemaContext:
    """All modules of the daemon and one with a node of every kind."""
    return SchemaContext([KINDS])


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """Every tree that a test makes is freed by its end."""
    before = Tree.alive
    yield
    assert Tree.alive == before
