"""Handlers of requests about simulated devices, over the same datastore as every door."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.metadata import version
from ipaddress import ip_address
from typing import Any, Final

from aiohttp import web

from flowexport_mgmt.datastore import Datastore, EditOptions, Session, Store
from flowexport_mgmt.errors import ErrorTag, ManagementError
from flowexport_mgmt.model.simulation import DeviceGroup, SimulationState
from flowexport_mgmt.north.http.simulator import answers, edits
from flowexport_mgmt.north.http.simulator.requests import (
    DevicesRequest,
    FlowRequest,
    RequestError,
    read_devices,
)
from flowexport_mgmt.schema.edits import EditNode

_USER: Final = "simulator"
_DOOR: Final = "http-simulator"
_CONFINED: Final = "/flow-export-simulation:simulation"
_DEVICES: Final = "flow-export-simulation:devices"
_STATE: Final = "flow-export-simulation:simulation"
_GROUP: Final = "rest-"
_PAGE: Final = 10_000
_RESOLVE_S: Final = 5.0
_LOOKS: Final = 100
_LOOK_S: Final = 0.02
_LOCAL_NAMES: Final = frozenset(("localhost", "127.0.0.1", "::1", "[::1]"))
_BUSY: Final = frozenset((ErrorTag.IN_USE, ErrorTag.LOCK_DENIED))

Handler = Callable[[web.Request], Awaitable[web.Response]]


class SimulatorApi:
    """Serves devices while the configuration says so.

    Whoever reaches it acts as the user ``simulator``, who may write simulated devices and nothing
    else. It listens on loopback, so that every process of this host does; pages that a browser
    shows do not: they cannot have the right Host, Origin and Content-Type.
    """

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        self._writing = asyncio.Lock()
        self._last_group = 0

    def add_to(self, application: web.Application) -> None:
        """Add the routes."""
        router = application.router
        for path, handlers in self._routes().items():
            for method, handler in handlers.items():
                router.add_route(method, path, self._guarded(handler))
            router.add_route("*", path, self._guarded(_wrong_method(sorted(handlers))))

    def _routes(self) -> Mapping[str, Mapping[str, Handler]]:
        return {
            "/api/v1/devices": {
                "GET": self._list,
                "POST": self._create,
                "DELETE": self._delete_all,
            },
            "/api/v1/devices/export": {"GET": self._export},
            "/api/v1/devices/{id}": {"GET": self._show, "DELETE": self._delete},
            "/api/v1/flows/status": {"GET": self._status},
            "/api/v1/version": {"GET": self._version},
            "/health": {"GET": self._health},
        }

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.Response:
            if not self._datastore.configuration.server.http.simulator_api:
                raise web.HTTPNotFound
            if (reason := _distrust(request)) is not None:
                return answers.refusal(403, reason)
            try:
                return await handler(request)
            except RequestError as error:
                return answers.refusal(400, str(error))
            except ManagementError as error:
                return _refuse(error)

        return guarded

    # -- devices

    async def _list(self, request: web.Request) -> web.Response:
        offset = _read_query(request, "offset", 0, 0xFFFFFFFF)
        limit = _read_query(request, "limit", 1000, _PAGE)
        total, devices = await self._find({"offset": str(offset), "limit": str(limit)})
        return answers.done(f"{len(devices)} of {total} devices", devices)

    async def _show(self, request: web.Request) -> web.Response:
        address = _read_id(request)
        _, found = await self._find({"address": address}) if address else (0, [])
        if not found:
            return _unknown(request)
        return answers.done(f"Device {address}", found[0])

    async def _export(self, _: web.Request) -> web.Response:
        devices: list[Mapping[str, Any]] = []
        total = 1
        while len(devices) < total:
            at = {"offset": str(len(devices)), "limit": str(_PAGE)}
            total, page = await self._find(at)
            devices += page
            if not page:
                break
        return web.Response(
            text=answers.write_csv(devices),
            content_type="text/csv",
            headers={"Content-Disposition": 'attachment; filename="devices.csv"'},
        )

    async def _find(self, parameters: Mapping[str, str]) -> tuple[int, list[dict[str, Any]]]:
        """Ask the exporter for devices; those of groups that a commit has just changed are left."""
        output = await self._datastore.call(_DEVICES, parameters)
        simulation = self._datastore.configuration.simulation
        groups = {group.name: group for group in simulation.device_group}
        found = [
            answers.describe_device(device, groups[device["group"]], simulation)
            for device in output["device"]
            if device["group"] in groups
        ]
        return output["total"], found

    # -- changes

    async def _create(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return answers.refusal(415, "Content-Type: must be application/json")
        wanted = read_devices(await request.read())
        collector = await _resolve(wanted)
        async with self._writing:
            name = self._name_group()
            made = edits.create_group(self._datastore.schema, name, wanted, collector)
            await self._write(request, made)
            await self._await(str(wanted.start), 1)
        count = wanted.count
        return answers.done(
            f"Created {count} devices starting from {wanted.start}",
            {"created": count, "requested": count, "failed": 0},
        )

    async def _delete(self, request: web.Request) -> web.Response:
        address = _read_id(request)
        async with self._writing:
            group = None if address is None else self._group_of(address)
            if group is None or address is None:
                return _unknown(request)
            schema = self._datastore.schema
            is_last = group.count - len(group.excluded_address) == 1
            change = (
                edits.delete_group(schema, group.name)
                if is_last
                else edits.exclude(schema, group, address)
            )
            await self._write(request, change)
            await self._await(address, 0)
        return answers.done(f"Deleted device {address}")

    async def _delete_all(self, request: web.Request) -> web.Response:
        async with self._writing:
            groups = self._datastore.configuration.simulation.device_group
            names = [group.name for group in groups]
            if names:
                await self._write(request, edits.delete_group(self._datastore.schema, *names))
        count = sum(group.count - len(group.excluded_address) for group in groups)
        return answers.done(f"Deleted {count} devices", {"deleted": count})

    def _name_group(self) -> str:
        """Give a name that no group has and none had since the start."""
        names = {g.name for g in self._datastore.configuration.simulation.device_group}
        self._last_group += 1
        while f"{_GROUP}{self._last_group}" in names:
            self._last_group += 1
        return f"{_GROUP}{self._last_group}"

    def _group_of(self, address: str) -> DeviceGroup | None:
        """Find the group that has a device of an address."""
        wanted = ip_address(address)
        for group in self._datastore.configuration.simulation.device_group:
            first = ip_address(group.start_address)
            place = int(wanted) - int(first)
            is_inside = wanted.version == first.version and 0 <= place < group.count
            if is_inside and address not in group.excluded_address:
                return group
        return None

    async def _write(self, request: web.Request, change: Sequence[EditNode]) -> None:
        """Change running, in one transaction."""
        session = self._open_session(request)
        try:
            await self._datastore.edit(session, Store.RUNNING, change, EditOptions())
        finally:
            self._datastore.close_session(session)

    async def _await(self, address: str, count: int) -> None:
        """Wait a moment until the exporter has done what a commit says."""
        with contextlib.suppress(ManagementError):
            for _ in range(_LOOKS):
                output = await self._datastore.call(_DEVICES, {"address": address})
                if output["total"] == count:
                    return
                await asyncio.sleep(_LOOK_S)

    def _open_session(self, request: web.Request) -> Session:
        return self._datastore.open_session(
            _USER, _DOOR, request.remote or "", lambda: None, confined_to=_CONFINED
        )

    # -- the rest

    async def _status(self, _: web.Request) -> web.Response:
        snapshot = await self._datastore.state(("/simulation",))
        state = snapshot.nodes.get(_STATE)
        known = state if isinstance(state, SimulationState) else SimulationState()
        return answers.json_response(answers.describe_status(known))

    async def _version(self, _: web.Request) -> web.Response:
        return answers.done("flowexport-sim", {"version": version("flowexport-mgmt")})

    async def _health(self, _: web.Request) -> web.Response:
        return answers.json_response({"status": "ok"})


def _wrong_method(allowed: Sequence[str]) -> Handler:
    async def refuse(request: web.Request) -> web.Response:
        allow = ", ".join(allowed)
        return answers.refusal(405, f"{request.method}: not one of {allow} here", Allow=allow)

    return refuse


def _distrust(request: web.Request) -> str | None:
    """Say why a request seems to come from a page in a browser (DNS rebinding, forgery)."""
    host = request.host.rpartition(":")[0] if request.host.rpartition(":")[2].isdigit() else ""
    if (host or request.host).lower() not in _LOCAL_NAMES and not _is_loopback(host):
        return f"Host: {request.host[:64]} is not this host"
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("//")[2] != request.host:
        return "Origin: requests of other sites are not taken"
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _read_query(request: web.Request, name: str, default: int, most: int) -> int:
    text = request.query.get(name, "")
    if not text:
        return default
    least = 0 if name == "offset" else 1
    if not text.isascii() or not text.isdigit() or not least <= int(text[:12]) <= most:
        raise RequestError(f"{name}: must be an integer from {least} to {most}")
    return int(text)


def _read_id(request: web.Request) -> str | None:
    """Give the address that a device is called by; None for what is none."""
    try:
        return str(ip_address(request.match_info["id"]))
    except ValueError:
        return None


def _unknown(request: web.Request) -> web.Response:
    return answers.refusal(404, f"device not found: {request.match_info['id'][:64]}")


async def _resolve(request: DevicesRequest) -> str:
    """Find the collector's address, of the family of the devices, once and for all."""
    flow = request.flow
    if flow is None:
        return ""
    try:
        return str(ip_address(flow.host))
    except ValueError:
        return await _look_up(flow, request.start.version)


async def _look_up(flow: FlowRequest, family: int) -> str:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_RESOLVE_S):
            found = await loop.getaddrinfo(
                flow.host,
                flow.port,
                family=socket.AF_INET if family == 4 else socket.AF_INET6,
                type=socket.SOCK_DGRAM,
            )
    except (OSError, UnicodeError, TimeoutError):
        raise RequestError(
            f'flow.collector: "{flow.host[:64]}" has no IPv{family} address'
        ) from None
    return str(found[0][4][0])


def _refuse(error: ManagementError) -> web.Response:
    """Answer with every fault, each with the member of the request that it comes from."""
    faults = error.faults
    if any(fault.tag in _BUSY for fault in faults):
        status = 409
    elif any(fault.tag is ErrorTag.ACCESS_DENIED for fault in faults):
        status = 403
    else:
        status = 400 if any(fault.path for fault in faults) else 503
    return answers.refusal(status, "; ".join(f"{_blame(f.path)}{f.message}" for f in faults))


def _blame(path: str) -> str:
    leaf = path.rpartition("/")[2].partition("[")[0].rpartition(":")[2]
    field = edits.FIELDS.get(leaf)
    return f"{field}: " if field else ""
