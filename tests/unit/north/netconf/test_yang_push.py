"""Subscriptions to datastores (RFC 8641), over real sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree
from tests.support.netconf_client import FE, NAMESPACES, RawClient
from tests.support.netconf_server import Server

from flowexport_mgmt.link.messages import CollectorStateChange
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.model.flow_export import CollectorState, CollectorStatistics, FlowExportState

SN, YP, DS = NAMESPACES["sn"], NAMESPACES["yp"], NAMESPACES["ds"]
FLOW_EXPORT = f'<datastore-subtree-filter><flow-export xmlns="{FE}"/></datastore-subtree-filter>'
ON_CHANGE = "<on-change/>"
QUIET = "<on-change><sync-on-start>false</sync-on-start></on-change>"


class Exporter:
    """State as an exporter reports it, at the test's will."""

    paths: Sequence[str] = ("/flow-export",)

    def __init__(self) -> None:
        self.sent = 0
        self.status = OperStatus.UP
        self.asked = 0

    async def state(self, _: Sequence[str]) -> Mapping[str, FlowExportState]:
        self.asked += 1
        statistics = CollectorStatistics(datagrams_sent=self.sent, oper_status=self.status)
        return {
            "flow-export:flow-export": FlowExportState(
                collector=(CollectorState(name="a", statistics=statistics),)
            )
        }


def establish(datastore: str, *parameters: str) -> str:
    inner = "".join(parameters)
    return (
        f'<establish-subscription xmlns="{SN}"><datastore xmlns="{YP}" xmlns:ds="{DS}">'
        f"ds:{datastore}</datastore>{push(inner)}</establish-subscription>"
    )


def push(parameters: str) -> str:
    """Put elements into the namespace of ietf-yang-push, which each of them declares."""
    for name in ("datastore-subtree-filter", "datastore-xpath-filter", "periodic", "on-change"):
        parameters = parameters.replace(f"<{name}", f'<{name} xmlns="{YP}"', 1)
    return parameters


def periodic(period: int, more: str = "") -> str:
    return f"<periodic><period>{period}</period>{more}</periodic>"


def operation(name: str, number: int, more: str = "") -> str:
    namespace = YP if name == "resync-subscription" else SN
    return f'<{name} xmlns="{namespace}"><id>{number}</id>{more}</{name}>'


def collector(name: str, more: str = "") -> str:
    return (
        f"<collector><name>{name}</name><address>192.0.2.1</address>"
        f"<protocol>ipfix</protocol>{more}</collector>"
    )


def edit(*content: str) -> str:
    config = f'<flow-export xmlns="{FE}" xmlns:nc="{NAMESPACES["nc"]}">{"".join(content)}'
    return (
        f"<edit-config><target><running/></target><config>{config}</flow-export></config>"
        "</edit-config>"
    )


async def subscribe(client: RawClient, request: str) -> int:
    reply = await client.call(request)
    assert reply[0].tag == f"{{{SN}}}id", etree.tostring(reply)
    return int(reply[0].text or "")


async def contents(client: RawClient, number: int) -> etree._Element:
    """Wait for a push-update and give what is in it."""
    event = await client.event()
    assert event.tag == f"{{{YP}}}push-update", etree.tostring(event)
    assert event.findtext("yp:id", namespaces=NAMESPACES) == str(number)
    found = event.find("yp:datastore-contents", NAMESPACES)
    assert found is not None
    return found


async def changes(client: RawClient) -> list[tuple[str, str]]:
    """Wait for a push-change-update and give operation and target of each edit."""
    event = await client.event()
    assert event.tag == f"{{{YP}}}push-change-update", etree.tostring(event)
    patch = event.find("yp:datastore-changes/yp:yang-patch", NAMESPACES)
    assert patch is not None
    return [
        (
            e.findtext("yp:operation", "", NAMESPACES),
            e.findtext("yp:target", "", NAMESPACES),
        )
        for e in patch.iterfind("yp:edit", NAMESPACES)
    ]


def names(data: etree._Element) -> list[str | None]:
    return [e.text for e in data.iterfind(".//fe:collector/fe:name", NAMESPACES)]


@pytest.fixture
def exporter(server: Server) -> Exporter:
    exporter = Exporter()
    server.datastore.register_state(exporter)
    return exporter


@pytest.fixture
async def ann(server: Server) -> RawClient:
    client = await server.client()
    await client.ok(edit(collector("a")))
    return client


