"""Confirmed commits as a client sees them (RFC 6241, section 8.4)."""

from __future__ import annotations

import pytest
from lxml import etree
from tests.support.conditions import until
from tests.support.netconf_client import FE, NAMESPACES, RawClient
from tests.support.netconf_server import Server, running

ONE = (
    f'<flow-export xmlns="{FE}"><collector><name>a</name><address>192.0.2.1</address>'
    "<protocol>ipfix</protocol></collector></flow-export>"
)
EDIT = f"<edit-config><target><candidate/></target><config>{ONE}</config></edit-config>"
DIRECT = EDIT.replace("candidate", "running")
LOCK = "<lock><target><running/></target></lock>"
CONFIRMED = "<commit><confirmed/></commit>"
LASTING = "<commit><confirmed/><persist>a token</persist></commit>"
PERSIST_ID = "<persist-id>a token</persist-id>"


@pytest.fixture
async def ann(server: Server) -> RawClient:
    client = await server.client()
    await client.ok(EDIT)
    return client


@pytest.fixture
async def bob(server: Server) -> RawClient:
    return await server.client()


def is_there(server: Server) -> bool:
    return b"<name>a</name>" in running(server).split(b"<server")[0]


async def gone(server: Server) -> None:
    """Wait for the rollback."""
    await until(lambda: not is_there(server))


async def error(client: RawClient, request: str) -> tuple[str, str]:
    (found,) = await client.errors(request)
    assert found["type"] == "protocol"
    assert found["message"]
    return found["tag"], found.get("bad-element", "")


async def test_it_is_announced(ann: RawClient) -> None:
    capability = "urn:ietf:params:netconf:capability:confirmed-commit:1.1"
    listed = ann.server_hello.iterfind(".//nc:capability", NAMESPACES)
    assert capability in [element.text for element in listed]


async def test_confirm(server: Server, ann: RawClient) -> None:
    await ann.ok(CONFIRMED)
    await ann.ok("<commit><confirmed/><confirm-timeout>5</confirm-timeout></commit>")
    await ann.ok("<commit/>")
    await ann.ok("<close-session/>")
    assert await ann.closed()
    assert is_there(server)
    assert server.datastore.pending is None


async def test_time_runs_out(server: Server, ann: RawClient) -> None:
    await ann.ok("<commit><confirmed/><confirm-timeout>1</confirm-timeout></commit>")
    assert is_there(server)
    await gone(server)


@pytest.mark.parametrize("how", ["close-session", "kill-session", "connection"])
async def test_the_session_ends(server: Server, ann: RawClient, bob: RawClient, how: str) -> None:
    await ann.ok(CONFIRMED)
    if how == "close-session":
        await ann.ok("<close-session/>")
    elif how == "kill-session":
        target = f"<session-id>{ann.session_id}</session-id>"
        await bob.ok(f"<kill-session>{target}</kill-session>")
    else:
        ann.writer.transport.abort()
    await gone(server)


async def test_cancel(server: Server, ann: RawClient, bob: RawClient) -> None:
    await ann.ok(CONFIRMED)
    assert await error(bob, "<cancel-commit/>") == ("in-use", "")
    await ann.ok("<cancel-commit/>")
    assert not is_there(server)


async def test_a_token(server: Server, ann: RawClient, bob: RawClient) -> None:
    await ann.ok(LASTING)
    await ann.ok("<close-session/>")
    assert await ann.closed()
    assert await error(bob, "<commit/>") == ("in-use", "")
    wrong = "<commit><persist-id>another</persist-id></commit>"
    assert await error(bob, wrong) == ("invalid-value", "persist-id")
    wrong = wrong.replace("commit>", "cancel-commit>")
    assert await error(bob, wrong) == ("invalid-value", "persist-id")
    assert is_there(server)
    await bob.ok(f"<commit><confirmed/>{PERSIST_ID}</commit>")
    await bob.ok(f"<commit>{PERSIST_ID}</commit>")
    assert server.datastore.pending is None
    await bob.ok(EDIT.replace("<name>a", "<name>b"))
    await bob.ok(LASTING)
    await bob.ok(f"<cancel-commit>{PERSIST_ID}</cancel-commit>")
    assert b"<name>b</name>" not in running(server)


async def test_what_others_may_not(server: Server, ann: RawClient, bob: RawClient) -> None:
    await ann.ok(CONFIRMED)
    (found,) = await bob.errors(LOCK)
    assert (found["tag"], found["session-id"]) == ("lock-denied", str(ann.session_id))
    copy = "<copy-config><target><running/></target><source><candidate/></source></copy-config>"
    for client in (ann, bob):
        for request in (DIRECT, copy):
            assert await error(client, request) == ("in-use", "")
    assert await error(bob, CONFIRMED) == ("in-use", "")
    assert is_there(server)
    await ann.ok(LOCK)
    await ann.ok("<commit/>")


async def test_get_says_what_is_pending(server: Server, ann: RawClient) -> None:
    await ann.ok(LASTING)
    chosen = '<server xmlns="urn:flowexport:flow-export-server"><pending-confirm/></server>'
    data = await ann.data(f"<get><filter>{chosen}</filter></get>")
    (pending,) = data.iterfind("fxs:server/fxs:pending-confirm", NAMESPACES)
    leaves = {etree.QName(leaf).localname: leaf.text for leaf in pending}
    assert (leaves["commit"], leaves["persistent"]) == ("2", "true")
    assert leaves["session"] == str(ann.session_id)
    assert b"a token" not in etree.tostring(data)
    assert "a token" in (server.folder / "running.json").read_text()
