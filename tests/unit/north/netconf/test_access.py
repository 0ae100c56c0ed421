"""Access control as clients meet it (RFC 8341): one over SSH, and the recovery user's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import asyncssh
import pytest
from lxml import etree
from tests.support.netconf_client import FE, NAMESPACES, RawClient
from tests.support.netconf_server import HOST, Server

NACM = "urn:ietf:params:xml:ns:yang:ietf-netconf-acm"
NS = NAMESPACES | {"nacm": NACM}
GET = "<get-config><source><running/></source></get-config>"
GET_DATA = (
    '<get-data xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"'
    ' xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores">'
    "<datastore>ds:{}</datastore></get-data>"
)
ONE = (
    f'<flow-export xmlns="{FE}"><collector><name>a</name><address>192.0.2.1</address>'
    "<protocol>ipfix</protocol></collector></flow-export>"
)
HIDE_PORTS = (
    "<rule><name>hide</name>"
    f'<path xmlns:fe="{FE}">/fe:flow-export/fe:collector/fe:address</path>'
    "<action>deny</action></rule>"
)


def edit(config: str, target: str = "running", more: str = "") -> str:
    return f"<edit-config><target><{target}/></target>{more}<config>{config}</config></edit-config>"


def rules(inside: str) -> str:
    return f'<nacm xmlns="{NACM}">{inside}</nacm>'


def demote(inside: str = "") -> str:
    """Take everything away from ann but what the given rules permit."""
    entry = f"<rule-list><name>admin</name>{inside}<rule><name>everything</name>"
    nc = 'xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="delete"'
    return edit(rules(entry.replace("<rule><name>every", f"<rule {nc}><name>every")
                      + "</rule></rule-list>"))  # fmt: skip


@pytest.fixture
async def root(server: Server) -> RawClient:
    client = await server.client()
    await client.ok(edit(ONE))
    return client


@pytest.fixture
async def ann(server: Server) -> AsyncIterator[RawClient]:
    """The user of the first configuration, over SSH."""
    connection = await asyncssh.connect(
        HOST,
        server.port,
        username="ann",
        client_keys=[server.key],
        known_hosts=None,
        config=None,
        agent_path=None,
    )
    async with connection:
        streams: Any = await connection.open_session(subsystem="netconf", encoding=None)
        client = RawClient(cast(Any, streams[1]), cast(Any, streams[0]))
        await client.exchange_hellos()
        yield client


async def test_the_first_user_may_do_everything(root: RawClient, ann: RawClient) -> None:
    await ann.ok(edit(ONE.replace("<name>a", "<name>b")))
    data = await ann.data(GET)
    (group,) = data.iterfind("nacm:nacm/nacm:groups/nacm:group", NS)
    assert [leaf.text for leaf in group] == ["admin", "ann"]
    await ann.ok(f"<kill-session><session-id>{root.session_id}</session-id></kill-session>")


async def test_others_read_and_do_not_write(root: RawClient, ann: RawClient) -> None:
    await root.ok(demote())
    data = await ann.data(GET)
    assert data.find("fe:flow-export", NS) is not None
    assert data.find("nacm:nacm", NS) is None
    assert (await root.data(GET)).find("nacm:nacm", NS) is not None
    (error,) = await ann.errors(edit(ONE.replace("<name>a", "<name>b")))
    assert error.pop("message")
    assert error == {
        "type": "application",
        "tag": "access-denied",
        "path": "/fe:flow-export/fe:collector[fe:name='b']",
    }


async def test_rpcs_are_denied(root: RawClient, ann: RawClient) -> None:
    rule = "<rule><name>no</name><rpc-name>edit-config</rpc-name><action>deny</action></rule>"
    await root.ok(demote(rule))
    kill = f"<kill-session><session-id>{root.session_id}</session-id></kill-session>"
    for request in (edit(ONE), kill, "<edit-config/>"):
        (error,) = await ann.errors(request)
        assert error.pop("message")
        assert error == {"type": "protocol", "tag": "access-denied"}
    await ann.data(GET)
    await ann.ok("<close-session/>")
    chosen = f'<nacm xmlns="{NACM}"/>'
    data = await root.data(f"<get><filter>{chosen}</filter></get>")
    assert data.findtext("nacm:nacm/nacm:denied-operations", "", NS) == "3"
    assert data.findtext("nacm:nacm/nacm:denied-data-writes", "", NS) == "0"


@pytest.mark.parametrize(
    "request_",
    [
        GET,
        "<get/>",
        GET.replace("running", "candidate"),
        GET.replace("</source>", '</source><filter type="subtree"/>').replace(
            '<filter type="subtree"/>', f'<filter><flow-export xmlns="{FE}"/></filter>'
        ),
        GET_DATA.format("running"),
        GET_DATA.format("operational"),
    ],
)
async def test_what_is_hidden_shows_nowhere(root: RawClient, ann: RawClient, request_: str) -> None:
    await root.ok(demote(HIDE_PORTS))
    for client, seen in ((ann, False), (root, True), (ann, False)):
        reply = await client.call(request_)
        assert reply.find(".//fe:collector/fe:name", NS) is not None, etree.tostring(reply)
        assert (reply.find(".//fe:collector/fe:address", NS) is not None) is seen


async def test_a_filter_cannot_find_out_what_is_hidden(root: RawClient, ann: RawClient) -> None:
    await root.ok(demote(HIDE_PORTS))
    match = f'<flow-export xmlns="{FE}"><collector><address>192.0.2.1</address></collector>'
    subtree = f"<filter>{match}</flow-export></filter>"
    xpath = (
        f'<filter type="xpath" xmlns:fe="{FE}"'
        " select=\"/fe:flow-export/fe:collector[fe:address='192.0.2.1']\"/>"
    )
    for chosen in (subtree, xpath):
        request = f"<get-config><source><running/></source>{chosen}</get-config>"
        assert (await root.data(request)).find(".//fe:collector", NS) is not None
        assert (await ann.data(request)).find(".//fe:collector", NS) is None


async def test_a_commit_of_what_somebody_else_wrote(root: RawClient, ann: RawClient) -> None:
    await root.ok(demote())
    await root.ok(edit(ONE.replace("<name>a", "<name>b"), "candidate"))
    (error,) = await ann.errors("<commit/>")
    assert (error["tag"], error["path"]) == (
        "access-denied",
        "/fe:flow-export/fe:collector[fe:name='b']",
    )
    await root.ok("<commit/>")


async def test_a_notification_that_may_not_be_received(
    server: Server, root: RawClient, ann: RawClient
) -> None:
    """The rule hides one kind of events; what comes after it is the first that arrives."""
    name = "<notification-name>netconf-config-change</notification-name>"
    await root.ok(demote(f"<rule><name>no</name>{name}<action>deny</action></rule>"))
    await ann.ok('<create-subscription xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"/>')
    await root.ok(edit(ONE.replace("<name>a", "<name>b")))
    await root.ok("<close-session/>")
    message = etree.fromstring(await ann.receive())
    assert etree.QName(message[1]).localname == "netconf-session-end"
    assert server.datastore.access.denied_notifications == 1