# -- on change


async def test_commits_are_told_as_a_patch(ann: RawClient) -> None:
    one = await subscribe(ann, establish("running", FLOW_EXPORT, ON_CHANGE))
    assert names(await contents(ann, one)) == ["a"]
    await ann.ok(edit(collector("b/1"), collector("a", "<port>7000</port>")))
    assert await changes(ann) == [
        ("create", "/flow-export:flow-export/collector=a/port"),
        ("create", "/flow-export:flow-export/collector=b%2F1"),
    ]
    gone = '<collector nc:operation="delete"><name>b/1</name></collector>'
    await ann.ok(edit(gone, collector("a", "<port>7001</port>")))
    assert await changes(ann) == [
        ("delete", "/flow-export:flow-export/collector=b%2F1"),
        ("replace", "/flow-export:flow-export/collector=a/port"),
    ]


async def test_a_patch_holds_the_new_values_and_is_numbered(ann: RawClient) -> None:
    await subscribe(ann, establish("running", FLOW_EXPORT, QUIET))
    for number, port in enumerate((7000, 7001)):
        await ann.ok(edit(collector("a", f"<port>{port}</port>")))
        event = await ann.event()
        assert event.findtext(".//yp:patch-id", namespaces=NAMESPACES) == str(number)
        value = event.find(".//yp:value", NAMESPACES)
        assert value is not None
        assert [(e.tag, e.text) for e in value] == [(f"{{{FE}}}port", str(port))]


async def test_only_the_selection_is_told(ann: RawClient) -> None:
    chosen = (
        f'<datastore-xpath-filter xmlns:fe="{FE}">'
        "/fe:flow-export/fe:collector[fe:name='a']/fe:port</datastore-xpath-filter>"
    ).replace("<datastore-xpath-filter ", f'<datastore-xpath-filter xmlns="{YP}" ')
    request = establish("running", QUIET).replace("</establish", f"{chosen}</establish")
    await subscribe(ann, request)
    await ann.ok(edit(collector("b", "<port>1</port>")))
    await ann.ok(edit(collector("a", "<dscp>1</dscp>")))
    await ann.ok(edit(collector("a", "<port>1</port>")))
    assert await changes(ann) == [
        ("create", "/flow-export:flow-export"),
    ]


async def test_the_first_and_the_last_entry(ann: RawClient) -> None:
    await subscribe(ann, establish("running", FLOW_EXPORT, QUIET))
    await ann.ok(
        "<edit-config><target><running/></target><default-operation>none</default-operation>"
        f'<config><flow-export xmlns="{FE}" xmlns:nc="{NAMESPACES["nc"]}" nc:operation="delete"/>'
        "</config></edit-config>"
    )
    assert await changes(ann) == [("delete", "/flow-export:flow-export")]
    await ann.ok(edit(collector("z")))
    assert await changes(ann) == [("create", "/flow-export:flow-export")]


async def test_excluded_changes_are_not_told_but_known(ann: RawClient) -> None:
    trigger = QUIET.replace("</on-change>", "<excluded-change>create</excluded-change></on-change>")
    await subscribe(ann, establish("running", FLOW_EXPORT, trigger))
    await ann.ok(edit(collector("b", "<port>1</port>")))
    await ann.ok(edit(collector("b", "<port>2</port>")))
    assert await changes(ann) == [("replace", "/flow-export:flow-export/collector=b/port")]


async def test_dampening_tells_the_outcome_of_several_commits(ann: RawClient) -> None:
    trigger = QUIET.replace("</on-change>", "<dampening-period>40</dampening-period></on-change>")
    await subscribe(ann, establish("running", FLOW_EXPORT, trigger))
    await ann.ok(edit(collector("b")))
    assert await changes(ann) == [("create", "/flow-export:flow-export/collector=b")]
    for port in (1, 2, 3):
        await ann.ok(edit(collector("a", f"<port>{port}</port>")))
    event = await ann.event()
    assert [e.text for e in event.iter(f"{{{FE}}}port")] == ["3"]


async def test_resync_sends_everything_once_more(ann: RawClient) -> None:
    one = await subscribe(ann, establish("running", FLOW_EXPORT, QUIET))
    await ann.ok(operation("resync-subscription", one))
    assert names(await contents(ann, one)) == ["a"]


