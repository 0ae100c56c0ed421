"""The real gNMI server on the real datastore in the test's own event loop, and a client for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import grpc
from grpc import aio
from passlib.hash import sha512_crypt
from tests.support.ports import free_port

from flowexport_mgmt.credentials import KeyFolders
from flowexport_mgmt.datastore import Datastore, Session
from flowexport_mgmt.north.gnmi import messages as m
from flowexport_mgmt.north.gnmi.door import GnmiDoor
from flowexport_mgmt.schema.context import SchemaContext

HOST = "127.0.0.1"
PASSWORD = "secret"
ANN = (("username", "ann"), ("password", PASSWORD))
BOB = (("username", "bob"), ("password", PASSWORD))
"""A user who may read and write nothing."""


@cache
def schema() -> SchemaContext:
    """Load the modules once for all tests of a process."""
    return SchemaContext()


@cache
def password_hash() -> str:
    """Hash the password of everybody, as quickly as it is allowed."""
    return str(sha512_crypt.using(rounds=1000).hash(PASSWORD))


def document(gnmi: Mapping[str, Any], more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Write an initial document: the server, ann who may do everything, and bob."""
    users = [{"name": name, "password-hash": password_hash()} for name in ("ann", "bob")]
    made: dict[str, Any] = {
        "flow-export-server:server": {
            "netconf": {"ssh": {"enabled": False}},
            "http": {"enabled": False},
            "gnmi": {"plaintext": True, **gnmi},
            "user": users,
        },
        "ietf-netconf-acm:nacm": {
            "groups": {"group": [{"name": "admin", "user-name": ["ann"]}]},
            "rule-list": [
                {
                    "name": "admin",
                    "group": ["admin"],
                    "rule": [
                        {
                            "name": "all",
                            "module-name": "*",
                            "access-operations": "*",
                            "action": "permit",
                        }
                    ],
                },
                {
                    "name": "others",
                    "group": ["*"],
                    "rule": [
                        {
                            "name": "no-users",
                            "path": "/flow-export-server:server/user",
                            "access-operations": "*",
                            "action": "deny",
                        }
                    ],
                },
            ],
        },
    }
    return {**made, **(more or {})}


def collector(name: str, port: int = 6343, **leaves: Any) -> dict[str, Any]:
    """Write a collector."""
    given = {leaf.replace("_", "-"): value for leaf, value in leaves.items()}
    return {"name": name, "address": "192.0.2.1", "port": port, "protocol": "ipfix", **given}


def flow_export(*collectors: Mapping[str, Any]) -> dict[str, Any]:
    """Write a top node with collectors."""
    return {"flow-export:flow-export": {"collector": list(collectors)}}


def path(text: str = "", **fields: Any) -> Any:
    """Read a path as people write it; keys hold no slashes."""
    made = m.Path(**fields)
    for part in text.strip("/").split("/") if text.strip("/") else ():
        name, _, keys = part.partition("[")
        element = made.elem.add(name=name)
        for pair in keys.rstrip("]").split("][") if keys else ():
            key, _, value = pair.partition("=")
            element.key[key] = value
    return made


def write_path(given: Any) -> str:
    """Write a path as people do."""
    return "".join(
        f"/{e.name}" + "".join(f"[{key}={value}]" for key, value in sorted(e.key.items()))
        for e in given.elem
    )


def value_of(typed: Any) -> Any:
    """Give what a typed value holds."""
    kind = typed.WhichOneof("value")
    held = getattr(typed, kind)
    if kind in ("json_val", "json_ietf_val"):
        return json.loads(held)
    if kind == "leaflist_val":
        return [value_of(one) for one in held.element]
    return held


def update(where: str, value: Any = None, **typed: Any) -> Any:
    """Write an update: a value in JSON_IETF, or a typed one."""
    made = m.Update(path=path(where))
    if typed:
        made.val.CopyFrom(m.TypedValue(**typed))
    else:
        made.val.json_ietf_val = json.dumps(value).encode()
    return made


def values(notification: Any) -> dict[str, Any]:
    """Give the updates of a notification by their paths."""
    return {write_path(one.path): value_of(one.val) for one in notification.update}


