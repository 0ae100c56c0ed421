"""The HTTP server on the real datastore."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.direct_broker import DirectBroker
from tests.support.netconf_server import HOST, schema
from tests.support.ports import free_port

from flowexport_mgmt.datastore import Datastore
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.model.flow_export import (
    CollectorState,
    CollectorStatistics,
    Counters,
    FlowExportState,
)
from flowexport_mgmt.north.http.door import HttpDoor

CONFIGURATION = """<config>
<flow-export xmlns="urn:flowexport:flow-export"><collector>
<name>a</name><address>192.0.2.1</address><protocol>ipfix</protocol></collector></flow-export>
<server xmlns="urn:flowexport:flow-export-server"><http><port>{port}</port></http></server>
</config>"""


class DataPlane:
    """What reports the state of flow export, told by the test what to report."""

    paths: Sequence[str] = ("/flow-export",)

    def __init__(self) -> None:
        self.collector = OperStatus.UP
        self.answers = True

    async def state(self, _: Sequence[str]) -> Mapping[str, FlowExportState]:
        if not self.answers:
            raise ConnectionError("the exporter is gone")
        statistics = CollectorStatistics(oper_status=self.collector, datagrams_sent=3)
        return {
            "flow-export:flow-export": FlowExportState(
                collector=(CollectorState(name="a", statistics=statistics),),
                counters=Counters(oper_status=OperStatus.UP, polls=1),
            )
        }


@dataclass(frozen=True)
class Site:
    datastore: Datastore
    data_plane: DataPlane
    port: int

    async def get(self, path: str, method: str = "GET") -> tuple[int, Mapping[str, str], str]:
        async with (
            aiohttp.ClientSession() as client,
            client.request(method, f"http://{HOST}:{self.port}{path}") as response,
        ):
            return response.status, response.headers, await response.text()


@asynccontextmanager
async def running_site(tmp_path: Path, lifetime: float = 15) -> AsyncIterator[Site]:
    port = free_port()
    init = tmp_path / "init.xml"
    init.write_text(CONFIGURATION.format(port=port))
    datastore, broker, data_plane = Datastore(schema(), tmp_path), DirectBroker(), DataPlane()
    datastore.load(init)
    HttpDoor(datastore, broker, lifetime=lifetime).register()
    datastore.register_state(data_plane)
    await datastore.start()
    yield Site(datastore, data_plane, port)
    await datastore.stop()
    broker.close()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with running_site(tmp_path) as site:
        yield site


async def test_metrics_are_scraped(site: Site) -> None:
    status, headers, text = await site.get("/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=")
    found = {
        (name, labels.get("collector"), labels.get("protocol")): value
        for family in text_string_to_metric_families(text)
        for name, labels, value, *_ in family.samples
    }
    assert found["ze_flowexport_datagrams_total", "a", "ipfix"] == 3
    assert found["ze_flowexport_sessions", None, None] == 0


async def test_health_is_never_latched(site: Site) -> None:
    status, headers, text = await site.get("/healthz")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert json.loads(text) == {
        "status": "up",
        "parts": [
            {"name": "http", "status": "up"},
            {"name": "counters", "status": "up"},
            {"name": "collector a", "status": "up"},
        ],
    }
    site.data_plane.collector = OperStatus.DOWN
    status, _, text = await site.get("/healthz")
    assert (status, json.loads(text)["status"]) == (503, "down")
    site.data_plane.collector = OperStatus.UP
    assert (await site.get("/healthz"))[0] == 200


async def test_an_exporter_that_is_gone_is_unhealthy_and_metrics_go_on(site: Site) -> None:
    site.data_plane.answers = False
    status, _, text = await site.get("/healthz")
    assert status == 503
    assert "the exporter is gone" in text
    status, _, text = await site.get("/metrics")
    assert status == 200
    assert "ze_flowexport_commits_total" in text
    assert "datagrams" not in text


@pytest.mark.parametrize("path", ["/", "/metrics/", "/restconf/data", "/../etc/passwd", "/%00"])
async def test_nothing_else_is_served(site: Site, path: str) -> None:
    status, _, text = await site.get(path)
    assert (status, text) == (404, "404: not found; /metrics and /healthz are served here\n")


async def test_nothing_can_be_posted(site: Site) -> None:
    status, headers, _ = await site.get("/metrics", "POST")
    assert status == 405
    assert set(headers["Allow"].split(",")) == {"GET", "HEAD"}


async def test_a_connection_serves_one_request(site: Site) -> None:
    reader, writer = await asyncio.open_connection(HOST, site.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
    text = await asyncio.wait_for(reader.read(), 10)
    assert text.count(b"HTTP/1.1 200 OK") == 1
    assert b"Connection: close" in text
    writer.close()


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 5000 + b"\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
    ids=["long line", "long field", "no HTTP"],
)
async def test_what_is_too_long_or_no_http_is_refused(site: Site, request_: bytes) -> None:
    reader, writer = await asyncio.open_connection(HOST, site.port)
    writer.write(request_)
    text = await asyncio.wait_for(reader.read(), 10)
    assert text.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    writer.close()


async def test_connections_are_bounded_in_number(site: Site) -> None:
    held = [await asyncio.open_connection(HOST, site.port) for _ in range(64)]
    reader, refused = await asyncio.open_connection(HOST, site.port)
    assert await asyncio.wait_for(reader.read(), 10) == b""
    refused.close()
    for _, writer in held:
        writer.close()
        await writer.wait_closed()
    assert (await site.get("/healthz"))[0] == 200


async def test_a_connection_is_bounded_in_time(tmp_path: Path) -> None:
    async with running_site(tmp_path, lifetime=0.1) as site:
        reader, writer = await asyncio.open_connection(HOST, site.port)
        writer.write(b"GET /healthz HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 10) == b""
        assert reader.at_eof() or reader.exception()
        writer.close()
