"""The SSH server: who gets in, what they may do there, and how much of it."""

from __future__ import annotations

import asyncio
import shutil
import socket
from pathlib import Path

import asyncssh
import pytest
from ncclient import manager
from ncclient.operations import RPCError
from tests.support.conditions import until
from tests.support.netconf_client import BASE, FE, FXS, RawClient, hello, rpc
from tests.support.netconf_server import HOST, Server, running_server
from tests.support.ports import free_port

from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.north import passwords
from flowexport_mgmt.north.netconf import gate
from flowexport_mgmt.north.netconf.refusals import Reason
from flowexport_mgmt.wire.netconf import END_OF_MESSAGE, Framing, encode

GET = "<get-config><source><running/></source></get-config>"
EDIT = (
    "<edit-config><target><running/></target><config>"
    f'<server xmlns="{FXS}"><netconf>{{}}</netconf></server></config></edit-config>'
)


async def connect(server: Server, **options: object) -> asyncssh.SSHClientConnection:
    """Log in as ann with her key, unless the options say otherwise."""
    settings: dict[str, object] = {
        "username": "ann",
        "client_keys": [server.key],
        "known_hosts": None,
        "config": None,
        "agent_path": None,
        "port": server.port,
    }
    return await asyncssh.connect(HOST, **(settings | options))


def host_key(connection: asyncssh.SSHClientConnection) -> bytes:
    key = connection.get_server_host_key()
    assert key is not None
    return key.public_data


async def ssh_state(server: Server) -> tuple[OperStatus | None, str | None]:
    node = (await server.door.state(()))["flow-export-server:server"]
    return node.netconf.ssh.oper_status, node.netconf.ssh.oper_reason  # type: ignore[attr-defined]


# -- real clients


def netconf_client(server: Server, **options: object) -> manager.Manager:
    settings: dict[str, object] = {
        "port": server.port,
        "username": "ann",
        "key_filename": server.key_file,
        "hostkey_verify": False,
        "allow_agent": False,
        "look_for_keys": False,
        "timeout": 20,
    }
    return manager.connect_ssh(HOST, **(settings | options))


def talk(server: Server) -> tuple[bool, str, str]:
    """Configure a collector with ncclient, get the data back, and make a mistake."""
    config = (
        f'<config><flow-export xmlns="{FE}"><collector><name>a</name>'
        "<address>192.0.2.1</address><protocol>ipfix</protocol></collector></flow-export></config>"
    )
    with netconf_client(server) as client:
        with client.locked("candidate"):
            client.edit_config(config, target="candidate")
            client.commit()
        chosen = ("xpath", ({"fe": FE}, "/fe:flow-export/fe:collector[fe:name='a']/fe:address"))
        data = client.get_config("running", filter=chosen).data_xml
        with pytest.raises(RPCError) as caught:
            client.edit_config(config.replace("192.0.2.1", "192.0.2.999"), target="candidate")
        return client.connected, data, f"{caught.value.tag} {caught.value.path.strip()}"


async def test_ncclient_configures_over_ssh(server: Server) -> None:
    connected, data, error = await asyncio.to_thread(talk, server)
    assert connected
    assert "192.0.2.1" in data
    assert error == "invalid-value /fe:flow-export/fe:collector[fe:name='a']/fe:address"
    await until(lambda: not server.datastore.sessions)


async def test_ncclient_over_the_unix_socket(server: Server) -> None:
    def read() -> str:
        with manager.connect_uds(str(server.socket), timeout=20) as client:
            return str(client.get_config("running").data_xml)

    assert "authorized-key" in await asyncio.to_thread(read)


