"""The TLS server: whose certificate gets in, and what happens to certificates meanwhile."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
import pytest
from tests.support.certificates import Authority, fingerprint
from tests.support.conditions import until
from tests.support.netconf_client import FXS, NAMESPACES, RawClient, hello, rpc
from tests.support.netconf_server import HOST, Server, running_server
from tests.support.ports import free_port

from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.model.server import NetconfTlsState, ServerState
from flowexport_mgmt.north.netconf.refusals import Reason
from flowexport_mgmt.wire.netconf import END_OF_MESSAGE

GET = "<get-config><source><running/></source></get-config>"
MONITORING = NAMESPACES["ncm"]
PATH = "/fxs:server/fxs:netconf/fxs:tls"


@dataclass(frozen=True)
class Tls:
    """A server with TLS, and the authority of its certificates."""

    server: Server
    authority: Authority
    port: int

    @property
    def keys(self) -> Path:
        return self.authority.folder

    def context(self, name: str | None) -> ssl.SSLContext:
        """Make the context of a client with a certificate."""
        context = ssl.create_default_context(cafile=self.keys / "ca.pem")
        if name is not None:
            context.load_cert_chain(self.keys / f"{name}.pem", self.keys / f"{name}.key")
        return context

    async def connect(self, name: str | None = "ann", port: int = 0) -> RawClient:
        """Connect with a certificate, and say nothing yet."""
        context = self.context(name)
        reader, writer = await asyncio.open_connection(HOST, port or self.port, ssl=context)
        self.server.clients.append(RawClient(reader, writer))
        return self.server.clients[-1]

    async def client(self, name: str = "ann", port: int = 0) -> RawClient:
        """Open a session."""
        client = await self.connect(name, port)
        await client.exchange_hellos()
        return client

    async def is_turned_away(self, name: str | None) -> bool:
        """Connect, and tell whether that comes to nothing: TLS 1.3 tells a client late."""
        try:
            client = await self.connect(name)
        except OSError:
            return True
        client.writer.write(hello("1.1") + END_OF_MESSAGE)
        return await client.closed()

    async def state(self) -> NetconfTlsState:
        found = (await self.server.door.state(()))["flow-export-server:server"]
        assert isinstance(found, ServerState)
        assert found.netconf is not None
        assert found.netconf.tls is not None
        return found.netconf.tls


def mapping(number: int, of: Path, kind: str, name: str = "") -> str:
    """Write an entry of cert-to-name."""
    given = f"<name>{name}</name>" if name else ""
    return (
        f"<cert-to-name><id>{number}</id><fingerprint>{fingerprint(of)}</fingerprint><map-type"
        f' xmlns:x="urn:ietf:params:xml:ns:yang:ietf-x509-cert-to-name">x:{kind}</map-type>{given}'
        "</cert-to-name>"
    )


def settings(keys: Path, port: int) -> str:
    """Write the configuration of a TLS server whose users are named by their certificates."""
    return (
        f"<tls><enabled>true</enabled><port>{port}</port><certificate>server.pem</certificate>"
        "<private-key>server.key</private-key><ca>ca.pem</ca>"
        f"{mapping(10, keys / 'ca.pem', 'common-name')}</tls>"
    )


def edit(inner: str, operation: str = "merge") -> str:
    return (
        f"<edit-config><target><running/></target><config><server xmlns='{FXS}'"
        " xmlns:nc='urn:ietf:params:xml:ns:netconf:base:1.0'><netconf>"
        f"<tls nc:operation='{operation}'>{inner}</tls></netconf></server></config></edit-config>"
    )


def make_keys(folder: Path) -> Authority:
    authority = Authority(folder)
    authority.issue("server", HOST)
    for name in ("ann", "eve"):
        authority.issue(name)
    return authority


@pytest.fixture
async def tls(tmp_path: Path) -> AsyncIterator[Tls]:
    authority, port = make_keys(tmp_path / "tls"), free_port()
    async with running_server(tmp_path, more=settings(authority.folder, port)) as server:
        yield Tls(server, authority, port)


# -- who gets in


async def test_a_certificate_of_a_user_opens_a_session(tls: Tls) -> None:
    client = await tls.client()
    await client.data(GET)
    (session,) = tls.server.datastore.sessions
    assert (session.user, session.door) == ("ann", "netconf-tls")
    assert session.source.startswith(f"{HOST}:")
    data = await client.data(f"<get><filter><netconf-state xmlns='{MONITORING}'/></filter></get>")
    assert data.findtext(".//ncm:transport", namespaces=NAMESPACES) == "ncm:netconf-tls"
    await client.ok("<close-session/>")
    assert await client.closed()
    await until(lambda: not tls.server.datastore.sessions)


async def test_a_certificate_of_nobody_opens_none(tls: Tls) -> None:
    assert await tls.is_turned_away("eve")  # signed by the authority, and no user
    await until(lambda: tls.server.refusals[Reason.FAILED_LOGIN] == 1)
    assert not tls.server.datastore.sessions


async def test_no_certificate_opens_no_session(tls: Tls) -> None:
    assert await tls.is_turned_away(None)
    await until(lambda: tls.server.refusals[Reason.FAILED_LOGIN] == 1)


async def test_a_certificate_of_another_authority_opens_no_session(
    tls: Tls, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other")
    other.issue("ann")
    for name in ("ann.pem", "ann.key"):
        shutil.copy(other.folder / name, tls.keys / name)
    assert await tls.is_turned_away("ann")
    await until(lambda: tls.server.refusals[Reason.FAILED_LOGIN] == 1)


async def test_an_expired_certificate_opens_no_session(tls: Tls) -> None:
    tls.authority.issue("ann", days=-1)
    assert await tls.is_turned_away("ann")


async def test_tls_1_1_is_not_spoken_and_tls_1_2_is(tls: Tls) -> None:
    context = tls.context("ann")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    reader, writer = await asyncio.open_connection(HOST, tls.port, ssl=context)
    assert b"<hello" in await reader.readuntil(END_OF_MESSAGE)
    writer.close()
    process = await asyncio.create_subprocess_exec(
        *("openssl", "s_client", "-connect", f"{HOST}:{tls.port}", "-tls1_1"),
        *("-cipher", "ALL:@SECLEVEL=0"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 20)
    assert b"Cipher is (NONE)" in output


async def test_nothing_is_answered_before_the_login(tls: Tls) -> None:
    reader, writer = await asyncio.open_connection(HOST, tls.port)
    writer.write(hello("1.0") + END_OF_MESSAGE + rpc(GET) + END_OF_MESSAGE)
    rest = await asyncio.wait_for(reader.read(), 10)
    assert b"hello" not in rest
    writer.close()
    assert not tls.server.datastore.sessions


async def test_an_rpc_in_the_same_write_as_the_hello_is_answered(tls: Tls) -> None:
    client = await tls.connect()
    client.writer.write(hello("1.0") + END_OF_MESSAGE + rpc(GET, "early") + END_OF_MESSAGE)
    await client.receive()
    client._waiting += client._decoder.resume(client.framing)
    assert b'message-id="early"' in await client.receive()


async def test_silent_connections_are_closed(tmp_path: Path) -> None:
    authority, port = make_keys(tmp_path / "tls"), free_port()
    more = "<hello-timeout>1</hello-timeout>" + settings(authority.folder, port)
    async with running_server(tmp_path, more=more) as server:
        tls = Tls(server, authority, port)
        reader, writer = await asyncio.open_connection(HOST, port)  # not even TLS
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
        await until(lambda: server.refusals[Reason.LATE_HELLO] == 1)
        silent = await tls.connect()  # logged in, and no hello
        await silent.receive()
        assert await silent.closed()
        await until(lambda: server.refusals[Reason.LATE_HELLO] == 2)


async def test_strangers_are_bounded_together_with_those_of_ssh(tmp_path: Path) -> None:
    authority, port = make_keys(tmp_path / "tls"), free_port()
    more = "<max-unauthenticated>2</max-unauthenticated>" + settings(authority.folder, port)
    async with running_server(tmp_path, more=more) as server:
        strangers = [await asyncio.open_connection(HOST, p) for p in (server.port, port, port)]
        for reader, _ in (strangers[0], strangers[2]):  # the latest goes first
            await asyncio.wait_for(reader.read(), 10)
        for _, writer in strangers:
            writer.close()
        await until(lambda: server.refusals[Reason.UNAUTHENTICATED] == 2)
        await (await Tls(server, authority, port).client()).data(GET)


async def test_a_session_past_the_limit_is_refused(tmp_path: Path) -> None:
    authority, port = make_keys(tmp_path / "tls"), free_port()
    more = "<max-sessions>1</max-sessions>" + settings(authority.folder, port)
    async with running_server(tmp_path, more=more) as server:
        tls = Tls(server, authority, port)
        await tls.client()
        assert await tls.is_turned_away("ann")
        assert server.refusals[Reason.SESSIONS] == 1


# -- certificates


async def test_the_state_tells_when_the_certificate_expires(tls: Tls) -> None:
    state = await tls.state()
    assert state.oper_status is OperStatus.UP
    with_openssl = await asyncio.create_subprocess_exec(
        *("openssl", "x509", "-noout", "-enddate", "-in", tls.keys / "server.pem"),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await with_openssl.communicate()
    assert state.certificate_expiry is not None
    told = msgspec.convert(state.certificate_expiry, datetime)
    assert told.timestamp() == ssl.cert_time_to_seconds(output.decode().strip().partition("=")[2])


async def test_renewed_certificates_are_used_and_sessions_live_on(tls: Tls) -> None:
    before = await tls.client()
    renewed = Authority(tls.keys, "ca")
    for name in ("server", "ann"):
        renewed.issue(name, HOST)
    await tls.server.datastore.restore(tls.server.door)  # as HUP does
    local = await tls.server.client()
    await local.ok(edit(mapping(20, tls.keys / "ca.pem", "common-name")))
    await (await tls.client()).data(GET)
    await before.data(GET)


@pytest.mark.parametrize(
    ("inner", "leaf", "words"),
    [
        ("<certificate>none.pem</certificate>", "certificate", "there is no such file in"),
        ("<certificate>empty.pem</certificate>", "certificate", "it holds no certificate"),
        ("<private-key>ann.key</private-key>", "private-key", "it does not belong to"),
        ("<ca>empty.pem</ca>", "ca", "it holds no certificates"),
    ],
)
async def test_a_commit_that_names_what_will_not_do_is_refused(
    tls: Tls, inner: str, leaf: str, words: str
) -> None:
    (tls.keys / "empty.pem").touch()
    local = await tls.server.client()
    (error,) = await local.errors(edit(inner))
    assert error["path"] == f"{PATH}/fxs:{leaf}"
    assert words in error["message"]
    await (await tls.client()).data(GET)


async def test_a_server_without_certificate_or_authority_is_refused(tls: Tls) -> None:
    local = await tls.server.client()
    (error,) = await local.errors(edit("<enabled>true</enabled>", "replace"))
    assert (error["path"], error["app-tag"]) == (PATH, "must-violation")


async def test_a_fingerprint_that_can_never_match_is_refused(tls: Tls) -> None:
    local = await tls.server.client()
    entry = mapping(20, tls.keys / "ca.pem", "specified", "ann")
    (error,) = await local.errors(edit(entry.replace("<fingerprint>04:", "<fingerprint>09:")))
    assert error["path"] == f"{PATH}/fxs:cert-to-name[fxs:id='20']/fxs:fingerprint"
    (error,) = await local.errors(edit(entry.replace("<name>ann</name>", "")))
    assert error["tag"] == "data-missing" or error["path"].endswith("fxs:name")


async def test_damaged_files_leave_the_old_certificates_in_use(tls: Tls) -> None:
    (tls.keys / "server.pem").write_text("nothing")
    await tls.server.datastore.restore(tls.server.door)
    state = await tls.state()
    assert state.oper_status is OperStatus.DEGRADED
    assert state.oper_reason == "certificate server.pem: it holds no certificate"
    await (await tls.client()).data(GET)
    local = await tls.server.client()
    other = "<edit-config><target><running/></target><config><server xmlns='{}'><netconf>"
    await local.ok(
        other.format(FXS)
        + "<max-sessions>50</max-sessions></netconf></server></config></edit-config>"
    )
    tls.authority.issue("server", HOST)
    await until(lambda: not tls.server.door._tls.is_short)  # it tries again by itself
    assert (await tls.state()).oper_status is OperStatus.UP


async def test_at_start_missing_files_close_only_this_door_until_they_are_there(
    tmp_path: Path,
) -> None:
    authority, port = make_keys(tmp_path / "tls"), free_port()
    (authority.folder / "server.pem").rename(tmp_path / "kept")
    async with running_server(tmp_path, more=settings(authority.folder, port)) as server:
        tls = Tls(server, authority, port)
        state = await tls.state()
        assert state.oper_status is OperStatus.DOWN
        assert "certificate server.pem: there is no such file in" in (state.oper_reason or "")
        (tmp_path / "kept").rename(authority.folder / "server.pem")
        await until(lambda: not server.door._tls.is_short)
        await (await tls.client()).data(GET)


async def test_an_expired_certificate_of_ours_is_told(tls: Tls) -> None:
    tls.authority.issue("server", HOST, days=-1)
    await tls.server.datastore.restore(tls.server.door)
    state = await tls.state()
    assert state.oper_status is OperStatus.DEGRADED
    assert "the certificate expired on" in (state.oper_reason or "")


async def test_the_door_can_be_moved_and_closed(tls: Tls) -> None:
    before, port = await tls.client(), free_port()
    local = await tls.server.client()
    await local.ok(edit(f"<port>{port}</port>"))
    await (await tls.client(port=port)).data(GET)
    with pytest.raises(ConnectionRefusedError):
        await tls.connect()
    await local.ok(edit("<enabled>false</enabled>"))
    with pytest.raises(ConnectionRefusedError):
        await tls.connect(port=port)
    assert (await tls.state()).oper_status is OperStatus.DISABLED
    await before.data(GET)


async def test_doors_on_one_port_are_refused(tls: Tls) -> None:
    local = await tls.server.client()
    (error,) = await local.errors(edit(f"<port>{tls.server.port}</port>"))
    assert error["path"] == f"{PATH}/fxs:port"
    assert "NETCONF over SSH" in error["message"]
