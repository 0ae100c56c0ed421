"""Words for a commit, dry runs, the way back, and what differs."""

from __future__ import annotations

import pytest
from lxml import etree
from tests.support.netconf_client import FE, NAMESPACES, RawClient
from tests.support.netconf_server import Server, running

FXM = "urn:flowexport:flow-export-management"
NS = NAMESPACES | {"fxm": FXM}
A = "/flow-export:flow-export/collector=a"


def collector(name: str, more: str = "") -> str:
    return (
        f'<flow-export xmlns="{FE}"><collector><name>{name}</name><address>192.0.2.1</address>'
        f"<protocol>ipfix</protocol>{more}</collector></flow-export>"
    )


def edit(config: str, target: str = "candidate") -> str:
    return f"<edit-config><target><{target}/></target><config>{config}</config></edit-config>"


def commit(*leaves: str) -> str:
    inside = "".join(leaf.replace(">", f' xmlns="{FXM}">', 1) for leaf in leaves)
    return f"<commit>{inside}</commit>"


def compare(one: str | int, other: str | int) -> str:
    return f'<compare xmlns="{FXM}"><from>{one}</from><to>{other}</to></compare>'


def rollback(number: str | int) -> str:
    return f'<rollback xmlns="{FXM}"><id>{number}</id></rollback>'


def port(number: int) -> str:
    return f"<port>{number}</port>"


async def differences(client: RawClient, request: str) -> list[tuple[str, str, str, str]]:
    """Give each edit: operation, target, the value before, the value after."""
    reply = await client.call(request)
    if reply.find("fxm:no-differences", NS) is not None:
        assert len(reply) == 1
        return []
    edits = reply.findall("fxm:differences/fxm:yang-patch/fxm:edit", NS)
    assert edits, etree.tostring(reply)
    return [
        (
            edit.findtext("fxm:operation", "", NS),
            edit.findtext("fxm:target", "", NS),
            text(edit.find("fxm:source-value", NS)),
            text(edit.find("fxm:value", NS)),
        )
        for edit in edits
    ]


def text(element: etree._Element | None) -> str:
    """Give all text below an element."""
    return "" if element is None else str(element.xpath("string()"))


@pytest.fixture
async def client(server: Server) -> RawClient:
    """A session; commit 1 is the first configuration, 2 and 3 give collector a a port."""
    client = await server.client()
    await client.ok(edit(collector("a", port(1))))
    await client.ok("<commit/>")
    await client.ok(edit(collector("a", port(2))))
    await client.ok(commit("<comment>the other port</comment>", "<label>two</label>"))
    return client


# -- words


async def test_the_history_tells_who_and_why(server: Server, client: RawClient) -> None:
    chosen = '<server xmlns="urn:flowexport:flow-export-server"><history/></server>'
    data = await client.data(f"<get><filter>{chosen}</filter></get>")
    entries = [
        {etree.QName(leaf).localname: leaf.text for leaf in entry}
        for entry in data.iterfind("fxs:server/fxs:history/fxs:commit", NS)
    ]
    assert [entry["id"] for entry in entries] == ["1", "2", "3"]
    assert "comment" not in entries[1]
    last = entries[-1]
    assert (last["comment"], last["label"], last["changes"]) == ("the other port", "two", "1")
    assert last["door"] == "netconf-unix"
    assert str(last["source"]).startswith("pid ")
    assert server.datastore.record.comment == "the other port"


@pytest.mark.parametrize(
    ("leaf", "name"),
    [
        (f"<comment>{'x' * 1025}</comment>", "comment"),
        (f"<label>{'x' * 65}</label>", "label"),
        ("<label></label>", "label"),
        ("<dry-run>yes</dry-run>", "dry-run"),
    ],
)
async def test_words_that_will_not_do(
    server: Server, client: RawClient, leaf: str, name: str
) -> None:
    before = running(server)
    await client.ok(edit(collector("a", port(9))))
    (error,) = await client.errors(commit(leaf))
    assert (error["tag"], error["type"]) == ("invalid-value", "protocol")
    assert error["bad-element"] == name
    assert running(server) == before


# -- comparing


