"""A server for each test, with collectors a and b and a user who may only read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.gnmi import Client, Server, collector, flow_export, running_server


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    more = flow_export(collector("a", 1), collector("b", 2))
    async with running_server(tmp_path, more=more) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Client:
    return server.client()