@pytest.mark.skipif(shutil.which("ssh") is None, reason="openssh-client is not installed")
async def test_openssh_reads_a_conversation_from_its_input(server: Server) -> None:
    process = await asyncio.create_subprocess_exec(
        *(
            "ssh",
            "-F",
            "none",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
        ),
        *("-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"),
        *("-i", server.key_file, "-p", str(server.port), "-s", f"ann@{HOST}", "netconf"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    conversation = b"".join(
        message + END_OF_MESSAGE
        for message in (hello("1.0"), rpc(GET, 1), rpc("<close-session/>", 2))
    )
    out, err = await asyncio.wait_for(process.communicate(conversation), 20)
    assert process.returncode == 0, err
    greeting, data, ok, rest = out.split(END_OF_MESSAGE)
    assert b"<session-id>" in greeting
    assert b'message-id="1"' in data
    assert b"authorized-key" in data
    assert b"<ok/>" in ok
    assert rest == b""


# -- who gets in


async def test_another_key_and_another_user_are_refused(server: Server) -> None:
    for options in (
        {"client_keys": [asyncssh.generate_private_key("ssh-ed25519")]},
        {"username": "root"},
        {"client_keys": None},
        {"client_keys": None, "password": "", "preferred_auth": "password"},
    ):
        with pytest.raises(asyncssh.PermissionDenied):
            await connect(server, **options)
    await until(lambda: server.datastore.rejected_sessions == 4)
    assert not server.datastore.sessions


async def test_only_public_keys_are_offered_as_a_method(server: Server) -> None:
    assert list(await asyncssh.get_server_auth_methods(HOST, server.port)) == ["publickey"]


async def test_a_key_works_from_the_commit_on_and_no_longer_than_to_the_next(
    server: Server,
) -> None:
    key = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
    line = key.export_public_key().decode().strip()
    local = await server.client()
    user = f'<user operation="{{}}" xmlns:nc="{BASE}"><name>bob</name>{{}}</user>'
    edit = (
        "<edit-config><target><running/></target><config>"
        f'<server xmlns="{FXS}">{user}</server></config></edit-config>'
    ).replace(" operation=", " nc:operation=")
    options = {"username": "bob", "client_keys": [key]}
    with pytest.raises(asyncssh.PermissionDenied):
        await connect(server, **options)
    await local.ok(edit.format("create", f"<authorized-key>{line} bob</authorized-key>"))
    connection = await connect(server, **options)
    await local.ok(edit.format("delete", ""))
    with pytest.raises(asyncssh.PermissionDenied):
        await connect(server, **options)
    connection.close()


async def test_the_host_key_is_the_one_in_the_state(server: Server) -> None:
    connection = await connect(server)
    key = connection.get_server_host_key()
    assert key is not None
    local = await server.client()
    data = await local.data(
        f'<get><filter><server xmlns="{FXS}"><netconf/></server></filter></get>'
    )
    assert data.findtext(f".//{{{FXS}}}host-key-fingerprint") == key.get_fingerprint()
    assert connection.get_extra_info("recv_cipher") == "chacha20-poly1305@openssh.com"
    connection.close()


@pytest.mark.parametrize(
    "options",
    [
        {"kex_algs": "diffie-hellman-group14-sha1"},
        {"encryption_algs": "aes256-cbc"},
        {"encryption_algs": "aes256-ctr", "mac_algs": "hmac-sha1"},
    ],
)
async def test_old_algorithms_are_not_spoken(server: Server, options: dict[str, object]) -> None:
    with pytest.raises(asyncssh.KeyExchangeFailed):
        await connect(server, **options)


# -- what they may do there


async def test_there_is_only_the_netconf_subsystem(server: Server) -> None:
    connection = await connect(server)
    with pytest.raises(asyncssh.ChannelOpenError):
        await connection.run("id")
    with pytest.raises(asyncssh.ChannelOpenError):
        await connection.create_process()
    with pytest.raises(asyncssh.ChannelOpenError):
        await connection.create_process(subsystem="sftp")
    with pytest.raises(asyncssh.ChannelOpenError):
        await connection.open_connection("127.0.0.1", 22)
    with pytest.raises(asyncssh.ChannelOpenError):
        await connection.open_unix_connection("/run/x")
    with pytest.raises(asyncssh.ChannelListenError):
        await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", 22)
    with pytest.raises(asyncssh.ChannelOpenError):
        await connection.start_sftp_client()
    assert not server.datastore.sessions
    connection.close()


async def test_no_environment_is_taken(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    connection = await connect(server)
    caplog.set_level("DEBUG", "asyncssh")
    process = await connection.create_process(
        subsystem="netconf", env={"LD_PRELOAD": "x"}, encoding=None
    )
    channel = next(iter(server.door._ssh._server._connections))._channels
    assert [c.get_environment() for c in channel.values()] == [{}]
    process.close()
    connection.close()


async def test_who_asks_for_a_terminal_gets_octets_as_they_are(server: Server) -> None:
    connection = await connect(server)
    process = await connection.create_process(subsystem="netconf", term_type="xterm", encoding=None)
    message = rpc(GET.replace("/>", "\x09\x20\n/>"), "\x7f")
    process.stdin.write(hello("1.1") + END_OF_MESSAGE + encode(message, Framing.CHUNKED))
    await process.stdout.readuntil(END_OF_MESSAGE)
    reply = await process.stdout.readuntil(b"\n##\n")
    assert b'message-id="\x7f"' in reply
    assert b"\r" not in reply
    connection.close()


async def test_two_sessions_in_one_connection(server: Server) -> None:
    connection = await connect(server)
    first = await connection.create_process(subsystem="netconf", encoding=None)
    second = await connection.create_process(subsystem="netconf", encoding=None)
    for process in (first, second):
        await process.stdout.readuntil(END_OF_MESSAGE)
    assert len(server.datastore.sessions) == 2
    assert {(s.user, s.door) for s in server.datastore.sessions} == {("ann", "netconf-ssh")}
    first.stdin.write(hello("1.1") + END_OF_MESSAGE + encode(rpc(GET), Framing.CHUNKED))
    assert b"<data>" in await first.stdout.readuntil(b"\n##\n")
    first.stdin.write(encode(rpc("<close-session/>"), Framing.CHUNKED))
    await first.wait_closed()
    assert first.exit_status == 0
    assert len(server.datastore.sessions) == 1
    second.close()
    await connection.wait_closed()  # the server closes it after its last session
    assert not server.datastore.sessions


async def test_nothing_is_said_before_the_login(server: Server) -> None:
    """The banner of RFC 4253 is all that a stranger gets, whatever NETCONF he sends."""
    reader, writer = await asyncio.open_connection(HOST, server.port)
    assert (await reader.readline()).startswith(b"SSH-2.0-")
    writer.write(hello("1.0") + END_OF_MESSAGE + rpc(GET) + END_OF_MESSAGE + b"\n")
    rest = await asyncio.wait_for(reader.read(), 10)
    assert b"rpc-reply" not in rest
    assert b"hello" not in rest
    writer.close()
    assert not server.datastore.sessions


# -- how much of it


async def test_strangers_are_bounded_before_the_key_exchange(tmp_path: Path) -> None:
    more = "<max-unauthenticated>4</max-unauthenticated>"
    async with running_server(tmp_path, more=more) as server:
        strangers = [await asyncio.open_connection(HOST, server.port) for _ in range(3)]
        for reader, _ in strangers[:2]:
            assert (await reader.readline()).startswith(b"SSH-2.0-")
        oldest, _ = strangers[0]
        assert await asyncio.wait_for(oldest.read(), 10) == b""  # so that the third may speak
        assert (await strangers[2][0].readline()).startswith(b"SSH-2.0-")
        assert server.refusals[Reason.UNAUTHENTICATED] == 1
        for _, writer in strangers:
            writer.close()
        await until(lambda: server.datastore.rejected_sessions == 3)
        assert server.refusals[Reason.FAILED_LOGIN] == 2
        connection = await connect(server)  # who logged in is no stranger any more
        others = [await connect(server) for _ in range(4)]
        for each in (connection, *others):
            each.close()


async def test_fifty_sessions_at_once_from_one_address(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "GRACE", 60.0)  # one processor does the work of all fifty clients
    connections = await asyncio.gather(*(connect(server) for _ in range(50)))
    processes = await asyncio.gather(
        *(c.create_process(subsystem="netconf", encoding=None) for c in connections)
    )
    for process in processes:
        process.stdin.write(hello("1.1") + END_OF_MESSAGE + encode(rpc(GET), Framing.CHUNKED))
    for process in processes:
        await process.stdout.readuntil(END_OF_MESSAGE)
        assert b"<data>" in await process.stdout.readuntil(b"\n##\n")
    assert len(server.datastore.sessions) == 50
    assert server.datastore.rejected_sessions == 0
    for connection in connections:
        connection.close()
    await until(lambda: not server.datastore.sessions)


async def test_a_source_whose_logins_fail_has_to_wait(tmp_path: Path) -> None:
    more = "<max-failed-logins>3</max-failed-logins>"
    async with running_server(tmp_path, more=more) as server:
        stranger = asyncssh.generate_private_key("ssh-ed25519")
        for _ in range(3):
            with pytest.raises(asyncssh.PermissionDenied):
                await connect(server, client_keys=[stranger])
        await until(lambda: server.refusals[Reason.FAILED_LOGIN] == 3)
        reader, writer = await asyncio.open_connection(HOST, server.port)
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
        assert server.refusals[Reason.BLOCKED_SOURCE] == 1
        local = await server.client()
        await local.ok(EDIT.format("<max-failed-logins>1000</max-failed-logins>"))
        (await connect(server)).close()


async def test_connections_without_sessions_are_bounded_too(tmp_path: Path) -> None:
    async with running_server(tmp_path, more="<max-sessions>2</max-sessions>") as server:
        connections = [await connect(server) for _ in range(2)]
        with pytest.raises((asyncssh.DisconnectError, asyncssh.ChannelOpenError)):
            await (await connect(server)).create_process(subsystem="netconf")
        assert server.refusals[Reason.SESSIONS] == 1
        connections[0].close()
        await connections[0].wait_closed()
        (await connect(server)).close()
        connections[1].close()


@pytest.mark.parametrize("logged_in", [False, True])
async def test_login_and_hello_have_a_time_limit(tmp_path: Path, *, logged_in: bool) -> None:
    async with running_server(tmp_path, more="<hello-timeout>1</hello-timeout>") as server:
        if logged_in:
            connection = await connect(server)
            await asyncio.wait_for(connection.wait_closed(), 10)
        else:
            reader, writer = await asyncio.open_connection(HOST, server.port)
            await asyncio.wait_for(reader.read(), 10)
            assert reader.at_eof()
            writer.close()
        await until(lambda: server.refusals[Reason.LATE_HELLO] == 1)
        assert server.datastore.rejected_sessions == 1
        assert server.refusals[Reason.FAILED_LOGIN] == 0


async def test_a_session_past_the_limit_is_refused(tmp_path: Path) -> None:
    async with running_server(tmp_path, more="<max-sessions>1</max-sessions>") as server:
        await server.client()
        connection = await connect(server)
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.create_process(subsystem="netconf")
        connection.close()
        assert server.refusals[Reason.SESSIONS] == 1


async def test_a_client_that_tries_many_keys_is_sent_away(server: Server) -> None:
    keys = [asyncssh.generate_private_key("ssh-ed25519") for _ in range(30)]
    with pytest.raises(asyncssh.DisconnectError, match="too many keys"):
        await connect(server, client_keys=keys)


# -- passwords

PASSWORD = "Tr0ub4dor"


def user(name: str, inner: str) -> str:
    return (
        "<edit-config><target><running/></target><config>"
        f'<server xmlns="{FXS}"><user><name>{name}</name>{inner}</user></server>'
        "</config></edit-config>"
    )


async def with_password(server: Server, name: str = "ann") -> RawClient:
    local = await server.client()
    await local.ok(user(name, f"<password-hash>$0${PASSWORD}</password-hash>"))
    return local


async def methods(server: Server) -> set[str]:
    """Ask which methods a stranger is offered."""
    return set(await asyncssh.get_server_auth_methods(HOST, server.port, username="ann"))


async def test_a_password_opens_exactly_where_it_is_set(server: Server) -> None:
    assert await methods(server) == {"publickey"}
    local = await with_password(server)
    assert await methods(server) == {"publickey", "password", "keyboard-interactive"}
    for way in ("password", "keyboard-interactive"):
        settings = {"client_keys": None, "password": PASSWORD, "preferred_auth": way}
        connection = await connect(server, **settings)
        connection.close()
        for wrong in ({"password": "wrong"}, {"username": "eve"}, {"password": ""}):
            with pytest.raises(asyncssh.PermissionDenied):
                await connect(server, **(settings | wrong))
    (await connect(server)).close()  # the key is as good as before
    await local.ok(
        "<edit-config><target><running/></target><config>"
        f'<server xmlns="{FXS}" xmlns:nc="{BASE}"><user><name>ann</name>'
        '<password-hash nc:operation="delete"/></user></server></config></edit-config>'
    )
    assert await methods(server) == {"publickey"}


async def test_ncclient_logs_in_with_a_password(server: Server) -> None:
    await with_password(server)

    def log_in() -> str:
        settings = {"key_filename": None, "password": PASSWORD}
        with netconf_client(server, **settings) as client:
            return str(client.session_id)

    assert await asyncio.to_thread(log_in)


async def test_failed_passwords_are_counted_and_bounded(tmp_path: Path) -> None:
    more = "<max-failed-logins>4</max-failed-logins>"
    async with running_server(tmp_path, more=more) as server:
        await with_password(server)
        settings = {"client_keys": None, "password": "wrong", "preferred_auth": "password"}
        for _ in range(4):
            with pytest.raises(asyncssh.PermissionDenied):
                await connect(server, **settings)
        with pytest.raises((OSError, asyncssh.Error)):
            await connect(server, **(settings | {"password": PASSWORD}))
        assert server.refusals[Reason.FAILED_LOGIN] == 4
        assert server.refusals[Reason.BLOCKED_SOURCE] == 1


async def test_three_passwords_are_the_most_of_a_connection(server: Server) -> None:
    await with_password(server)
    tried = []

    class Guesser(asyncssh.SSHClient):
        def password_auth_requested(self) -> str:
            tried.append("wrong")
            return "wrong"

    with pytest.raises(asyncssh.DisconnectError, match="too many passwords"):
        await connect(server, client_keys=None, client_factory=Guesser, preferred_auth="password")
    assert len(tried) == 4


async def test_an_unknown_user_costs_the_same_work(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    await with_password(server)
    tried: list[str] = []

    def verify(password: str, stored: str) -> bool:
        tried.append(stored)
        return password == PASSWORD

    monkeypatch.setattr(passwords, "verify_password", verify)
    (ann,) = server.datastore.configuration.server.user
    for name, may in (("ann", True), ("eve", False)):
        settings = {"username": name, "password": PASSWORD, "client_keys": None}
        try:
            (await connect(server, **settings, preferred_auth="password")).close()
        except asyncssh.PermissionDenied:
            assert not may
    assert tried == [ann.password_hash] * 2


async def test_a_password_is_nowhere_in_the_log(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    await with_password(server)
    settings = {"client_keys": None, "password": PASSWORD, "preferred_auth": "password"}
    (await connect(server, **settings)).close()
    assert PASSWORD not in caplog.text


# -- the transaction


async def test_a_session_lives_on_when_the_port_moves(server: Server) -> None:
    connection = await connect(server)
    process = await connection.create_process(subsystem="netconf", encoding=None)
    process.stdin.write(hello("1.1") + END_OF_MESSAGE)
    await process.stdout.readuntil(END_OF_MESSAGE)
    other = free_port()
    move = (
        "<edit-config><target><running/></target><config>"
        f'<server xmlns="{FXS}"><netconf><ssh><port>{other}</port></ssh></netconf></server>'
        "</config></edit-config>"
    )
    process.stdin.write(encode(rpc(move), Framing.CHUNKED))
    assert b"<ok/>" in await process.stdout.readuntil(b"\n##\n")
    with pytest.raises(ConnectionRefusedError):
        await connect(server)
    second = await connect(server, port=other)
    process.stdin.write(encode(rpc(GET), Framing.CHUNKED))
    assert b"<data>" in await process.stdout.readuntil(b"\n##\n")
    second.close()
    connection.close()


async def test_the_door_can_be_closed_and_opened(server: Server) -> None:
    local = await server.client()
    edit = (
        "<edit-config><target><running/></target><config>"
        f'<server xmlns="{FXS}"><netconf><ssh><enabled>{{}}</enabled></ssh></netconf></server>'
        "</config></edit-config>"
    )
    await local.ok(edit.format("false"))
    assert await ssh_state(server) == (OperStatus.DISABLED, None)
    with pytest.raises(ConnectionRefusedError):
        await connect(server)
    await local.ok(edit.format("true"))
    connection = await connect(server)
    assert await ssh_state(server) == (OperStatus.UP, None)
    connection.close()


async def test_at_start_a_taken_port_leaves_the_door_down_until_it_is_free(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        async with running_server(tmp_path, port=port) as server:
            status, reason = await ssh_state(server)
            assert status is OperStatus.DOWN
            assert reason == f"cannot listen on {HOST}:{port}: Address already in use"
            local = await server.client()
            await local.data(GET)
            await local.close()
            taken.close()
            await until(lambda: server.door._ssh._listener.status is OperStatus.UP)
            (await connect(server)).close()


async def test_a_damaged_host_key_closes_only_this_door(tmp_path: Path) -> None:
    path = tmp_path / "ssh_host_ed25519_key"
    path.write_text("no key")
    path.chmod(0o600)
    async with running_server(tmp_path) as server:
        status, reason = await ssh_state(server)
        assert status is OperStatus.DOWN
        assert reason is not None
        assert str(path) in reason
        local = await server.client()
        await local.ok(EDIT.format("<max-sessions>9</max-sessions>"))
        other = f"<ssh><port>{free_port()}</port></ssh>"
        (error,) = await local.errors(EDIT.format(other))
        assert error["path"] == "/fxs:server/fxs:netconf/fxs:ssh"
        assert str(path) in error["message"]
        path.unlink()
        await local.ok(EDIT.format(other))
        assert await ssh_state(server) == (OperStatus.UP, None)


async def test_a_host_key_that_is_restored_opens_the_door_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "ssh_host_ed25519_key"
    path.write_text("no key")
    path.chmod(0o600)
    async with running_server(tmp_path) as server:
        assert (await ssh_state(server))[0] is OperStatus.DOWN
        key = asyncssh.generate_private_key("ssh-ed25519")
        path.write_bytes(key.export_private_key())
        await until(lambda: not server.door._ssh.is_short)
        connection = await connect(server)
        assert host_key(connection) == key.public_data
        connection.close()
        assert await ssh_state(server) == (OperStatus.UP, None)


async def test_a_reload_reads_the_host_key_anew(server: Server) -> None:
    path = server.folder / "ssh_host_ed25519_key"
    key = asyncssh.generate_private_key("ssh-ed25519")
    path.write_bytes(key.export_private_key())
    await server.datastore.restore(server.door)
    connection = await connect(server)
    assert host_key(connection) == key.public_data
    connection.close()
    path.write_text("no key")
    await server.datastore.restore(server.door)
    again = await connect(server)
    assert host_key(again) == key.public_data
    again.close()