async def test_operational_tells_configuration_and_status_but_no_counters(
    server: Server, ann: RawClient, exporter: Exporter
) -> None:
    one = await subscribe(ann, establish("operational", FLOW_EXPORT, ON_CHANGE))
    data = await contents(ann, one)
    assert data.findtext(".//fe:statistics/fe:oper-status", namespaces=NAMESPACES) == "up"
    assert data.findtext(".//fe:collector/fe:port", namespaces=NAMESPACES) == "6343"  # in use
    assert data.find(".//fe:datagrams-sent", NAMESPACES) is None
    exporter.sent, exporter.status = 5, OperStatus.DOWN
    server.datastore.events.publish(CollectorStateChange(name="a", oper_status=OperStatus.DOWN))
    assert await changes(ann) == [
        ("replace", "/flow-export:flow-export/collector=a/statistics/oper-status")
    ]


# -- periodic


async def test_counters_come_without_being_asked_for(ann: RawClient, exporter: Exporter) -> None:
    sent = []
    exporter.sent = 7
    one = await subscribe(ann, establish("operational", FLOW_EXPORT, periodic(100)))
    for _ in range(2):
        data = await contents(ann, one)
        sent.append(data.findtext(".//fe:datagrams-sent", namespaces=NAMESPACES))
        exporter.sent = 9
    assert sent == ["7", "9"]


async def test_subscribers_of_one_tick_share_a_reading(
    server: Server, ann: RawClient, exporter: Exporter
) -> None:
    anchor = (datetime.now(UTC) + timedelta(seconds=0.5)).isoformat()
    trigger = periodic(100, f"<anchor-time>{anchor}</anchor-time>")
    clients = [ann, await server.client(), await server.client()]
    numbers = [await subscribe(c, establish("operational", FLOW_EXPORT, trigger)) for c in clients]
    exporter.asked = 0
    for client, number in zip(clients, numbers, strict=True):
        await contents(client, number)
    assert exporter.asked == 1


async def test_updates_come_on_a_grid(ann: RawClient) -> None:
    one = await subscribe(ann, establish("running", FLOW_EXPORT, periodic(100)))
    await contents(ann, one)
    await ann.ok(edit(collector("b")))
    assert names(await contents(ann, one)) == ["a", "b"]


async def test_modify_changes_selection_and_period(ann: RawClient) -> None:
    one = await subscribe(ann, establish("running", FLOW_EXPORT, periodic(360000)))
    assert names(await contents(ann, one)) == ["a"]
    await ann.ok(edit(collector("b")))
    only_b = (
        f'<datastore xmlns="{YP}" xmlns:ds="{DS}">ds:running</datastore>'
        f'<datastore-subtree-filter xmlns="{YP}"><flow-export xmlns="{FE}"><collector>'
        "<name>b</name></collector></flow-export></datastore-subtree-filter>"
    )
    await ann.ok(operation("modify-subscription", one, only_b + push(periodic(100))))
    assert names(await contents(ann, one)) == ["b"]
    assert names(await contents(ann, one)) == ["b"]


async def test_a_subscription_stops_at_its_time(ann: RawClient) -> None:
    stop = (datetime.now(UTC) + timedelta(seconds=0.3)).isoformat()
    request = establish("running", FLOW_EXPORT, ON_CHANGE)
    request = request.replace("</establish", f"<stop-time>{stop}</stop-time></establish")
    await contents(ann, await subscribe(ann, request))
    await until_ended(ann)


# -- state, limits, errors


async def until_ended(client: RawClient) -> None:
    """Wait until there is no subscription any more."""
    async with asyncio.timeout(10):
        while await shown(client):
            pass


async def shown(client: RawClient) -> list[dict[str, str]]:
    data = await client.data(f'<get><filter><subscriptions xmlns="{SN}"/></filter></get>')
    return [
        {etree.QName(e).localname: e.text or "" for e in entry.iter() if not len(e)}
        for entry in data.iterfind(".//sn:subscription", NAMESPACES)
    ]


