"""Call home: the server connects, and the client logs in as always (RFC 8071)."""

from __future__ import annotations

import asyncio
import socket
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from ncclient import manager
from tests.support.conditions import until
from tests.support.netconf_client import FXS, RawClient
from tests.support.netconf_server import HOST, Server, running_server
from tests.support.ports import free_port
from tests.unit.north.netconf.test_tls import make_keys, mapping

from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.model.server import NetconfCallHomeState, ServerState
from flowexport_mgmt.north.netconf.refusals import Reason

GET = "<get-config><source><running/></source></get-config>"


def entry(port: int, transport: str = "ssh", name: str = "office") -> str:
    """Write an entry of call-home."""
    return (
        f"<call-home><name>{name}</name><address>{HOST}</address><port>{port}</port>"
        f"<transport>{transport}</transport></call-home>"
    )


def edit(inner: str) -> str:
    return (
        f"<edit-config><target><running/></target><config><server xmlns='{FXS}'"
        " xmlns:nc='urn:ietf:params:xml:ns:netconf:base:1.0'>"
        f"<netconf>{inner}</netconf></server></config></edit-config>"
    )


async def state(server: Server) -> NetconfCallHomeState:
    found = (await server.door.state(()))["flow-export-server:server"]
    assert isinstance(found, ServerState)
    assert found.netconf is not None
    (office,) = found.netconf.call_home
    return office


async def reason(server: Server, words: str) -> None:
    """Wait until an entry tells this reason."""
    await until(lambda: server.door._call_home.state()[0].oper_reason == words, what=words)


class Office:
    """A client's side: it listens, and keeps what connects."""

    def __init__(self) -> None:
        self._listener = socket.create_server((HOST, 0))
        self._listener.setblocking(False)
        self.port = int(self._listener.getsockname()[1])

    async def accept(self) -> socket.socket:
        async with asyncio.timeout(10):
            connection, _ = await asyncio.get_running_loop().sock_accept(self._listener)
        return connection

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    made = Office()
    yield made
    made.close()


def answer_the_call(server: Server, port: int) -> tuple[str, str]:
    """Wait for the call with ncclient, log in and read; give who and the data."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # ncclient never closes its listener
        client = manager.call_home(
            host=HOST,
            port=port,
            username="ann",
            key_filename=server.key_file,
            hostkey_verify=False,
            allow_agent=False,
            look_for_keys=False,
            timeout=20,
        )
    with client:
        (session,) = server.datastore.sessions
        return f"{session.user} {session.door}", client.get_config("running").data_xml


async def test_ncclient_is_called(tmp_path: Path) -> None:
    port = free_port()
    async with running_server(tmp_path, more=entry(port)) as server:
        await reason(server, "cannot connect: Connection refused")
        assert (await state(server)).oper_status is OperStatus.DOWN
        who, data = await asyncio.to_thread(answer_the_call, server, port)
        assert who == "ann netconf-ssh"
        assert "office" in data
        await reason(server, "cannot connect: Connection refused")  # it calls again
        assert server.refusals[Reason.FAILED_LOGIN] == 0


@asynccontextmanager
async def called_over_tls(
    tmp_path: Path, office: Office, name: str
) -> AsyncIterator[tuple[Server, RawClient]]:
    """Run a server that calls over TLS, and answer it with a certificate."""
    authority = make_keys(tmp_path / "tls")
    more = (
        "<tls><certificate>server.pem</certificate><private-key>server.key</private-key>"
        f"<ca>ca.pem</ca>{mapping(1, authority.folder / 'ca.pem', 'common-name')}</tls>"
        + entry(office.port, "tls")
    )
    async with running_server(tmp_path, more=more) as server:
        context = ssl.create_default_context(cafile=authority.folder / "ca.pem")
        context.load_cert_chain(authority.folder / f"{name}.pem", authority.folder / f"{name}.key")
        reader, writer = await asyncio.open_connection(
            sock=await office.accept(), ssl=context, server_hostname=HOST
        )
        server.clients.append(RawClient(reader, writer))
        yield server, server.clients[-1]


async def test_a_call_over_tls_uses_the_certificates_of_the_server(
    tmp_path: Path, office: Office
) -> None:
    async with called_over_tls(tmp_path, office, "ann") as (server, client):
        await client.exchange_hellos()
        await client.data(GET)
        assert (await state(server)).oper_status is OperStatus.UP
        (session,) = server.datastore.sessions
        assert (session.user, session.door) == ("ann", "netconf-tls")
        await client.close()
        await reason(server, "the client closed the connection")
        (await office.accept()).close()  # it calls again


async def test_a_certificate_of_nobody_is_no_login(tmp_path: Path, office: Office) -> None:
    async with called_over_tls(tmp_path, office, "eve") as (server, client):
        assert await client.closed()
        await reason(server, "the client's login failed")
        assert not server.datastore.sessions


async def test_a_call_without_a_login_is_ended(tmp_path: Path, office: Office) -> None:
    more = "<hello-timeout>1</hello-timeout>" + entry(office.port)
    async with running_server(tmp_path, more=more) as server:
        connection = await office.accept()
        await reason(server, "connected, and the client has not logged in")
        reader, writer = await asyncio.open_connection(sock=connection)
        assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"SSH-2.0-")
        writer.close()
        await reason(server, "the client did not log in and say hello in time")


async def test_a_session_lives_on_when_the_entry_is_deleted(tmp_path: Path, office: Office) -> None:
    async with called_over_tls(tmp_path, office, "ann") as (server, client):
        await client.exchange_hellos()
        gone = "<call-home nc:operation='delete'><name>office</name></call-home>"
        await client.ok(edit(gone))
        await client.data(GET)
        assert server.door._call_home.state() == ()


async def test_a_changed_entry_calls_elsewhere_and_an_unchanged_one_is_let_be(
    tmp_path: Path, office: Office
) -> None:
    other = Office()
    async with running_server(tmp_path, more=entry(office.port)) as server:
        first = await office.accept()
        local = await server.client()
        await local.ok(edit("<max-sessions>50</max-sessions>"))
        assert (await state(server)).attempts == 1
        await local.ok(edit(f"<call-home><name>office</name><port>{other.port}</port></call-home>"))
        (await other.accept()).close()
        reader, writer = await asyncio.open_connection(sock=first)
        assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"SSH-2.0-")  # and hung up
        writer.close()
    other.close()


async def test_calling_over_tls_needs_certificates(tmp_path: Path, office: Office) -> None:
    async with running_server(tmp_path) as server:
        local = await server.client()
        (error,) = await local.errors(edit(entry(office.port, "tls")))
        assert error["path"] == "/fxs:server/fxs:netconf/fxs:call-home[fxs:name='office']"
        assert "needs a certificate" in error["message"]


async def test_without_a_port_the_default_of_the_transport_is_called(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server:
        local = await server.client()
        await local.ok(edit(f"<call-home><name>office</name><address>{HOST}</address></call-home>"))
        (caller,) = server.door._call_home._callers.values()
        assert str(caller._peer) == f"{HOST}:4334"
