"""A NETCONF client beside a gNMI client: one transaction, and each is told what the other does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from tests.support.direct_broker import DirectBroker
from tests.support.gnmi import (
    Client,
    Server,
    collector,
    flow_export,
    path,
    running_server,
    update,
    values,
)
from tests.support.netconf_client import FE, NAMESPACES, RawClient

from flowexport_mgmt.credentials import KeyFolders
from flowexport_mgmt.north.gnmi import messages as m
from flowexport_mgmt.north.netconf.door import NetconfDoor

LIST = "/flow-export/collector"
A = f"{LIST}[name=a]"
WRITES = 10
CHANGES = (
    '<create-subscription xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"><filter>'
    f'<netconf-config-change xmlns="{NAMESPACES["ncn"]}"/></filter></create-subscription>'
)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with running_server(tmp_path, more=flow_export(collector("a", 1))) as server:
        broker = DirectBroker()
        door = NetconfDoor(
            server.datastore,
            broker,
            state_folder=tmp_path,
            local_socket=tmp_path / "netconf.sock",
            keys=KeyFolders([tmp_path / "tls"]),
        )
        door.register()
        await server.datastore.restore(door)
        await door.open_local()
        try:
            yield server
        finally:
            broker.close()


@pytest.fixture
def gnmi(server: Server) -> Client:
    return server.client()


@pytest.fixture
async def netconf(server: Server) -> AsyncIterator[RawClient]:
    client = await RawClient.connect(server.folder / "netconf.sock")
    await client.exchange_hellos()
    yield client
    await client.close()


def edit(name: str, leaf: str, value: object, target: str = "running", operation: str = "") -> str:
    """Write an edit-config of one leaf of a collector, which it makes where there is none."""
    kind = f' xmlns:nc="{NAMESPACES["nc"]}" nc:operation="{operation}"' if operation else ""
    return (
        f"<edit-config><target><{target}/></target><config>"
        f'<flow-export xmlns="{FE}"><collector{kind}><name>{name}</name>'
        f"<address>192.0.2.1</address><protocol>ipfix</protocol><{leaf}>{value}</{leaf}>"
        "</collector></flow-export></config></edit-config>"
    )


def leaves(server: Server) -> dict[str, tuple[int, int]]:
    """Give port and dscp of each collector."""
    flow_export = server.datastore.configuration.flow_export
    assert flow_export is not None
    return {one.name: (one.port, one.dscp) for one in flow_export.collector}


def commit(**fields: Any) -> list[Any]:
    return [m.Extension(commit=fields)]


async def error(client: RawClient, operation: str) -> tuple[str, str]:
    (found,) = await client.errors(operation)
    return found["tag"], found.get("session-id", "")


async def test_writes_of_both_at_once_lose_nothing(
    server: Server, gnmi: Client, netconf: RawClient
) -> None:
    """Each sets another leaf of the same entries; whoever comes first makes the entry."""

    async def sets() -> None:
        await asyncio.gather(
            *(
                gnmi.set(update=[update(f"{LIST}[name=x{n}]", collector(f"x{n}", 100 + n))])
                for n in range(WRITES)
            )
        )

    async def edits() -> None:
        for number in range(WRITES):
            await netconf.ok(edit(f"x{number}", "dscp", number + 1))

    await asyncio.gather(sets(), edits())
    expected = {f"x{n}": (100 + n, n + 1) for n in range(WRITES)}
    assert leaves(server) == expected | {"a": (1, 0)}
    assert server.datastore.record.id == 1 + 2 * WRITES


async def test_each_is_told_what_the_other_does(
    server: Server, gnmi: Client, netconf: RawClient
) -> None:
    stream = await gnmi.subscribe({"path": path(LIST), "mode": 1})
    await stream.initial()
    await netconf.ok(CHANGES)
    gnmi_session = next(one for one in server.datastore.sessions if one.door == "gnmi")

    await netconf.ok(edit("a", "port", 5))
    assert values(await stream.update())[f"{A}/port"] == 5
    own = await netconf.event()
    assert own.findtext(".//ncn:session-id", namespaces=NAMESPACES) == str(netconf.session_id)

    await gnmi.set(update=[update(f"{A}/dscp", 7)], delete=[path(f"{A}/port")])
    seen: dict[str, Any] = {}
    while len(seen) < 2:
        seen |= values(await stream.update())
    assert seen == {f"{A}/dscp": 7, f"{A}/port": 6343}
    event = await netconf.event()
    told = {etree.QName(e).localname: e.text for e in event.iter() if not len(e)}
    assert (told["session-id"], told["username"]) == (str(gnmi_session.id), "ann")
    targets = {
        (e.text or "").rpartition(":")[2] for e in event.iterfind(".//ncn:target", NAMESPACES)
    }
    assert targets == {"dscp", "port"}


async def test_a_confirmed_commit_of_netconf_keeps_set_out(
    server: Server, gnmi: Client, netconf: RawClient
) -> None:
    await netconf.ok(edit("a", "port", 5, target="candidate"))
    await netconf.ok("<commit><confirmed/></commit>")
    operations = {"update": [update(f"{A}/dscp", 7)]}
    for extension in ([], commit(id="x", commit={})):
        code, message = await gnmi.fails(gnmi.set(extension=extension, **operations))
        assert (code, "confirmed commit" in message) == ("FAILED_PRECONDITION", True)
    stolen = gnmi.set(extension=commit(id="x", confirm={}))
    assert (await gnmi.fails(stolen))[0] == "INVALID_ARGUMENT"
    assert leaves(server) == {"a": (5, 0)}
    await netconf.ok("<commit/>")
    await gnmi.set(**operations)
    assert leaves(server) == {"a": (5, 7)}


async def test_a_confirmed_commit_of_gnmi_keeps_netconf_out(
    server: Server, gnmi: Client, netconf: RawClient
) -> None:
    begin = commit(id="x", commit={"rollback_duration": {"seconds": 60}})
    await gnmi.set(update=[update(f"{A}/port", 5)], extension=begin)
    session = next(one for one in server.datastore.sessions if one.door == "gnmi")
    await netconf.ok(edit("a", "dscp", 7, target="candidate"))
    assert await error(netconf, "<commit/>") == ("in-use", "")
    assert await error(netconf, edit("a", "dscp", 7)) == ("in-use", "")
    lock = "<lock><target><running/></target></lock>"
    assert await error(netconf, lock) == ("lock-denied", str(session.id))
    assert await error(netconf, "<cancel-commit/>") == ("in-use", "")
    assert leaves(server) == {"a": (5, 0)}
    await gnmi.set(extension=commit(id="x", confirm={}))
    await netconf.ok("<commit/>")
    assert leaves(server) == {"a": (5, 7)}


async def test_either_confirms_and_cancels_what_the_other_began(
    server: Server, gnmi: Client, netconf: RawClient
) -> None:
    """The id of gNMI is the persist-id of NETCONF: there is one timer for both."""
    await gnmi.set(update=[update(f"{A}/port", 5)], extension=commit(id="x", commit={}))
    await netconf.ok("<commit><persist-id>x</persist-id></commit>")
    assert server.datastore.pending is None
    await netconf.ok(edit("a", "port", 6, target="candidate"))
    await netconf.ok("<commit><confirmed/><persist>y</persist></commit>")
    await gnmi.set(extension=commit(id="y", cancel={}))
    assert (leaves(server), server.datastore.pending) == ({"a": (5, 0)}, None)


async def test_a_lock_of_netconf_aborts_a_set(
    server: Server, gnmi: Client, netconf: RawClient
) -> None:
    await netconf.ok("<lock><target><running/></target></lock>")
    code, message = await gnmi.fails(gnmi.set(update=[update(f"{A}/port", 5)]))
    assert (code, f"session {netconf.session_id}" in message) == ("ABORTED", True)
    await netconf.ok("<unlock><target><running/></target></unlock>")
    await gnmi.set(update=[update(f"{A}/port", 5)])
    assert leaves(server) == {"a": (5, 0)}


async def test_a_candidate_that_conflicts_with_a_set(
    server: Server, gnmi: Client, netconf: RawClient
) -> None:
    """It is refused at its commit, and stays as it was; what does not conflict is replayed."""
    await netconf.ok(edit("b", "port", 5, target="candidate", operation="create"))
    await gnmi.set(update=[update(f"{A}/dscp", 7)])
    await gnmi.set(update=[update(f"{LIST}[name=b]", collector("b", 9))])
    (found,) = await netconf.errors("<commit/>")
    assert (found["tag"], found["app-tag"]) == ("operation-failed", "replay-conflict")
    assert "(ann through gnmi)" in found["message"]
    assert leaves(server) == {"a": (1, 7), "b": (9, 0)}
    await gnmi.set(delete=[path(f"{LIST}[name=b]")])
    await netconf.ok("<commit/>")
    assert leaves(server) == {"a": (1, 7), "b": (5, 0)}
