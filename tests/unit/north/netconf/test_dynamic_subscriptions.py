"""Dynamic subscriptions to the event stream (RFC 8639, RFC 8640), over real sessions."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree
from tests.support.netconf_client import FE, NAMESPACES, RawClient
from tests.support.netconf_server import Server

from flowexport_mgmt.link.messages import CollectorStateChange
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.north.netconf.notifications.service import MAX_OF_SESSION

SN, NCN = NAMESPACES["sn"], NAMESPACES["ncn"]
STREAM = "<stream>NETCONF</stream>"
CHANGES = f'<stream-subtree-filter><netconf-config-change xmlns="{NCN}"/></stream-subtree-filter>'
OF_A = f"<stream-xpath-filter xmlns:fe=\"{FE}\">/fe:*/fe:name = 'a'</stream-xpath-filter>"
APP = "ietf-subscribed-notifications:"


def operation(name: str, *parameters: str) -> str:
    return f'<{name} xmlns="{SN}" xmlns:sn="{SN}">{"".join(parameters)}</{name}>'


def number(value: int) -> str:
    return f"<id>{value}</id>"


def when(**ago: float) -> str:
    return (datetime.now(UTC) - timedelta(**ago)).isoformat()


def edit(name: str) -> str:
    return (
        "<edit-config><target><running/></target><config>"
        f'<flow-export xmlns="{FE}"><collector><name>{name}</name><address>192.0.2.1</address>'
        "<protocol>ipfix</protocol></collector></flow-export></config></edit-config>"
    )


def happen(server: Server, name: str) -> None:
    """Have the exporter report a collector."""
    server.datastore.events.publish(CollectorStateChange(name=name, oper_status=OperStatus.UP))


def kind(event: etree._Element) -> str:
    return etree.QName(event).localname


def leaves(event: etree._Element) -> dict[str, str]:
    return {etree.QName(e).localname: e.text or "" for e in event.iter() if not len(e)}


async def establish(client: RawClient, *parameters: str) -> int:
    reply = await client.call(operation("establish-subscription", *parameters))
    (found, *_) = reply
    assert found.tag == f"{{{SN}}}id", etree.tostring(reply)
    return int(found.text or "")


async def subscriptions(client: RawClient) -> list[etree._Element]:
    content = f'<subscriptions xmlns="{SN}"/>'
    data = await client.data(f"<get><filter>{content}</filter></get>")
    return data.findall(".//sn:subscription", NAMESPACES)


@pytest.fixture
async def ann(server: Server) -> RawClient:
    return await server.client()


async def test_several_subscriptions_of_one_session(server: Server, ann: RawClient) -> None:
    first = await establish(ann, STREAM, CHANGES)
    second = await establish(ann, STREAM, OF_A, "<encoding>sn:encode-xml</encoding>")
    assert first != second
    happen(server, "b")
    happen(server, "a")
    event = await ann.event()
    assert (kind(event), leaves(event)["name"]) == ("collector-state-change", "a")
    await ann.ok(edit("c"))
    assert kind(await ann.event()) == "netconf-config-change"


async def test_the_state_shows_them(ann: RawClient) -> None:
    stop = (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="milliseconds")
    one = await establish(ann, STREAM, OF_A, f"<stop-time>{stop}</stop-time>")
    two = await establish(ann, STREAM, CHANGES)
    await ann.ok(edit("c"))
    await ann.event()
    first, second = await subscriptions(ann)
    found = leaves(first)
    assert (found["id"], found["stream"]) == (str(one), "NETCONF")
    assert found["stream-xpath-filter"] == "/fe:*/fe:name='a'"
    assert datetime.fromisoformat(found["stop-time"]) == datetime.fromisoformat(stop)
    assert (found["sent-event-records"], found["excluded-event-records"]) == ("0", "1")
    found = leaves(second)
    assert (found["id"], found["state"]) == (str(two), "active")
    assert (found["sent-event-records"], found["excluded-event-records"]) == ("1", "0")


async def test_the_streams_are_shown(ann: RawClient) -> None:
    data = await ann.data(f'<get><filter><streams xmlns="{SN}"/></filter></get>')
    (entry,) = data.findall(".//sn:stream", NAMESPACES)
    found = leaves(entry)
    assert found["name"] == "NETCONF"
    assert entry.find("sn:replay-support", NAMESPACES) is not None
    assert "replay-log-creation-time" in found


async def test_replay(server: Server, ann: RawClient) -> None:
    happen(server, "a")
    happen(server, "b")
    start = f"<replay-start-time>{when(hours=1)}</replay-start-time>"
    reply = await ann.call(operation("establish-subscription", STREAM, OF_A, start))
    found = leaves(reply)
    data = await ann.data(f'<get><filter><streams xmlns="{SN}"/></filter></get>')
    created = data.findtext(".//sn:replay-log-creation-time", "", NAMESPACES)
    revised = found["replay-start-time-revision"]
    assert datetime.fromisoformat(revised) == datetime.fromisoformat(created)
    assert leaves(await ann.event())["name"] == "a"
    completed = await ann.event()
    assert completed.tag == f"{{{SN}}}replay-completed"
    assert leaves(completed) == {"id": found["id"]}
    happen(server, "a")
    assert kind(await ann.event()) == "collector-state-change"


async def test_modify_takes_another_filter(server: Server, ann: RawClient) -> None:
    one = await establish(ann, STREAM, CHANGES)
    await ann.ok(operation("modify-subscription", number(one), OF_A))
    await ann.ok(edit("c"))
    happen(server, "a")
    assert kind(await ann.event()) == "collector-state-change"


async def test_modify_takes_another_time_to_stop(ann: RawClient) -> None:
    one = await establish(ann, STREAM, f"<stop-time>{when(hours=-1)}</stop-time>")
    soon = f"<stop-time>{when(seconds=-0.2)}</stop-time>"
    await ann.ok(operation("modify-subscription", number(one), CHANGES, soon))
    async with asyncio.timeout(10):
        while await subscriptions(ann):
            pass


async def test_delete_ends_it_without_a_word(server: Server, ann: RawClient) -> None:
    one = await establish(ann, STREAM)
    two = await establish(ann, STREAM, OF_A)
    await ann.ok(operation("delete-subscription", number(one)))
    await ann.ok(edit("c"))
    happen(server, "a")
    assert kind(await ann.event()) == "collector-state-change"
    assert [leaves(e)["id"] for e in await subscriptions(ann)] == [str(two)]


async def test_kill_tells_whose_it_was(server: Server, ann: RawClient) -> None:
    bob = await server.client()
    one = await establish(bob, STREAM, CHANGES)
    await ann.ok(operation("kill-subscription", number(one)))
    event = await bob.event()
    assert event.tag == f"{{{SN}}}subscription-terminated"
    assert leaves(event) == {"id": str(one), "reason": "no-such-subscription"}
    assert await subscriptions(ann) == []


async def test_a_session_takes_its_subscriptions_with_it(server: Server, ann: RawClient) -> None:
    bob = await server.client()
    await establish(bob, STREAM)
    await bob.ok("<close-session/>")
    assert await subscriptions(ann) == []


async def test_a_client_that_does_not_read_is_told_when_it_does(
    server: Server, ann: RawClient
) -> None:
    slow = await server.client()
    one = await establish(slow, STREAM)
    event = CollectorStateChange(
        name="a", oper_status=OperStatus.DOWN, oper_reason="far away " * 1000
    )
    for _ in range(1300):
        server.datastore.events.publish(event)
        await asyncio.sleep(0)
    assert await subscriptions(ann) == []
    found = await slow.event()
    while kind(found) == "collector-state-change":
        found = await slow.event()
    assert kind(found) == "subscription-terminated"
    assert leaves(found) == {"id": str(one), "reason": "suspension-timeout"}
    await slow.ok(edit("c"))  # the session lives on


async def test_a_filter_that_takes_too_long_ends_the_subscription(ann: RawClient) -> None:
    costly = "//*[count(//*[count(//*[count(//*) &gt; 1]) &gt; 1]) &gt; 1]"
    one = await establish(ann, STREAM, f"<stream-xpath-filter>{costly}</stream-xpath-filter>")
    many = "".join(
        f"<collector><name>c{n}</name><address>192.0.2.1</address><protocol>ipfix</protocol>"
        "</collector>"
        for n in range(500)
    )
    config = f'<flow-export xmlns="{FE}">{many}</flow-export>'
    target = "<edit-config><target><running/></target>"
    await ann.ok(edit("x"))
    await ann.event()  # small enough
    await ann.ok(f"{target}<config>{config}</config></edit-config>")
    found = leaves(await ann.event())
    assert found == {"id": str(one), "reason": "filter-unavailable"}


@pytest.mark.parametrize(
    ("parameters", "tag", "app_tag"),
    [
        (STREAM + "<encoding>sn:encode-json</encoding>", "invalid-value", "encoding-unsupported"),
        (
            STREAM + "<stream-xpath-filter>fe:a[</stream-xpath-filter>",
            "invalid-value",
            "filter-unsupported",
        ),
        (
            STREAM + "<stream-xpath-filter>no:a</stream-xpath-filter>",
            "invalid-value",
            "filter-unsupported",
        ),
        ("<stream>moon</stream>", "invalid-value", ""),
        ("", "missing-element", ""),
        (STREAM + OF_A + CHANGES, "bad-element", ""),
        pytest.param(
            STREAM + f"<stop-time>{when(hours=1)}</stop-time>", "invalid-value", "", id="past stop"
        ),
        pytest.param(
            STREAM + f"<replay-start-time>{when(hours=-1)}</replay-start-time>",
            "invalid-value",
            "",
            id="future replay",
        ),
        (STREAM + "<stop-time>soon</stop-time>", "invalid-value", ""),
        (STREAM + "<dscp>8</dscp>", "unknown-element", ""),
        (STREAM + "<stream-filter-name>mine</stream-filter-name>", "unknown-element", ""),
    ],
)
async def test_what_is_refused_makes_no_subscription(
    ann: RawClient, parameters: str, tag: str, app_tag: str
) -> None:
    (error,) = await ann.errors(operation("establish-subscription", parameters))
    assert error["tag"] == tag
    assert error.get("app-tag", "") == (APP + app_tag if app_tag else "")
    assert error["type"] == ("application" if app_tag else "protocol")
    assert await subscriptions(ann) == []


async def structure(client: RawClient, request: str) -> tuple[str, dict[str, str]]:
    """Give the one element in error-info and its leaves, with the namespaces of identities."""
    reply = await client.call(request)
    (element,) = reply.iterfind("nc:rpc-error/nc:error-info/*", NAMESPACES)
    found = leaves(element)
    prefix, _, name = found["reason"].partition(":")
    return str(element.tag), found | {"reason": f"{{{element[0].nsmap[prefix]}}}{name}"}


async def test_a_refusal_tells_the_reason_where_its_module_has_it(ann: RawClient) -> None:
    """RFC 8640, section 7: the hints stand in the structure of the operation."""
    bad = "<stream-xpath-filter>fe:a[</stream-xpath-filter>"
    one = await establish(ann, STREAM)
    for request, name, reason in (
        (operation("establish-subscription", STREAM, bad), "establish-subscription-stream",
         "filter-unsupported"),
        (operation("modify-subscription", number(one), bad), "modify-subscription-stream",
         "filter-unsupported"),
        (operation("delete-subscription", number(9)), "delete-subscription",
         "no-such-subscription"),
        (operation("kill-subscription", number(9)), "delete-subscription",
         "no-such-subscription"),
    ):  # fmt: skip
        tag, info = await structure(ann, request)
        assert tag == f"{{{SN}}}{name}-error-info"
        assert info.pop("reason") == f"{{{SN}}}{reason}"
        hint = info.pop("filter-failure-hint", "")
        assert bool(hint) is (reason == "filter-unsupported")
        assert not info


@pytest.mark.parametrize(
    ("name", "more"),
    [("delete-subscription", ""), ("modify-subscription", CHANGES), ("kill-subscription", "")],
)
async def test_a_subscription_that_is_not_there(
    server: Server, ann: RawClient, name: str, more: str
) -> None:
    (error,) = await ann.errors(operation(name, number(4711), more))
    assert (error["tag"], error["app-tag"]) == ("invalid-value", APP + "no-such-subscription")
    if name == "kill-subscription":
        return
    theirs = await establish(await server.client(), STREAM)
    (error,) = await ann.errors(operation(name, number(theirs), more))
    assert error["app-tag"] == APP + "no-such-subscription"
    assert len(await subscriptions(ann)) == 1


async def test_a_session_has_a_limited_number(ann: RawClient) -> None:
    for _ in range(MAX_OF_SESSION):
        await establish(ann, STREAM, CHANGES)
    (error,) = await ann.errors(operation("establish-subscription", STREAM))
    assert (error["tag"], error["app-tag"]) == ("resource-denied", APP + "insufficient-resources")
    assert len(await subscriptions(ann)) == MAX_OF_SESSION