async def test_compare(client: RawClient) -> None:
    assert await differences(client, compare(2, 3)) == [("replace", f"{A}/port", "1", "2")]
    assert await differences(client, compare(3, 2)) == [("replace", f"{A}/port", "2", "1")]
    assert await differences(client, compare(3, "running")) == []
    assert await differences(client, compare("running", "candidate")) == []
    (created,) = await differences(client, compare(1, "running"))
    assert created == ("create", "/flow-export:flow-export", "", "a192.0.2.12ipfix")
    (deleted,) = await differences(client, compare("running", 1))
    assert deleted == ("delete", "/flow-export:flow-export", "a192.0.2.12ipfix", "")
    await client.ok(edit(collector("b")))
    (added,) = await differences(client, compare("running", "candidate"))
    assert added[:2] == ("create", A.replace("=a", "=b"))


@pytest.mark.parametrize("which", [99, "0", -1, "startup", "", 1 << 64])
async def test_what_cannot_be_compared(client: RawClient, which: str | int) -> None:
    for request in (compare(which, "running"), compare("running", which), rollback(which)):
        (error,) = await client.errors(request)
        assert (error["type"], error["tag"]) == ("protocol", "invalid-value")


async def test_what_is_missing(client: RawClient) -> None:
    for request in (f'<compare xmlns="{FXM}"><from>1</from></compare>',
                    f'<rollback xmlns="{FXM}"/>'):  # fmt: skip
        (error,) = await client.errors(request)
        assert error["tag"] == "missing-element"


# -- the way back


async def test_rollback_goes_through_the_candidate(server: Server, client: RawClient) -> None:
    before = running(server)
    await client.ok(rollback(2))
    assert running(server) == before
    assert await differences(client, compare("candidate", 2)) == []
    await client.ok(commit("<comment>back</comment>"))
    assert await differences(client, compare("running", 2)) == []
    assert (server.datastore.record.id, server.datastore.record.comment) == (4, "back")


async def test_rollback_obeys_locks(server: Server, client: RawClient) -> None:
    other = await server.client()
    await other.ok("<lock><target><candidate/></target></lock>")
    (error,) = await client.errors(rollback(2))
    assert error["tag"] == "in-use"
    assert await differences(client, compare("candidate", "running")) == []


# -- dry runs


async def test_a_dry_run_tells_and_does_nothing(server: Server, client: RawClient) -> None:
    before = running(server)
    await client.ok(edit(collector("a", port(7))))
    for _ in range(2):
        told = await differences(client, commit("<dry-run/>".replace("/>", "></dry-run>")))
        assert told == [("replace", f"{A}/port", "2", "7")]
        assert running(server) == before
    assert server.datastore.record.id == 3
    await client.ok("<commit/>")
    assert server.datastore.record.id == 4
    assert await differences(client, commit("<dry-run></dry-run>")) == []


async def test_a_dry_run_shows_what_a_condition_deletes(client: RawClient) -> None:
    await client.ok(edit(collector("a", "<template-refresh>9</template-refresh>"), "running"))
    await client.ok(edit(collector("a").replace("ipfix", "sflow")))
    assert await differences(client, commit("<dry-run></dry-run>")) == [
        ("delete", f"{A}/template-refresh", "9", ""),
        ("replace", f"{A}/protocol", "ipfix", "sflow"),
    ]


async def test_a_dry_run_is_refused_like_a_commit(server: Server, client: RawClient) -> None:
    dry = commit("<dry-run></dry-run>")
    other = await server.client()
    await client.ok(edit(f'<flow-export xmlns="{FE}"><collector><name>b</name></collector>'
                         "</flow-export>"))  # fmt: skip
    assert len(await client.errors(dry)) == 2
    await client.ok("<discard-changes/>")
    await other.ok("<lock><target><running/></target></lock>")
    assert (await client.errors(dry))[0]["tag"] == "in-use"
    await other.ok("<unlock><target><running/></target></unlock>")
    await other.ok("<commit><confirmed/></commit>")
    assert (await client.errors(dry))[0]["tag"] == "in-use"
    confirmed = commit("<dry-run></dry-run>").replace("<commit>", "<commit><confirmed/>")
    assert await differences(other, confirmed) == []
    assert server.datastore.pending is not None
    zero = confirmed.replace("<confirmed/>", "<confirmed/><confirm-timeout>0</confirm-timeout>")
    assert (await other.errors(zero))[0]["tag"] == "invalid-value"


# -- access


async def test_the_way_back_is_closed_by_default(server: Server, client: RawClient) -> None:
    session = server.datastore.open_session("cyd", "test", "", lambda: None)
    access = server.datastore.access
    assert not access.may_execute(session, "flow-export-management", "rollback")
    assert access.may_execute(session, "flow-export-management", "compare")
    assert await differences(client, compare(2, 3))