async def test_the_state_shows_what_was_subscribed_to(ann: RawClient) -> None:
    anchor = "2026-01-01T00:00:00.000Z"
    trigger = periodic(6000, f"<anchor-time>{anchor}</anchor-time>")
    chosen = f'<datastore-xpath-filter xmlns:fe="{FE}">/fe:flow-export</datastore-xpath-filter>'
    request = establish("operational", trigger).replace(
        "</establish", chosen.replace(" ", f' xmlns="{YP}" ', 1) + "</establish"
    )
    await subscribe(ann, request)
    await subscribe(
        ann,
        establish(
            "running",
            "<on-change><dampening-period>5</dampening-period><sync-on-start>false</sync-on-start>"
            "<excluded-change>move</excluded-change></on-change>",
        ),
    )
    first, second = await shown(ann)
    assert first["datastore"].endswith("operational")
    assert first["datastore-xpath-filter"] == "/fe:flow-export"
    assert first["period"] == "6000"
    assert datetime.fromisoformat(first["anchor-time"]) == datetime.fromisoformat(anchor)
    assert second["datastore"].endswith("running")
    assert (second["dampening-period"], second["sync-on-start"]) == ("5", "false")
    assert second["excluded-change"] == "move"


STATISTICS = (
    '<datastore-subtree-filter><netconf-state xmlns="urn:ietf:params:xml:ns:yang:'
    'ietf-netconf-monitoring"><statistics/></netconf-state></datastore-subtree-filter>'
)


@pytest.mark.parametrize(
    ("request_", "tag", "app_tag"),
    [
        (
            establish("candidate", ON_CHANGE),
            "invalid-value",
            "ietf-yang-push:datastore-not-subscribable",
        ),
        (establish("running", periodic(99)), "invalid-value", "ietf-yang-push:period-unsupported"),
        (
            establish("operational", STATISTICS, ON_CHANGE),
            "operation-not-supported",
            "ietf-yang-push:on-change-unsupported",
        ),
        (
            establish("running", "<datastore-xpath-filter>a[</datastore-xpath-filter>", ON_CHANGE),
            "invalid-value",
            "ietf-subscribed-notifications:filter-unsupported",
        ),
        (establish("running"), "missing-element", ""),
        (
            establish("running", "<selection-filter-ref>mine</selection-filter-ref>", ON_CHANGE),
            "unknown-element",
            "",
        ),
        (establish("running", ON_CHANGE, periodic(100)), "bad-element", ""),
        (establish("running", "<periodic/>"), "missing-element", ""),
        (establish("running", periodic(100, "<moon/>")), "unknown-element", ""),
        (
            establish("running", "<on-change><excluded-change>x</excluded-change></on-change>"),
            "invalid-value",
            "",
        ),
        (
            operation("resync-subscription", 9),
            "invalid-value",
            "ietf-yang-push:no-such-subscription-resync",
        ),
    ],
)
async def test_what_is_refused_makes_no_subscription(
    ann: RawClient, request_: str, tag: str, app_tag: str
) -> None:
    (error,) = await ann.errors(request_)
    assert (error["tag"], error.get("app-tag", "")) == (tag, app_tag)
    assert error["type"] == ("application" if app_tag else "protocol")
    assert await shown(ann) == []


async def test_a_refusal_says_what_would_have_been_better(ann: RawClient) -> None:
    """RFC 8641, section 5: the structures of the operations, with hints."""
    reply = await ann.call(establish("running", periodic(99)))
    (info,) = reply.iterfind("nc:rpc-error/nc:error-info/*", NAMESPACES)
    assert info.tag == f"{{{YP}}}establish-subscription-datastore-error-info"
    assert [leaf.text for leaf in info] == ["yp:period-unsupported", "100"]
    assert info[1].tag == f"{{{YP}}}period-hint"
    assert info[0].nsmap["yp"] == YP
    one = await subscribe(ann, establish("running", FLOW_EXPORT, periodic(360000)))
    reply = await ann.call(operation("resync-subscription", one))
    (info,) = reply.iterfind("nc:rpc-error/nc:error-info/*", NAMESPACES)
    assert info.tag == f"{{{YP}}}resync-subscription-error"


async def test_a_periodic_subscription_needs_no_resync_and_stays_periodic(ann: RawClient) -> None:
    one = await subscribe(ann, establish("running", FLOW_EXPORT, periodic(360000)))
    await contents(ann, one)
    (error,) = await ann.errors(operation("resync-subscription", one))
    assert error["app-tag"] == "ietf-yang-push:no-such-subscription-resync"
    datastore = f'<datastore xmlns="{YP}" xmlns:ds="{DS}">ds:running</datastore>'
    (error,) = await ann.errors(operation("modify-subscription", one, datastore + push(ON_CHANGE)))
    assert (error["tag"], error["bad-element"]) == ("bad-element", "on-change")
    (entry,) = await shown(ann)
    assert entry["period"] == "360000"
