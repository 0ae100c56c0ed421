"""The door: TLS, certificates, users, ports, and what happens to them in commits."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
from grpc import aio
from tests.support import conditions
from tests.support.certificates import Authority, fingerprint
from tests.support.gnmi import (
    ANN,
    HOST,
    Client,
    Server,
    collector,
    flow_export,
    path,
    running_server,
    update,
    values,
)
from tests.support.ports import free_port

from flowexport_mgmt.link.messages import Refusal
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.north.gnmi import messages as m
from flowexport_mgmt.north.gnmi.door import SELF_SIGNED

PORT = "/flow-export/collector[name=a]/port"
MORE = flow_export(collector("a", 1))
TLS: dict[str, Any] = {"plaintext": False}


async def state(server: Server) -> Any:
    told = await server.door.state(())
    return told["flow-export-server:server"].gnmi  # type: ignore[attr-defined]


def certificate(pem: bytes) -> bytes:
    """Take the certificate out of a file that also holds the key."""
    return pem[pem.index(b"-----BEGIN CERTIFICATE") :]


# -- TLS


async def test_without_a_certificate_it_makes_its_own_and_keeps_it(tmp_path: Path) -> None:
    made = tmp_path / "tls" / SELF_SIGNED
    roots = []
    for _ in range(2):
        async with running_server(tmp_path, gnmi=TLS, more=MORE) as server:
            assert made.stat().st_mode & 0o777 == 0o600
            roots.append(made.read_bytes())
            client = server.secure(certificate(roots[-1]))
            assert await client.value(PORT) == 1
            assert (await state(server)).tls.certificate_expiry
        shutil.rmtree(tmp_path / "state")
    assert roots[0] == roots[1]


async def test_who_expects_another_certificate_gets_nowhere(tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    async with running_server(tmp_path, gnmi=TLS, more=MORE) as server:
        client = server.secure((other.folder / "ca.pem").read_bytes())
        assert (await client.fails(client.value(PORT)))[0] == "UNAVAILABLE"
        plain = server.client()
        assert (await plain.fails(plain.value(PORT)))[0] == "UNAVAILABLE"


def mutual(folder: Path, **more: Any) -> dict[str, Any]:
    """Make certificates of a server and of clients, and the settings of the former."""
    authority = Authority(folder / "tls")
    authority.issue("server", "localhost", "127.0.0.1")
    authority.issue("client", "ann@example.net")
    ca = fingerprint(folder / "tls" / "ca.pem")
    entry = {"id": 1, "fingerprint": ca, "map-type": "ietf-x509-cert-to-name:specified"}
    tls = {
        "certificate": "server.pem",
        "private-key": "server.key",
        "ca": "ca.pem",
        "cert-to-name": [{**entry, "name": "ann", **more}],
    }
    return {"plaintext": False, "tls": tls}


def certified(server: Server, metadata: Any = ()) -> Client:
    folder = server.folder / "tls"
    ca, key, chain = (
        (folder / f"{n}").read_bytes() for n in ("ca.pem", "client.key", "client.pem")
    )
    return server.secure(ca, key, chain, metadata)


async def test_a_certificate_is_a_user(tmp_path: Path) -> None:
    gnmi = mutual(tmp_path)
    async with running_server(tmp_path, gnmi=gnmi, more=MORE) as server:
        client = certified(server)
        assert await client.value(PORT) == 1
        await client.set(update=[update(PORT, 5)])
        assert server.datastore.record.user == "ann"
        assert await certified(server, [("username", "ann")]).value(PORT) == 5
        bob = certified(server, [("username", "bob")])
        assert (await bob.fails(bob.value(PORT)))[0] == "UNAUTHENTICATED"
        assert await certified(server, ANN).value(PORT) == 5
        without = server.secure((tmp_path / "tls" / "ca.pem").read_bytes())
        assert (await without.fails(without.value(PORT)))[0] == "UNAVAILABLE"


async def test_a_certificate_of_another_authority_gets_nowhere(tmp_path: Path) -> None:
    """Not even with the right password, and whatever the authority calls itself."""
    other = Authority(tmp_path / "other")
    other.issue("client", "ann@example.net")
    async with running_server(tmp_path, gnmi=mutual(tmp_path), more=MORE) as server:
        ca = (tmp_path / "tls" / "ca.pem").read_bytes()
        key, chain = ((other.folder / f"client.{end}").read_bytes() for end in ("key", "pem"))
        stranger = server.secure(ca, key, chain)
        assert (await stranger.fails(stranger.value(PORT)))[0] == "UNAVAILABLE"
        assert await certified(server).value(PORT) == 1


async def test_a_certificate_of_nobody_needs_a_password(tmp_path: Path) -> None:
    gnmi = mutual(tmp_path, name="carol")
    async with running_server(tmp_path, gnmi=gnmi, more=MORE) as server:
        client = certified(server)
        code, message = await client.fails(client.value(PORT))
        assert (code, "no user" in message) == ("UNAUTHENTICATED", True)
        assert await certified(server, ANN).value(PORT) == 1


async def test_new_certificates_reach_new_connections_and_old_ones_live_on(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path / "tls")
    authority.issue("server", "localhost")
    gnmi = {"plaintext": False, "tls": {"certificate": "server.pem", "private-key": "server.key"}}
    first = (tmp_path / "tls" / "ca.pem").read_bytes()
    async with running_server(tmp_path, gnmi=gnmi, more=MORE) as server:
        client = server.secure(first)
        stream = await client.subscribe({"path": path(PORT), "mode": 1})
        await stream.initial()
        Authority(tmp_path / "tls").issue("server", "localhost")
        await server.datastore.restore(server.door)
        second = (tmp_path / "tls" / "ca.pem").read_bytes()
        assert await server.secure(second).value(PORT) == 1
        late = server.secure(first)
        assert (await late.fails(late.value(PORT)))[0] == "UNAVAILABLE"
        await client.set(update=[update(PORT, 5)])
        assert values(await stream.update()) == {PORT: 5}


async def test_a_missing_file_refuses_a_commit_and_degrades_a_start(tmp_path: Path) -> None:
    gnmi = {"plaintext": False, "tls": {"certificate": "none.pem"}}
    async with running_server(tmp_path, gnmi=gnmi, more=MORE) as server:
        told = await state(server)
        assert (told.oper_status, "none.pem" in told.oper_reason) == (OperStatus.DOWN, True)
        Authority(tmp_path / "made").issue("none", "localhost")
        made = tmp_path / "made"
        (tmp_path / "tls").mkdir(exist_ok=True)
        both = (made / "none.pem").read_bytes() + (made / "none.key").read_bytes()
        (tmp_path / "tls" / "none.pem").write_bytes(both)
        client = server.secure((made / "ca.pem").read_bytes())
        await conditions.until(lambda: server.door._serving is not None, 20)
        assert await client.value(PORT) == 1
        call = client.set(update=[update("/server/gnmi/tls/ca", "absent.pem")])
        code, message = await client.fails(call)
        assert (code, "absent.pem" in message) == ("FAILED_PRECONDITION", True)
        assert await client.value(PORT) == 1


async def test_a_fingerprint_that_cannot_match_is_refused(tmp_path: Path) -> None:
    async with running_server(tmp_path, more=MORE) as server:
        client = server.client()
        entry = {"id": 1, "fingerprint": "04:00", "map-type": "specified", "name": "ann"}
        entry["map-type"] = "ietf-x509-cert-to-name:specified"
        call = client.set(update=[update("/server/gnmi/tls/cert-to-name", [entry])])
        assert (await client.fails(call))[0] == "FAILED_PRECONDITION"


# -- plaintext


async def test_plaintext_is_for_loopback_only(tmp_path: Path) -> None:
    async with running_server(tmp_path, more=MORE) as server:
        client = server.client()
        for address in ("0.0.0.0", "192.0.2.1", "::"):
            call = client.set(update=[update("/server/gnmi/address", address)])
            code, message = await client.fails(call)
            assert code in ("INVALID_ARGUMENT", "FAILED_PRECONDITION")
            assert "loopback" in message


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        (("username", "ann"),),
        (("password", "secret"),),
        (("username", "ann"), ("password", "wrong")),
        (("username", "nobody"), ("password", "secret")),
        (("username", ""), ("password", "")),
    ],
)
async def test_users_are_asked_for_without_tls_too(tmp_path: Path, metadata: Any) -> None:
    async with running_server(tmp_path, more=MORE) as server:
        client = server.client(metadata)
        assert (await client.fails(client.value(PORT)))[0] == "UNAUTHENTICATED"
        assert (await client.fails(client.capabilities()))[0] == "UNAUTHENTICATED"
        stream = await client.subscribe(PORT)
        assert (await stream.status())[0] == "UNAUTHENTICATED"
        assert server.door.engine.refusals.failed_logins == 3
        assert not server.datastore.sessions


async def test_failed_logins_from_an_address_are_bounded(tmp_path: Path) -> None:
    async with running_server(tmp_path, more=MORE) as server:
        client = server.client(())
        for _ in range(25):
            assert (await client.fails(client.value(PORT)))[0] == "UNAUTHENTICATED"
        assert server.door.engine.refusals.blocked_sources > 0
        good = server.client()
        code, message = await good.fails(good.value(PORT))
        assert (code, "wait" in message) == ("UNAUTHENTICATED", True)


async def test_a_new_password_counts_at_once(tmp_path: Path) -> None:
    async with running_server(tmp_path, more=MORE) as server:
        client = server.client()
        await client.value(PORT)
        await client.set(
            update=[update("/server/user[name=ann]/password-hash", "$0$another secret")]
        )
        assert (await client.fails(client.value(PORT)))[0] == "UNAUTHENTICATED"
        other = server.client((("username", "ann"), ("password", "another secret")))
        assert await other.value(PORT) == 1


# -- ports


async def test_a_commit_moves_the_door_and_streams_live_on(tmp_path: Path) -> None:
    async with running_server(tmp_path, more=MORE) as server:
        client = server.client()
        stream = await client.subscribe({"path": path(PORT), "mode": 1})
        await stream.initial()
        port = free_port()
        await client.set(update=[update("/server/gnmi/port", port)])
        server.port = port
        moved = server.client()
        await moved.set(update=[update(PORT, 5)])
        assert values(await stream.update()) == {PORT: 5}


async def test_an_occupied_port_refuses_a_commit(tmp_path: Path) -> None:
    async with running_server(tmp_path, more=MORE) as server:
        client = server.client()
        with socket.create_server((HOST, 0)) as taken:
            port = taken.getsockname()[1]
            call = client.set(update=[update("/server/gnmi/port", port)])
            code, message = await client.fails(call)
            assert (code, "in use" in message) == ("FAILED_PRECONDITION", True)
        assert await client.value(PORT) == 1


class Refusing:
    """Takes part in commits, and refuses all."""

    paths = ("/",)

    async def prepare(self, *_: object, **__: object) -> list[Refusal]:
        return [Refusal(path="/", message="not now")]

    async def apply(self) -> None: ...

    async def abort(self) -> None: ...

    async def stop(self) -> None: ...


async def test_a_commit_that_another_refuses_leaves_the_new_port_free(tmp_path: Path) -> None:
    async with running_server(tmp_path, more=MORE) as server:
        server.datastore.register(Refusing())
        client = server.client()
        port = free_port()
        call = client.set(update=[update("/server/gnmi/port", port)])
        assert "not now" in (await client.fails(call))[1]
        socket.create_server((HOST, port)).close()
        assert await client.value(PORT) == 1


async def test_an_occupied_port_at_start_is_tried_again(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        server_context = running_server(tmp_path, gnmi={"port": port}, more=MORE)
        server = await server_context.__aenter__()
        server.port = port
        told = await state(server)
        assert (told.oper_status, "in use" in told.oper_reason) == (OperStatus.DOWN, True)
    try:
        await conditions.until(lambda: server.door._serving is not None, 20)
        assert await server.client().value(PORT) == 1
    finally:
        await server_context.__aexit__(None, None, None)


async def test_tls_comes_and_goes_on_the_same_port(tmp_path: Path) -> None:
    async with running_server(tmp_path, more=MORE) as server:
        client = server.client()
        await client.set(update=[update("/server/gnmi/plaintext", value=False)])
        root = certificate((tmp_path / "tls" / SELF_SIGNED).read_bytes())
        await conditions.until(lambda: server.door.is_secure, 20)
        secure = server.secure(root)
        assert await secure.value(PORT) == 1
        assert (await state(server)).oper_status is OperStatus.UP


async def test_a_door_that_is_closed_and_opened(tmp_path: Path) -> None:
    async with running_server(tmp_path, more=MORE) as server:
        client = server.client()
        await client.set(update=[update("/server/gnmi/enabled", value=False)])
        assert (await state(server)).oper_status is OperStatus.DISABLED
        late = server.client()
        assert (await late.fails(late.value(PORT)))[0] == "UNAVAILABLE"


# -- limits


async def test_an_idle_client_makes_room_and_a_busy_one_does_not(tmp_path: Path) -> None:
    async with running_server(tmp_path, gnmi={"max-sessions": 1}, more=MORE) as server:
        first, second, third = (server.client() for _ in range(3))
        await first.value(PORT)
        stream = await second.subscribe({"path": path(PORT), "mode": 1})
        await stream.initial()
        assert len(server.datastore.sessions) == 1
        assert (await third.fails(third.value(PORT)))[0] == "RESOURCE_EXHAUSTED"
        assert server.door.engine.refusals.sessions == 1
        stream.cancel()
        engine = server.door.engine
        await conditions.until(lambda: engine.clients.state()[0].subscriptions == 0, 20)
        assert await third.value(PORT) == 1


async def test_a_request_that_is_too_large(tmp_path: Path) -> None:
    async with running_server(tmp_path, more=MORE) as server:
        client = server.client()
        large = client.call("Get", b"\0" * (17 * 1024 * 1024), m.GetResponse)
        assert (await client.fails(large))[0] == "RESOURCE_EXHAUSTED"
        assert await client.value(PORT) == 1


async def test_unknown_methods(tmp_path: Path) -> None:
    async with running_server(tmp_path, more=MORE) as server:
        client = server.client()
        with pytest.raises(aio.AioRpcError) as failed:
            await client.channel.unary_unary("/gnmi.gNMI/Nothing")(b"", metadata=ANN)
        assert failed.value.code().name == "UNIMPLEMENTED"


async def test_a_failure_of_ours_is_a_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_server(tmp_path, more=MORE) as server:
        client = server.client()

        def broken(*_: object) -> None:
            raise ZeroDivisionError("oops")

        monkeypatch.setattr(server.door.engine.reader, "operational", broken)
        code, message = await client.fails(client.value(PORT))
        assert (code, "oops" in message) == ("INTERNAL", False)


async def test_that_nobody_is_there_any_more_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def gone(*_: object) -> None:
        raise aio.InternalError("there is no connection")

    async with running_server(tmp_path, more=MORE) as server:
        monkeypatch.setattr("flowexport_mgmt.north.gnmi.server._Channel.write", gone)
        stream = await server.client().subscribe(PORT, mode=1)
        await stream.status()
        clients = server.door.engine.clients
        await conditions.until(lambda: clients.state()[0].subscriptions == 0, 20)
    assert "an RPC failed" not in caplog.text
