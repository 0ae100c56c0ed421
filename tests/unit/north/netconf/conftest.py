from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.netconf_server import Server, running_server


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server with one user and no flow export."""
    async with running_server(tmp_path) as server:
        yield server
