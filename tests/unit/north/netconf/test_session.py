"""Sessions over the local socket: hellos, framing, order, limits and ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest
from lxml import etree
from tests.support.conditions import until
from tests.support.netconf_client import BASE, NAMESPACES, RawClient, hello, read_errors, rpc
from tests.support.netconf_server import Server, running_server

from flowexport_mgmt.north.netconf.refusals import Reason
from flowexport_mgmt.wire.netconf import END_OF_MESSAGE, MAX_MESSAGE, Framing, encode

GET = "<get-config><source><running/></source></get-config>"
LOCK = "<lock><target><running/></target></lock>"
MONITORING = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"
BIG = f"<get-schema xmlns='{MONITORING}'><identifier>ietf-interfaces</identifier></get-schema>"
HELLO_1_1 = hello("1.1").decode().removesuffix("</hello>")
STATISTICS = (
    f"<get><filter><netconf-state xmlns='{MONITORING}'><statistics/></netconf-state></filter></get>"
)


async def statistic(server: Server, name: str) -> int:
    """Read a counter of ietf-netconf-monitoring, in a session of its own."""
    client = await server.client()
    data = await client.data(STATISTICS)
    return int(data.findtext(f".//ncm:{name}", namespaces=NAMESPACES) or -1)


async def send_all(client: RawClient, messages: Iterable[bytes]) -> None:
    """Send messages no faster than the server takes them."""
    for message in messages:
        client.send(message)
        await client.writer.drain()


# -- hellos


async def test_the_server_says_hello_at_once(server: Server) -> None:
    client = await server.connect()
    greeting = etree.fromstring(await client.receive())
    assert greeting.tag == f"{{{BASE}}}hello"
    assert greeting.findtext("nc:session-id", namespaces=NAMESPACES) == "1"
    listed = {e.text for e in greeting.iterfind(".//nc:capability", NAMESPACES)}
    assert "urn:ietf:params:netconf:base:1.0" in listed
    assert "urn:ietf:params:netconf:base:1.1" in listed
    assert "urn:ietf:params:netconf:capability:candidate:1.0" in listed


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_an_rpc_in_the_same_write_as_the_hello_is_answered(
    server: Server, version: str
) -> None:
    client = await server.connect()
    framing = Framing.CHUNKED if version == "1.1" else Framing.END_OF_MESSAGE
    await client.exchange_hellos(version, ahead=encode(rpc(GET, "early"), framing))
    assert etree.fromstring(await client.receive()).get("message-id") == "early"


@pytest.mark.parametrize(
    "message",
    [
        f"{HELLO_1_1}<session-id>4</session-id></hello>",
        f'<hello xmlns="{BASE}"><capabilities/></hello>',
        rpc(GET).decode(),
        "<hello",
        "<!DOCTYPE hello><hello/>",
    ],
    ids=["session-id", "no base", "rpc first", "not well-formed", "doctype"],
)
async def test_a_bad_hello_closes_the_session(server: Server, message: str) -> None:
    client = await server.connect()
    await client.receive()
    client.writer.write(message.encode() + END_OF_MESSAGE)
    assert await client.closed()
    assert await statistic(server, "in-bad-hellos") == 1


async def test_a_client_that_says_nothing_is_closed(tmp_path: Path) -> None:
    more = "<hello-timeout>1</hello-timeout>"
    async with running_server(tmp_path, more=more) as server:
        talker = await server.client()
        silent = await server.connect()
        await silent.receive()
        silent.writer.write(hello("1.1"))  # without the end of the message
        assert await silent.closed()
        await talker.data(GET)  # who said hello in time may then be silent for longer
        await talker.close()


async def test_an_idle_session_is_ended_and_its_locks_with_it(tmp_path: Path) -> None:
    async with running_server(tmp_path, more="<idle-timeout>1</idle-timeout>") as server:
        client = await server.client()
        await client.ok(LOCK)
        assert await client.closed()
        await until(lambda: not server.datastore.sessions)
        assert server.refusals[Reason.IDLE] == 1
        await (await server.client()).ok(LOCK)


async def test_an_idle_timeout_counts_for_the_sessions_that_are_there(server: Server) -> None:
    client, other = await server.client(), await server.client()
    edit = (
        "<edit-config><target><running/></target><config><server"
        " xmlns='urn:flowexport:flow-export-server'><netconf><idle-timeout>1</idle-timeout>"
        "</netconf></server></config></edit-config>"
    )
    await client.ok(edit)
    assert await other.closed()
    assert await client.closed()


async def test_a_message_that_is_too_large_closes_the_session(server: Server) -> None:
    client = await server.client()
    room = MAX_MESSAGE + 1 - (1 << 20)
    try:
        client.writer.write(b"\n#%d\n" % room + b" " * room)
        await client.writer.drain()
        client.writer.write(b"\n#%d\n" % (1 << 20))
    except ConnectionError:
        pass
    assert await client.closed()
    await until(lambda: not server.datastore.sessions)
    assert server.refusals[Reason.OVERSIZED] == 1
    assert server.refusals[Reason.MALFORMED] == 0


async def test_large_requests_sent_ahead_are_not_all_held(server: Server) -> None:
    """A client that sends more than is answered is read no further, whatever it sends."""
    client = await server.client()
    (session,) = server.datastore.sessions
    padded = rpc(BIG + " " * (4 << 20))
    count = 12
    sending = asyncio.ensure_future(send_all(client, [padded] * count))
    for _ in range(count):
        assert etree.fromstring(await client.receive()).get("message-id") == "1"
    await sending
    assert session.in_rpcs == count


async def test_a_second_hello_is_no_rpc(server: Server) -> None:
    client = await server.client()
    client.send(hello("1.1"))
    (error,) = read_errors(etree.fromstring(await client.receive()))
    assert error["tag"] == "malformed-message"
    await client.data(GET)


# -- requests


async def test_an_rpc_that_comes_octet_by_octet_is_answered(server: Server) -> None:
    client = await server.client()
    for octet in encode(rpc(GET, 5), Framing.CHUNKED):
        client.writer.write(bytes([octet]))
        await client.writer.drain()
    assert etree.fromstring(await client.receive()).get("message-id") == "5"


async def test_requests_sent_ahead_are_answered_in_order(server: Server) -> None:
    client = await server.client()
    client.writer.write(b"".join(encode(rpc(GET, n), Framing.CHUNKED) for n in range(300)))
    replies = [etree.fromstring(await client.receive()).get("message-id") for _ in range(300)]
    assert replies == [str(n) for n in range(300)]


async def test_a_client_that_does_not_read_is_not_worked_for(server: Server) -> None:
    client = await server.client()
    (session,) = server.datastore.sessions
    count = 500
    client.writer.write(b"".join(encode(rpc(BIG, n), Framing.CHUNKED) for n in range(count)))
    settled = 0
    while settled != session.in_rpcs or not settled:
        settled = session.in_rpcs
        await asyncio.wait([asyncio.ensure_future(client.writer.drain())], timeout=0.2)
    assert settled < count
    for n in range(count):
        assert etree.fromstring(await client.receive()).get("message-id") == str(n)


async def test_what_was_asked_before_the_end_of_the_input_is_answered(server: Server) -> None:
    client = await server.client()
    client.writer.write(b"".join(encode(rpc(GET, n), Framing.CHUNKED) for n in range(3)))
    client.writer.write_eof()
    replies = [etree.fromstring(await client.receive()).get("message-id") for _ in range(3)]
    assert replies == ["0", "1", "2"]
    assert await client.closed()


@pytest.mark.parametrize(
    "octets",
    [b"\n#0\n", b"\n#x\n", b"<rpc/>", b"\n##\n", b"\n#67108865\n"],
    ids=["zero", "not a number", "no chunk", "empty message", "too large"],
)
async def test_a_bad_chunk_header_closes_the_session(server: Server, octets: bytes) -> None:
    client = await server.client()
    client.writer.write(octets)
    assert await client.closed()
    await until(lambda: not server.datastore.sessions)
    assert await statistic(server, "dropped-sessions") == 1


@pytest.mark.parametrize("broken", [b"\n#x\n", b"\n#67108865\n"], ids=["header", "too large"])
async def test_requests_before_a_broken_frame_are_answered(server: Server, broken: bytes) -> None:
    client = await server.client()
    whole = b"".join(encode(rpc(GET, n), Framing.CHUNKED) for n in range(3))
    client.writer.write(whole + broken + whole)
    replies = [etree.fromstring(await client.receive()).get("message-id") for _ in range(3)]
    assert replies == ["0", "1", "2"]
    assert await client.closed()
    assert await statistic(server, "dropped-sessions") == 1


@pytest.mark.parametrize(
    "message",
    [b"<rpc", b"<!DOCTYPE rpc><rpc/>", b'<rpc message-id="1"/>', b"\xff"],
    ids=["not well-formed", "doctype", "no namespace", "not UTF-8"],
)
async def test_a_malformed_message_is_told_and_the_session_goes_on(
    server: Server, message: bytes
) -> None:
    client = await server.client()
    client.send(message)
    reply = etree.fromstring(await client.receive())
    assert reply.get("message-id") is None
    (error,) = read_errors(reply)
    assert (error["type"], error["tag"]) == ("rpc", "malformed-message")
    await client.data(GET)
    (session,) = server.datastore.sessions
    assert (session.in_rpcs, session.in_bad_rpcs, session.out_rpc_errors) == (1, 1, 1)


async def test_a_malformed_message_ends_a_base_1_0_session(server: Server) -> None:
    """RFC 6241, appendix A: malformed-message must not be sent to old clients."""
    client = await server.client("1.0")
    await client.data(GET)
    client.send(b"<rpc")
    assert await client.closed()


async def test_an_rpc_without_a_message_id(server: Server) -> None:
    client = await server.client()
    client.send(f'<rpc xmlns="{BASE}" xmlns:x="urn:x" x:n="1"><get/></rpc>'.encode())
    reply = etree.fromstring(await client.receive())
    assert reply.get("{urn:x}n") == "1"
    (error,) = read_errors(reply)
    assert error["type"] == "rpc"
    assert error["tag"] == "missing-attribute"
    assert error["bad-attribute"] == "message-id"
    assert error["bad-element"] == "rpc"


# -- ends


async def test_close_session_is_answered_and_ends_it(server: Server) -> None:
    client = await server.client()
    client.send(rpc("<close-session/>", 1))
    client.send(rpc(GET, 2))
    reply = etree.fromstring(await client.receive())
    assert reply.get("message-id") == "1"
    assert [child.tag for child in reply] == [f"{{{BASE}}}ok"]
    assert await client.closed()
    await until(lambda: not server.datastore.sessions)


async def test_kill_session_ends_the_other_at_once_with_its_locks(server: Server) -> None:
    victim, killer = await server.client(), await server.client()
    await victim.ok(LOCK)
    await killer.ok(f"<kill-session><session-id>{victim.session_id}</session-id></kill-session>")
    await killer.ok(LOCK)
    assert await victim.closed()
    assert [session.id for session in server.datastore.sessions] == [killer.session_id]
    assert await statistic(server, "dropped-sessions") == 1


async def test_a_client_that_vanishes_leaves_no_lock(server: Server) -> None:
    gone, other = await server.client(), await server.client()
    await gone.ok(LOCK)
    gone.writer.transport.abort()
    await until(lambda: len(server.datastore.sessions) == 1)
    await other.ok(LOCK)


async def test_sessions_are_limited(tmp_path: Path) -> None:
    async with running_server(tmp_path, more="<max-sessions>2</max-sessions>") as server:
        first, second = await server.client(), await server.client()
        third = await server.connect()
        assert await third.closed()
        assert server.datastore.rejected_sessions == 1
        await first.ok("<close-session/>")
        await until(lambda: len(server.datastore.sessions) == 1)
        fourth = await server.client()
        await fourth.data(GET)
        await second.close()
        await fourth.close()


async def test_a_stop_ends_every_session(server: Server) -> None:
    clients = [await server.client() for _ in range(3)]
    await server.door.stop()
    for client in clients:
        assert await client.closed()
    assert not server.datastore.sessions