class Client:
    """Calls the methods of one server; messages are checked by nobody but the caller."""

    def __init__(self, channel: Any, metadata: Sequence[tuple[str, str]] = ANN) -> None:
        self.channel = channel
        self.metadata = tuple(metadata)

    async def call(self, method: str, request: Any, response: Any) -> Any:
        octets = request if isinstance(request, bytes) else request.SerializeToString()
        call = self.channel.unary_unary(f"/gnmi.gNMI/{method}")
        return response.FromString(await call(octets, metadata=self.metadata, timeout=30))

    async def capabilities(self, **fields: Any) -> Any:
        return await self.call("Capabilities", m.CapabilityRequest(**fields), m.CapabilityResponse)

    async def get(self, *paths: str | Any, encoding: int = 4, **fields: Any) -> Any:
        read = [path(one) if isinstance(one, str) else one for one in paths]
        request = m.GetRequest(path=read, encoding=encoding, **fields)
        return await self.call("Get", request, m.GetResponse)

    async def value(self, where: str, **fields: Any) -> Any:
        """Get one value."""
        response = await self.get(where, **fields)
        (notification,) = response.notification
        (found,) = notification.update
        return value_of(found.val)

    async def set(self, **fields: Any) -> Any:
        return await self.call("Set", m.SetRequest(**fields), m.SetResponse)

    def stream(self) -> Stream:
        method = self.channel.stream_stream("/gnmi.gNMI/Subscribe")
        return Stream(method(metadata=self.metadata))

    async def subscribe(self, *subscriptions: Any, mode: int = 0, **fields: Any) -> Stream:
        """Begin a subscription; encoding PROTO unless told otherwise."""
        stream = self.stream()
        request = m.SubscribeRequest(extension=fields.pop("extension", ()))
        given = [s if not isinstance(s, str) else {"path": path(s)} for s in subscriptions]
        fields.setdefault("encoding", 2)
        request.subscribe.SetInParent()
        request.subscribe.MergeFrom(
            type(request.subscribe)(mode=mode, subscription=given, **fields)
        )
        await stream.write(request)
        return stream

    async def fails(self, work: Any) -> tuple[str, str]:
        """Give the code and the message that a call ends with."""
        try:
            await work
        except aio.AioRpcError as error:
            return error.code().name, str(error.details())
        raise AssertionError("the call succeeded")


class Stream:
    """A Subscribe RPC."""

    def __init__(self, call: Any) -> None:
        self.call = call

    async def write(self, request: Any) -> None:
        await self.call.write(
            request if isinstance(request, bytes) else request.SerializeToString()
        )

    async def poll(self) -> None:
        request = m.SubscribeRequest()
        request.poll.SetInParent()
        await self.write(request)

    async def read(self, seconds: float = 20.0) -> Any:
        """Give the next response; None at the end."""
        async with asyncio.timeout(seconds):
            octets = await self.call.read()
        return None if octets is aio.EOF else m.SubscribeResponse.FromString(octets)

    async def update(self, seconds: float = 20.0) -> Any:
        """Give the next notification."""
        response = await self.read(seconds)
        assert response.WhichOneof("response") == "update", response
        return response.update

    async def initial(self) -> list[Any]:
        """Give all notifications before sync_response."""
        found = []
        while (response := await self.read()) is not None and not response.sync_response:
            found.append(response.update)
        assert response is not None, await self.status()
        return found

    async def state(self) -> dict[str, Any]:
        """Give all values before sync_response by path."""
        return {where: v for one in await self.initial() for where, v in values(one).items()}

    async def status(self) -> tuple[str, str]:
        """Give the code and message that the RPC ends with; messages before that are dropped."""
        async with asyncio.timeout(30):
            try:
                while await self.call.read() is not aio.EOF:
                    pass
            except aio.AioRpcError:
                pass
            return (await self.call.code()).name, str(await self.call.details())

    def cancel(self) -> None:
        self.call.cancel()


@dataclass
class Server:
    """A running server and its clients."""

    datastore: Datastore
    door: GnmiDoor
    folder: Path
    port: int
    channels: list[Any] = field(default_factory=list)

    def channel(self) -> Any:
        channel = aio.insecure_channel(f"{HOST}:{self.port}", options=_OWN_CONNECTION)
        self.channels.append(channel)
        return channel

    def client(self, metadata: Sequence[tuple[str, str]] = ANN) -> Client:
        return Client(self.channel(), metadata)

    def secure(
        self,
        roots: bytes,
        key: bytes | None = None,
        chain: bytes | None = None,
        metadata: Sequence[tuple[str, str]] = ANN,
    ) -> Client:
        credentials = grpc.ssl_channel_credentials(roots, key, chain)
        channel = aio.secure_channel(f"localhost:{self.port}", credentials, options=_OWN_CONNECTION)
        self.channels.append(channel)
        return Client(channel, metadata)

    def operator(self) -> Session:
        """Open a session of another door that may do everything."""
        return self.datastore.open_session(
            "ann", "netconf-ssh", "192.0.2.9", lambda: None, recovery=True
        )


_OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0))


@asynccontextmanager
async def running_server(
    folder: Path,
    *,
    gnmi: Mapping[str, Any] | None = None,
    more: Mapping[str, Any] | None = None,
    patience: float = 60.0,
) -> AsyncIterator[Server]:
    """Start a server with an initial configuration, and stop it."""
    port = free_port()
    init = folder / "init.json"
    given = {"port": port, **(gnmi or {})}
    init.write_text(json.dumps(document(given, more)))
    datastore = Datastore(schema(), folder / "state")
    datastore.load(init)
    door = GnmiDoor(
        datastore,
        keys=KeyFolders([folder / "tls"]),
        own_folder=folder / "tls",
        retry_after=0.05,
        patience=patience,
    )
    door.register()
    await datastore.start()
    server = Server(datastore, door, folder, port)
    try:
        yield server
    finally:
        for channel in server.channels:
            await channel.close()
        await datastore.stop()
