"""A world of namespaces for every module; nothing here runs without root."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from interop.daemon import Daemon, daemon
from interop.namespaces import Link, link


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder as needing root."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.root)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fx")


@pytest.fixture(scope="module")
def pair() -> Iterator[Link]:
    with link() as made:
        yield made


@pytest.fixture(scope="module")
def exporter(pair: Link, folder: Path) -> Iterator[Daemon]:
    with daemon(pair.near, folder) as made:
        yield made
