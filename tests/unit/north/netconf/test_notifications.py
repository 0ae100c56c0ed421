"""create-subscription (RFC 5277) and the events of RFC 6470, over real sessions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest
from lxml import etree
from tests.support.netconf_client import FE, NAMESPACES, RawClient
from tests.support.netconf_server import Server, running_server

from flowexport_mgmt.link.messages import (
    CollectorStateChange,
    Event,
    SampleLoss,
    SourceStateChange,
)
from flowexport_mgmt.model.base import OperStatus

NOTIFICATION = "urn:ietf:params:xml:ns:netconf:notification:1.0"
NCN, STREAMS = NAMESPACES["ncn"], NAMESPACES["nms"]


def subscribe(*parameters: str) -> str:
    return (
        f'<create-subscription xmlns="{NOTIFICATION}">{"".join(parameters)}</create-subscription>'
    )


def edit(name: str) -> str:
    return (
        "<edit-config><target><running/></target><config>"
        f'<flow-export xmlns="{FE}"><collector><name>{name}</name><address>192.0.2.1</address>'
        "<protocol>ipfix</protocol></collector></flow-export></config></edit-config>"
    )


def when(**ago: float) -> str:
    return (datetime.now(UTC) - timedelta(**ago)).isoformat()


def kind(event: etree._Element) -> str:
    return etree.QName(event).localname


def leaves(event: etree._Element) -> dict[str, str]:
    return {etree.QName(e).localname: e.text or "" for e in event.iter() if not len(e)}


def xpath(expression: str) -> str:
    prefixes = f'xmlns:fe="{FE}" xmlns:n="{NCN}"'
    return f'<filter type="xpath" {prefixes} select="{expression}"/>'


STATE_OF_B = (
    f'<filter><collector-state-change xmlns="{FE}"><name>b</name></collector-state-change></filter>'
)
CHANGES = f'<filter><netconf-config-change xmlns="{NCN}"/></filter>'


@pytest.fixture
async def ann(server: Server) -> RawClient:
    return await server.client()


async def test_a_commit_is_told_with_who_made_it_and_what_changed(
    server: Server, ann: RawClient
) -> None:
    bob = await server.client()
    await ann.ok(subscribe(CHANGES))
    await bob.ok(edit("a"))
    event = await ann.event()
    assert event.tag == f"{{{NCN}}}netconf-config-change"
    found = leaves(event)
    assert found["session-id"] == str(bob.session_id)
    assert found["datastore"] == "running"
    assert found["operation"] == "create"
    target = event.find("ncn:edit/ncn:target", NAMESPACES)
    assert target is not None
    assert target.text == "/fe:flow-export"
    assert target.nsmap["fe"] == FE


async def test_several_edits_of_one_commit_are_one_notification(ann: RawClient) -> None:
    await ann.ok(edit("a"))
    await ann.ok(subscribe(CHANGES))
    two = edit("b").replace("</collector>", "</collector><conntrack/>", 1)
    two = two.replace("<conntrack/>", "<collector><name>a</name><port>7000</port></collector>")
    await ann.ok(two)
    event = await ann.event()
    edits = [
        (e.findtext("ncn:target", None, NAMESPACES), e.findtext("ncn:operation", None, NAMESPACES))
        for e in event.iterfind("ncn:edit", NAMESPACES)
    ]
    assert edits == [
        ("/fe:flow-export/fe:collector[fe:name='b']", "create"),
        ("/fe:flow-export/fe:collector[fe:name='a']/fe:port", "create"),
    ]


async def test_requests_are_answered_between_notifications(ann: RawClient) -> None:
    await ann.ok(subscribe())
    for name in "abc":
        await ann.ok(edit(name))
    assert [kind(await ann.event()) for _ in "abc"] == ["netconf-config-change"] * 3
    offered = [e.text for e in ann.server_hello.iter(f"{{{NAMESPACES['nc']}}}capability")]
    for name in ("notification", "interleave"):
        assert f"urn:ietf:params:netconf:capability:{name}:1.0" in offered


async def test_sessions_are_told_of(server: Server, ann: RawClient) -> None:
    await ann.ok(subscribe())
    bob = await server.client()
    started = await ann.event()
    assert kind(started) == "netconf-session-start"
    assert leaves(started)["session-id"] == str(bob.session_id)
    await bob.ok("<close-session/>")
    ended = await ann.event()
    assert kind(ended) == "netconf-session-end"
    assert leaves(ended)["termination-reason"] == "closed"
    for end, reason in ((RawClient.close, "dropped"), (kill, "killed")):
        carl = await server.client()
        await ann.event()
        if end is kill:
            await ann.ok(f"<kill-session><session-id>{carl.session_id}</session-id></kill-session>")
        else:
            await carl.close()
        found = leaves(await ann.event())
        assert (found["session-id"], found["termination-reason"]) == (str(carl.session_id), reason)
    assert found["killed-by"] == str(ann.session_id)


async def kill(_: RawClient) -> None:
    """Stand for the end that another session brings about."""


EVENTS: list[Event] = [
    CollectorStateChange(name="<a>", oper_status=OperStatus.DOWN, oper_reason="no route"),
    SourceStateChange(name="counters", oper_status=OperStatus.UP),
    SampleLoss(interface="eth0", drops=3, total=9),
]


@pytest.mark.parametrize(
    ("event", "name", "content"),
    [
        (
            EVENTS[0],
            "collector-state-change",
            {"name": "<a>", "oper-status": "down", "oper-reason": "no route"},
        ),
        (EVENTS[1], "source-state-change", {"name": "counters", "oper-status": "up"}),
        (EVENTS[2], "sample-loss", {"interface": "eth0", "drops": "3", "total": "9"}),
    ],
)
async def test_events_of_the_exporter_are_told(
    server: Server, ann: RawClient, event: Event, name: str, content: dict[str, str]
) -> None:
    await ann.ok(subscribe())
    server.datastore.events.publish(event)
    told = await ann.event()
    assert told.tag == f"{{{FE}}}{name}"
    assert leaves(told) == content


def test_no_event_of_the_exporter_is_left_out() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(Event))


async def test_a_confirmed_commit_is_told_of(server: Server, ann: RawClient) -> None:
    bob = await server.client()
    confirmed = f'<filter><netconf-confirmed-commit xmlns="{NCN}"/></filter>'
    await ann.ok(subscribe(confirmed))
    await bob.ok(edit("a").replace("<running/>", "<candidate/>"))
    await bob.ok("<commit><confirmed/><confirm-timeout>300</confirm-timeout></commit>")
    found = leaves(await ann.event())
    assert (found["confirm-event"], found["timeout"]) == ("start", "300")
    assert found["session-id"] == str(bob.session_id)
    await bob.ok("<commit/>")
    assert leaves(await ann.event())["confirm-event"] == "complete"


# -- filters


@pytest.mark.parametrize(
    ("chosen", "seen"),
    [
        ("<filter/>", []),
        (CHANGES, ["netconf-config-change"]),
        ('<filter><collector-state-change xmlns=""/></filter>', ["collector-state-change"]),
        (STATE_OF_B, []),
        (xpath("/fe:*[fe:name='a']"), ["collector-state-change"]),
        (xpath("count(//n:edit) = 1"), ["netconf-config-change"]),
        (xpath("count(//n:edit) = 2"), []),
    ],
)
async def test_only_what_the_filter_lets_pass_is_sent(
    server: Server, ann: RawClient, chosen: str, seen: list[str]
) -> None:
    await ann.ok(edit("a"))
    server.datastore.events.publish(CollectorStateChange(name="a", oper_status=OperStatus.UP))
    await ann.ok(subscribe(chosen, f"<startTime>{when(hours=1)}</startTime>"))
    found = [kind(await ann.event())]
    while found[-1] != "replayComplete":
        found.append(kind(await ann.event()))
    assert found[:-1] == seen


# -- replay


async def test_replay_until_a_time_in_the_past(ann: RawClient) -> None:
    await ann.ok(edit("a"))
    stop = when(seconds=-0.001)
    await asyncio.sleep(0.01)
    await ann.ok(edit("b"))
    start = when(hours=1)
    await ann.ok(subscribe(CHANGES, f"<startTime>{start}</startTime><stopTime>{stop}</stopTime>"))
    events = [await ann.event() for _ in range(3)]
    assert [kind(e) for e in events] == [
        "netconf-config-change",
        "replayComplete",
        "notificationComplete",
    ]
    assert {etree.QName(e).namespace for e in events[1:]} == {STREAMS}
    await ann.ok(subscribe())  # the session is free for another one


async def test_a_subscription_ends_at_its_stop_time(ann: RawClient) -> None:
    stop = when(seconds=-0.3)
    start = when(seconds=0)
    await ann.ok(subscribe(CHANGES, f"<startTime>{start}</startTime><stopTime>{stop}</stopTime>"))
    assert kind(await ann.event()) == "replayComplete"
    assert kind(await ann.event()) == "notificationComplete"
    await ann.ok(edit("a"))
    await ann.ok(subscribe(CHANGES))
    await ann.ok(edit("b"))
    assert kind(await ann.event()) == "netconf-config-change"


async def test_the_stream_is_shown_as_state(ann: RawClient) -> None:
    content = f'<netconf xmlns="{STREAMS}"><streams/></netconf>'
    data = await ann.data(f"<get><filter>{content}</filter></get>")
    (entry,) = data.findall(".//nms:stream", NAMESPACES)
    found = leaves(entry)
    assert (found["name"], found["replaySupport"]) == ("NETCONF", "true")
    created = datetime.fromisoformat(found["replayLogCreationTime"])
    assert datetime.now(UTC) - created < timedelta(minutes=5)
    assert "replayLogAgedTime" not in found


# -- what is refused


@pytest.mark.parametrize(
    ("parameters", "tag", "element"),
    [
        ("<stream>moon</stream>", "invalid-value", "stream"),
        pytest.param(
            f"<startTime>{when(hours=-1)}</startTime>", "bad-element", "startTime", id="future"
        ),
        pytest.param(
            f"<stopTime>{when(hours=-1)}</stopTime>", "missing-element", "startTime", id="no start"
        ),
        pytest.param(
            f"<startTime>{when(hours=1)}</startTime><stopTime>{when(hours=2)}</stopTime>",
            "bad-element",
            "stopTime",
            id="past",
        ),
        ("<startTime>yesterday</startTime>", "invalid-value", "startTime"),
        ("<startTime>2026-01-01T00:00:00</startTime>", "invalid-value", "startTime"),
        ("<moon/>", "unknown-element", "moon"),
        ('<filter type="moon"/>', "bad-attribute", "filter"),
        ('<filter type="xpath" select="x:a"/>', "bad-attribute", "filter"),
        ('<filter type="xpath" select="count(1)"/>', "bad-attribute", "filter"),
    ],
)
async def test_what_is_refused_subscribes_to_nothing(
    ann: RawClient, parameters: str, tag: str, element: str
) -> None:
    (error,) = await ann.errors(subscribe(parameters))
    assert (error["type"], error["tag"], error["bad-element"]) == ("protocol", tag, element)
    await ann.ok(subscribe(CHANGES))  # which would be refused if there were one


async def test_one_subscription_for_a_session(ann: RawClient) -> None:
    await ann.ok(subscribe())
    (error,) = await ann.errors(subscribe())
    assert (error["type"], error["tag"]) == ("application", "operation-failed")


# -- clients that do not read


@pytest.fixture
async def idle(tmp_path: Path) -> AsyncIterator[Server]:
    more = "<idle-timeout>1</idle-timeout>"
    async with running_server(tmp_path, more=more) as server:
        yield server


async def test_who_waits_for_events_is_not_idle(idle: Server) -> None:
    ann, bob = await idle.client(), await idle.client()
    await ann.ok(subscribe(f'<filter><netconf-session-end xmlns="{NCN}"/></filter>'))
    found = leaves(await ann.event())
    assert found["session-id"] == str(bob.session_id)
    assert found["termination-reason"] == "timeout"


async def test_a_client_that_does_not_read_loses_its_session_and_stops_nobody(
    server: Server, ann: RawClient
) -> None:
    slow = await server.client()
    await slow.ok(subscribe())
    await ann.ok(subscribe(f'<filter><netconf-session-end xmlns="{NCN}"/></filter>'))
    event = CollectorStateChange(
        name="a", oper_status=OperStatus.DOWN, oper_reason="far away " * 1000
    )
    for _ in range(1200):
        server.datastore.events.publish(event)
        await asyncio.sleep(0)
    found = leaves(await ann.event())
    assert found["session-id"] == str(slow.session_id)
    assert found["termination-reason"] == "dropped"
    await ann.ok(edit("a"))


async def test_notifications_are_counted(ann: RawClient) -> None:
    await ann.ok(subscribe(CHANGES))
    await ann.ok(edit("a"))
    await ann.event()
    content = f'<netconf-state xmlns="{NAMESPACES["ncm"]}"><sessions/><statistics/></netconf-state>'
    data = await ann.data(f"<get><filter>{content}</filter></get>")
    counted = [e.text for e in data.iter(f"{{{NAMESPACES['ncm']}}}out-notifications")]
    assert counted == ["1", "1"]
