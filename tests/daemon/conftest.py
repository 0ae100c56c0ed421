from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.daemon import Collector, Daemon


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that has started, with an empty flow export."""
    with Daemon(tmp_path / "state") as daemon:
        daemon.wait_started()
        yield daemon


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector
