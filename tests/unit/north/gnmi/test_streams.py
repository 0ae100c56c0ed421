"""What ends a Subscribe RPC that its client would go on with, and what its user may still see."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.support import conditions
from tests.support.gnmi import (
    BOB,
    Client,
    Server,
    Stream,
    path,
    running_server,
    update,
    values,
    write_path,
)

A = "/flow-export/collector[name=a]"
ONCE, POLL, STREAM = 1, 2, 0
ON_CHANGE, SAMPLE = 1, 2
HIDDEN = {
    "name": "hidden",
    "path": "/flow-export:flow-export",
    "access-operations": "*",
    "action": "deny",
}
RULES = "/nacm/rule-list[name=others]"


@pytest.fixture
def bob(server: Server) -> Client:
    return server.client(BOB)


async def changed(stream: Stream) -> Any:
    """Give the next notification that is not what was told before."""
    async with asyncio.timeout(20):
        while True:
            told = await stream.update()
            if told.delete or values(told) != {f"{A}/port": 1}:
                return told


@pytest.mark.parametrize("mode", [ON_CHANGE, SAMPLE])
async def test_what_a_user_may_no_longer_read_is_deleted_for_him(
    client: Client, bob: Client, mode: int
) -> None:
    """At once, and what he may read again comes back; nobody else is told anything."""
    wanted = {"path": path(f"{A}/port"), "mode": mode, "sample_interval": 10**9 * (mode == SAMPLE)}
    stream, other = await bob.subscribe(wanted), await client.subscribe(wanted)
    assert await stream.state() == await other.state() == {f"{A}/port": 1}
    await client.set(update=[update(RULES, {"rule": [HIDDEN]})])
    told = await changed(stream)
    assert ([write_path(one) for one in told.delete], values(told)) == ([f"{A}/port"], {})
    await client.set(update=[update(f"{A}/port", 5)])
    told = await changed(other)
    assert (values(told), list(told.delete)) == ({f"{A}/port": 5}, [])
    await client.set(delete=[path(f"{RULES}/rule[name=hidden]")])
    assert values(await changed(stream)) == {f"{A}/port": 5}


@pytest.mark.parametrize("mode", [STREAM, POLL])
async def test_the_subscriptions_of_a_user_who_is_removed_end(
    server: Server, client: Client, bob: Client, mode: int
) -> None:
    stream = await bob.subscribe({"path": path(A), "mode": ON_CHANGE}, mode=mode)
    mine = await client.subscribe({"path": path(f"{A}/port"), "mode": ON_CHANGE})
    await mine.initial()
    engine = server.door.engine
    await conditions.until(
        lambda: sum(c.subscriptions or 0 for c in engine.clients.state()) == 2, 20
    )
    await client.set(delete=[path("/server/user[name=bob]")])
    assert (await stream.status())[0] == "UNAUTHENTICATED"
    assert (await bob.fails(bob.get(A)))[0] == "UNAUTHENTICATED"
    await client.set(update=[update(f"{A}/port", 5)])
    assert values(await mine.update()) == {f"{A}/port": 5}


@pytest.mark.parametrize("mode", [STREAM, POLL])
async def test_a_session_that_is_ended_ends_its_subscriptions_in_every_mode(
    server: Server, client: Client, mode: int
) -> None:
    stream = await client.subscribe({"path": path(A), "mode": ON_CHANGE}, mode=mode)
    if mode == POLL:
        await stream.poll()
    await stream.initial()
    (session,) = server.datastore.sessions
    server.datastore.kill_session(server.operator(), session.id)
    assert (await stream.status())[0] == "ABORTED"


async def test_a_server_that_stops_ends_those_who_poll(server: Server, client: Client) -> None:
    stream = await client.subscribe(A, mode=POLL)
    await stream.poll()
    await stream.initial()
    ended = asyncio.create_task(stream.status())
    await server.door.stop()
    assert (await ended)[0] == "UNAVAILABLE"


async def test_who_does_not_read_what_it_asked_for_once_is_ended(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that never ends is what a client looks like that does not read."""
    async with running_server(tmp_path, patience=0.2) as server:

        async def never(*_: object) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr("flowexport_mgmt.north.gnmi.server._Channel.write", never)
        stream = await server.client().subscribe("/server", mode=ONCE)
        code, message = await stream.status()
        assert (code, "has read nothing" in message) == ("RESOURCE_EXHAUSTED", True)
        assert server.door.engine.refusals.slow_clients == 1
