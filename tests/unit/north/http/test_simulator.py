"""Simulated devices over HTTP, on the real datastore and a data plane that only remembers."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.support.direct_broker import DirectBroker
from tests.support.netconf_server import HOST, schema
from tests.support.ports import free_port
from tests.support.simulator_requests import FLOW, MALFORMED, REFUSED

from flowexport_mgmt.datastore import Datastore, Store
from flowexport_mgmt.datastore.locks import Locks
from flowexport_mgmt.model.flow_export import Protocol
from flowexport_mgmt.model.simulation import Exporter, SimulationState
from flowexport_mgmt.north.http.door import HttpDoor

JSON = {"Content-Type": "application/json"}
DEVICES = "/api/v1/devices"


class DataPlane:
    """Has the devices that are configured."""

    paths: Sequence[str] = ("/simulation",)

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        self.exporters: tuple[Exporter, ...] = ()

    async def devices(self, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        found = [
            {
                "address": str(ip_address(group.start_address) + number),
                "group": group.name,
                "flows-active": 5,
                "sequence": 7,
                "sent-packets": 3,
                "sent-bytes": 2,
                "sent-records": 1,
                "send-failures": 0,
                "oper-status": "up" if group.flow else "disabled",
            }
            for group in self._datastore.configuration.simulation.device_group
            for number in range(group.count)
            if str(ip_address(group.start_address) + number) not in group.excluded_address
        ]
        found.sort(key=lambda device: int(ip_address(str(device["address"]))))
        if "address" in parameters:
            found = [device for device in found if device["address"] == parameters["address"]]
        at, limit = int(parameters.get("offset", 0)), int(parameters.get("limit", 1000))
        return {"total": len(found), "device": found[at : at + limit]}

    async def state(self, _: Sequence[str]) -> Mapping[str, SimulationState]:
        state = SimulationState(exporter=self.exporters, devices_exporting=4)
        return {"flow-export-simulation:simulation": state}


@dataclass(frozen=True)
class Site:
    datastore: Datastore
    data_plane: DataPlane
    port: int

    async def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        async with (
            aiohttp.ClientSession() as client,
            client.request(
                method,
                f"http://{HOST}:{self.port}{path}",
                data=data,
                headers=(JSON if data else {}) if headers is None else headers,
            ) as response,
        ):
            text = await response.text()
            return response.status, json.loads(text) if text.startswith("{") else text

    async def post(self, **members: Any) -> tuple[int, Any]:
        return await self.ask("POST", DEVICES, members)

    @property
    def groups(self) -> dict[str, Any]:
        return {g.name: g for g in self.datastore.configuration.simulation.device_group}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    port = free_port()
    init = tmp_path / "init.json"
    http = {"port": port, "simulator-api": True}
    init.write_text(json.dumps({"flow-export-server:server": {"http": http}}))
    datastore, broker = Datastore(schema(), tmp_path), DirectBroker()
    datastore.load(init)
    data_plane = DataPlane(datastore)
    HttpDoor(datastore, broker).register()
    datastore.register_state(data_plane)
    datastore.register_call("flow-export-simulation:devices", data_plane.devices)
    await datastore.start()
    yield Site(datastore, data_plane, port)
    await datastore.stop()
    broker.close()


async def test_devices_are_made_as_one_group(site: Site) -> None:
    before = site.datastore.record.id
    answer = await site.post(start_ip="10.0.0.1", device_count=3, netmask="24", flow=FLOW)
    assert answer == (
        200,
        {
            "success": True,
            "message": "Created 3 devices starting from 10.0.0.1",
            "data": {"created": 3, "requested": 3, "failed": 0},
        },
    )
    record = site.datastore.record
    assert (record.id, record.user, record.door) == (before + 1, "simulator", "http-simulator")
    (group,) = site.groups.values()
    assert (group.name, group.count, group.prefix_length) == ("rest-1", 3, 24)
    assert (group.flow.collector_port, group.flow.protocol) == (2055, "netflow9")
    assert (await site.post(start_ip="2001:db8::1", device_count=1))[0] == 200
    assert site.groups["rest-2"].flow is None
    assert not site.datastore.sessions


async def test_every_member(site: Site) -> None:
    flow = {
        "collector": "[2001:db8::5]:4739",
        "protocol": "IPFIX",
        "tick_interval": "1m30s",
        "active_timeout": "0s",
        "inactive_timeout": "500ms",
        "sub_agent_id": 0,
    }
    status, told = await site.post(
        start_ip="2001:db8::1", device_count=2, resource_file="cisco_ios.json", flow=flow
    )
    assert status == 200, told
    group = site.groups["rest-1"]
    made = group.flow
    assert (group.resource, made.collector_address) == ("cisco_ios", "2001:db8::5")
    assert (made.protocol, made.tick_interval) == ("ipfix", 90_000)
    assert (made.active_timeout, made.inactive_timeout) == (30_000, 500)


@pytest.mark.parametrize(
    ("alias", "protocol"),
    [("NetFlow9", "netflow9"), ("v5", "netflow5"), ("nf10", "ipfix"), ("SFLOW", "sflow")],
)
async def test_protocols_have_aliases(site: Site, alias: str, protocol: str) -> None:
    await site.post(start_ip="10.0.0.1", device_count=1, flow={**FLOW, "protocol": alias})
    assert site.groups["rest-1"].flow.protocol == protocol


async def test_a_collector_may_have_a_name(site: Site) -> None:
    await site.post(start_ip="10.0.0.1", device_count=1, flow={"collector": "localhost:99"})
    assert site.groups["rest-1"].flow.collector_address == "127.0.0.1"


@pytest.mark.parametrize(("members", "text"), REFUSED, ids=lambda value: str(value)[:40])
async def test_what_is_refused_names_its_member(site: Site, members: Any, text: str) -> None:
    status, told = await site.post(**members)
    assert (status, told["success"]) == (400, False)
    assert told["message"].startswith(text)
    assert not site.groups


@pytest.mark.parametrize(("body", "text"), MALFORMED)
async def test_what_is_no_request(site: Site, body: bytes, text: str) -> None:
    status, told = await site.ask("POST", DEVICES, body)
    assert (status, told["message"].startswith(text)) == (400, True)


async def test_all_or_nothing_when_an_address_is_taken(site: Site) -> None:
    await site.post(start_ip="10.0.0.5", device_count=1)
    status, told = await site.post(start_ip="10.0.0.1", device_count=10)
    assert (status, told["message"]) == (
        400,
        "start_ip: address 10.0.0.5 is taken by device-group rest-2",
    )
    assert list(site.groups) == ["rest-1"]


async def test_devices_are_seen(site: Site) -> None:
    await site.post(start_ip="10.0.1.1", device_count=2, netmask="24")
    await site.post(start_ip="10.0.0.9", device_count=3, flow={**FLOW, "protocol": "ipfix"})
    status, told = await site.ask("GET", DEVICES)
    assert (status, told["success"], told["message"]) == (200, True, "5 of 5 devices")
    assert [device["id"] for device in told["data"]] == [
        "10.0.0.9",
        "10.0.0.10",
        "10.0.0.11",
        "10.0.1.1",
        "10.0.1.2",
    ]
    _, page = await site.ask("GET", f"{DEVICES}?offset=2&limit=2")
    assert (page["message"], page["data"]) == ("2 of 5 devices", told["data"][2:4])
    _, one = await site.ask("GET", f"{DEVICES}/10.0.0.10")
    assert one["data"] == told["data"][1]
    flow = one["data"]["flow"]
    assert flow["collector"] == "192.0.2.7:2055"
    again = await site.post(start_ip="10.9.0.1", device_count=1, flow=flow)  # as it was given
    assert again[0] == 200
    for query in ("limit=0", "limit=x", "offset=-1", "limit=999999"):
        status, told = await site.ask("GET", f"{DEVICES}?{query}")
        assert (status, told["success"]) == (400, False)


async def test_devices_are_deleted_one_by_one_and_together(site: Site) -> None:
    await site.post(start_ip="10.0.0.1", device_count=2)
    await site.post(start_ip="10.0.1.1", device_count=2)
    status, told = await site.ask("DELETE", f"{DEVICES}/10.0.0.1")
    assert (status, told["success"]) == (200, True)
    assert site.groups["rest-1"].excluded_address == ("10.0.0.1",)
    assert (await site.ask("DELETE", f"{DEVICES}/10.0.0.1"))[0] == 404
    assert (await site.ask("DELETE", f"{DEVICES}/10.0.0.2"))[0] == 200
    assert list(site.groups) == ["rest-2"]
    assert (await site.post(start_ip="10.0.0.1", device_count=1))[0] == 200
    assert list(site.groups) == ["rest-2", "rest-3"]
    status, told = await site.ask("DELETE", DEVICES)
    assert (status, told["data"]) == (200, {"deleted": 3})
    assert not site.groups
    assert (await site.ask("DELETE", DEVICES))[1]["data"] == {"deleted": 0}


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("name", ["10.0.0.99", "router", "::1"])
async def test_unknown_devices(site: Site, method: str, name: str) -> None:
    status, told = await site.ask(method, f"{DEVICES}/{name}")
    assert (status, told) == (404, {"success": False, "message": f"device not found: {name}"})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", DEVICES),
        ("PATCH", f"{DEVICES}/10.0.0.1"),
        ("POST", "/api/v1/flows/status"),
        ("DELETE", "/api/v1/version"),
        ("POST", "/health"),
        ("POST", f"{DEVICES}/export"),
    ],
)
async def test_wrong_methods(site: Site, method: str, path: str) -> None:
    status, told = await site.ask(method, path, {})
    assert (status, told["success"]) == (405, False)


async def test_status_is_bare_and_sorted(site: Site) -> None:
    status, told = await site.ask("GET", "/api/v1/flows/status")
    assert (status, told["subsystem_active"], told["collectors"]) == (200, False, [])
    assert told["last_template_send"] is None
    site.data_plane.exporters = tuple(
        Exporter(
            collector_address=address,
            collector_port=2055,
            protocol=protocol,
            devices=2,
            sent_packets=5,
            last_template_send=when,
        )
        for address, protocol, when in (
            ("::1", Protocol.SFLOW, None),
            ("127.0.0.1", Protocol.NETFLOW9, "2026-01-01T00:00:01.000Z"),
            ("127.0.0.1", Protocol.IPFIX, "2026-01-01T00:00:02.000Z"),
        )
    )
    _, told = await site.ask("GET", "/api/v1/flows/status")
    assert set(told) == {
        "subsystem_active",
        "collectors",
        "devices_exporting",
        "last_template_send",
    }
    assert (told["subsystem_active"], told["devices_exporting"]) == (True, 4)
    assert told["last_template_send"] == "2026-01-01T00:00:02.000Z"
    rows = [(row["collector"], row["protocol"]) for row in told["collectors"]]
    assert rows == [
        ("127.0.0.1:2055", "ipfix"),
        ("127.0.0.1:2055", "netflow9"),
        ("[::1]:2055", "sflow"),
    ]
    assert told["collectors"][0] == {
        "collector": "127.0.0.1:2055",
        "protocol": "ipfix",
        "devices": 2,
        "sent_packets": 5,
        "sent_bytes": 0,
        "sent_records": 0,
        "send_failures": 0,
    }


async def test_csv_version_and_health(site: Site) -> None:
    await site.post(start_ip="10.0.0.1", device_count=2, flow=FLOW)
    status, text = await site.ask("GET", f"{DEVICES}/export")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert (status, [row["ip"] for row in rows]) == (200, ["10.0.0.1", "10.0.0.2"])
    assert (rows[0]["protocol"], rows[0]["collector"]) == ("netflow9", "192.0.2.7:2055")
    assert (await site.ask("GET", "/api/v1/version"))[1]["data"]["version"]
    assert await site.ask("GET", "/health") == (200, {"status": "ok"})


# -- who may


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({**JSON, "Host": "evil.example"}, 403),
        ({**JSON, "Host": "evil.example:8080"}, 403),
        ({**JSON, "Host": "127.0.0.1.evil.example"}, 403),
        ({**JSON, "Origin": "http://evil.example"}, 403),
        ({**JSON, "Host": "localhost:8080"}, 200),
        ({**JSON, "Host": "[::1]:8080"}, 200),
        ({"Content-Type": "application/json; charset=utf-8"}, 200),
    ],
)
async def test_pages_of_a_browser_cannot_ask(
    site: Site, headers: Mapping[str, str], expected: int
) -> None:
    body = {"start_ip": "10.0.0.1", "device_count": 1}
    status, told = await site.ask("POST", DEVICES, body, headers)
    assert (status, told["success"]) == (expected, expected == 200)


async def test_a_lock_is_respected(site: Site) -> None:
    holder = site.datastore.open_session("a", "test", "", lambda: None, recovery=True)
    site.datastore.lock(holder, Store.RUNNING)
    status, told = await site.post(start_ip="10.0.0.1", device_count=1)
    assert (status, told["success"]) == (409, False)
    site.datastore.close_session(holder)
    assert (await site.post(start_ip="10.0.0.1", device_count=1))[0] == 200
    assert isinstance(site.datastore._locks, Locks)


async def test_requests_at_the_same_time_make_groups_of_their_own(site: Site) -> None:
    starts = [f"10.0.{number}.1" for number in range(5)]
    got = await asyncio.gather(*(site.post(start_ip=s, device_count=1) for s in starts))
    assert [status for status, _ in got] == [200] * 5
    assert len(site.groups) == 5
