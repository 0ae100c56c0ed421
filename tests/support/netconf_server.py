"""The real NETCONF server on the real datastore, inside the test's own event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import asyncssh
from tests.support.direct_broker import DirectBroker
from tests.support.judge import judge_notification
from tests.support.netconf_client import RawClient
from tests.support.ports import free_port

from flowexport_mgmt.credentials import KeyFolders
from flowexport_mgmt.datastore import Datastore, Store
from flowexport_mgmt.north.netconf.door import NetconfDoor
from flowexport_mgmt.north.netconf.refusals import Refusals
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.tree import Format

HOST = "127.0.0.1"


@cache
def schema() -> SchemaContext:
    """Load the modules once for all tests of a process."""
    return SchemaContext()


@dataclass(frozen=True)
class Server:
    """A running server and what a client needs to reach it; it closes its clients at the end."""

    datastore: Datastore
    door: NetconfDoor
    broker: DirectBroker
    folder: Path
    port: int
    key: asyncssh.SSHKey
    clients: list[RawClient] = field(default_factory=list)

    @property
    def socket(self) -> Path:
        """The local socket."""
        return self.folder / "netconf.sock"

    @property
    def refusals(self) -> Refusals:
        """What the server refused."""
        return self.door.refusals

    @property
    def key_file(self) -> str:
        """The private key of user ``ann``."""
        return str(self.folder / "ann_key")

    async def connect(self) -> RawClient:
        """Connect to the local socket, and say nothing yet."""
        client = await RawClient.connect(self.socket)
        client.judge = partial(judge_notification, self.datastore.schema)
        self.clients.append(client)
        return client

    async def client(self, version: str = "1.1") -> RawClient:
        """Open a session over the local socket."""
        client = await self.connect()
        await client.exchange_hellos(version)
        return client


def running(server: Server) -> bytes:
    """Print the running configuration."""
    with server.datastore.read(Store.RUNNING) as tree:
        printed: bytes = tree.print(Format.XML)
    return printed


def configuration(port: int, key: asyncssh.SSHKey, more: str = "") -> str:
    """Write an initial document: NETCONF on a port, and the user ``ann`` with a key."""
    line = key.export_public_key().decode().strip()
    return (
        '<server xmlns="urn:flowexport:flow-export-server">'
        f"<netconf><ssh><port>{port}</port></ssh>{more}</netconf>"
        "<http><enabled>false</enabled></http>"
        f"<user><name>ann</name><authorized-key>{line} ann@test</authorized-key></user>"
        "</server>"
    )


@asynccontextmanager
async def running_server(
    folder: Path,
    *,
    more: str = "",
    data: str = "",
    port: int = 0,
    modules: SchemaContext | None = None,
) -> AsyncIterator[Server]:
    """Start a server with an initial configuration, and stop it; ``modules`` instead of ours."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    (folder / "ann_key").touch(mode=0o600)
    key.write_private_key(folder / "ann_key")
    port = port or free_port()
    init = folder / "init.xml"
    init.write_text(f"<config>{configuration(port, key, more)}{data}</config>")
    datastore = Datastore(modules or schema(), folder)
    datastore.load(init)
    broker = DirectBroker()
    door = NetconfDoor(
        datastore,
        broker,
        state_folder=folder,
        local_socket=folder / "netconf.sock",
        keys=KeyFolders([folder / "tls"]),
        retry_after=0.05,
    )
    door.register()
    await datastore.start()
    await door.open_local()
    server = Server(datastore, door, broker, folder, port, key)
    try:
        yield server
    finally:
        await datastore.stop()
        for client in server.clients:
            await client.close()
        broker.close()
