"""The operations on the real datastore: what they do when nothing is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from tests.support.netconf_client import FE, NAMESPACES, RawClient
from tests.support.netconf_server import Server, running, running_server

from flowexport_mgmt.errors import LinkError
from flowexport_mgmt.schema.context import SchemaContext

RUNNING, CANDIDATE = "<running/>", "<candidate/>"
MONITORING = NAMESPACES["ncm"]


def collector(name: str, protocol: str = "ipfix", more: str = "") -> str:
    return (
        f"<collector><name>{name}</name><address>192.0.2.1</address>"
        f"<protocol>{protocol}</protocol>{more}</collector>"
    )


def flow_export(*collectors: str) -> str:
    return f'<flow-export xmlns="{FE}">{"".join(collectors)}</flow-export>'


def edit(config: str, target: str = CANDIDATE, options: str = "") -> str:
    return f"<edit-config><target>{target}</target>{options}<config>{config}</config></edit-config>"


def get_config(source: str = RUNNING, chosen: str = "") -> str:
    return f"<get-config><source>{source}</source>{chosen}</get-config>"


async def names(client: RawClient, source: str = RUNNING) -> list[str]:
    """List the collectors of a datastore."""
    data = await client.data(get_config(source))
    return [e.text or "" for e in data.iterfind("fe:flow-export/fe:collector/fe:name", NAMESPACES)]


@pytest.fixture
async def client(server: Server) -> RawClient:
    return await server.client()


# -- the life of the candidate


async def test_an_edit_is_seen_in_the_candidate_and_after_the_commit_in_running(
    client: RawClient,
) -> None:
    await client.ok(edit(flow_export(collector("a"))))
    assert (await names(client, CANDIDATE), await names(client)) == (["a"], [])
    await client.ok("<commit/>")
    assert (await names(client, CANDIDATE), await names(client)) == (["a"], ["a"])


async def test_running_can_be_written_directly(client: RawClient) -> None:
    await client.ok(edit(flow_export(collector("a")), RUNNING))
    assert await names(client) == ["a"]


async def test_discard_changes_gives_the_candidate_up(client: RawClient) -> None:
    await client.ok(edit(flow_export(collector("a"))))
    await client.ok("<discard-changes/>")
    assert await names(client, CANDIDATE) == []


async def test_the_candidate_is_shared(server: Server, client: RawClient) -> None:
    other = await server.client()
    await client.ok(edit(flow_export(collector("a"))))
    assert await names(other, CANDIDATE) == ["a"]
    await other.ok("<commit/>")
    assert await names(client) == ["a"]


async def test_a_commit_without_a_change_is_fine(client: RawClient) -> None:
    await client.ok("<commit/>")


@pytest.mark.parametrize(
    ("default", "left"), [("merge", ["a", "b"]), ("replace", ["b"]), ("none", None)]
)
async def test_default_operation(client: RawClient, default: str, left: list[str] | None) -> None:
    await client.ok(edit(flow_export(collector("a")), RUNNING))
    server_part = await client.data(get_config(chosen='<filter><server xmlns=""/></filter>'))
    whole = flow_export(collector("b")) + etree.tostring(server_part[0]).decode()
    options = f"<default-operation>{default}</default-operation>"
    if left is None:
        (error,) = await client.errors(edit(whole, options=options))
        assert error["tag"] == "data-missing"
        return
    await client.ok(edit(whole, options=options))
    assert await names(client, CANDIDATE) == left


async def test_test_only_changes_nothing(client: RawClient) -> None:
    options = "<test-option>test-only</test-option>"
    await client.ok(edit(flow_export(collector("a")), options=options))
    assert await names(client, CANDIDATE) == []


async def test_create_delete_and_remove(client: RawClient) -> None:
    operation = 'xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation'
    create = collector("a").replace("<collector", f'<collector {operation}="create"')
    await client.ok(edit(flow_export(create)))
    gone = f'<collector {operation}="delete"><name>a</name></collector>'
    await client.ok(edit(flow_export(gone)))
    assert await names(client, CANDIDATE) == []
    await client.ok(edit(flow_export(gone.replace("delete", "remove"))))


async def test_remove_of_an_empty_leaf_that_is_not_there(client: RawClient) -> None:
    operation = 'xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="remove"'
    await client.ok(edit(flow_export(collector("a", more=f"<dscp {operation}/>"))))
    await client.ok("<validate><source><candidate/></source></validate>")


async def test_remove_in_a_container_that_its_protocol_does_not_have(
    server: Server, client: RawClient
) -> None:
    """What led to something that is not there to be removed does not come into being itself."""
    await client.ok(edit(flow_export(collector("a")), RUNNING))
    before = running(server)
    remove = 'xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="remove"'
    more = f"<tls><server-name {remove}/></tls>"
    await client.ok(edit(flow_export(collector("a", more=more))))
    await client.ok("<validate><source><candidate/></source></validate>")
    await client.ok("<commit/>")
    await client.ok(edit(flow_export(collector("a", more=more)), RUNNING))
    assert running(server) == before
    (error,) = await client.errors(
        edit(flow_export(collector("a", more=more.replace("remove", "delete"))))
    )
    path = "/fe:flow-export/fe:collector[fe:name='a']/fe:tls/fe:server-name"
    assert (error["tag"], error["path"]) == ("data-missing", path)


async def test_parameters_in_no_namespace_are_the_operation_s_own(client: RawClient) -> None:
    config = f'<config xmlns="">{flow_export(collector("a"))}</config>'
    await client.ok(f"<edit-config><target><candidate/></target>{config}</edit-config>")
    await client.ok(f"<validate><source>{config}</source></validate>")
    await client.ok("<commit/>")
    assert await names(client) == ["a"]


# -- whole datastores


async def test_copy_config_between_datastores_and_from_inline_data(client: RawClient) -> None:
    await client.ok(edit(flow_export(collector("a"))))
    copy = "<copy-config><target>{}</target><source>{}</source></copy-config>"
    await client.ok(copy.format(RUNNING, CANDIDATE))
    assert await names(client) == ["a"]
    inline = f"<config>{flow_export(collector('z'))}</config>"
    await client.ok(copy.format(CANDIDATE, inline))
    assert await names(client, CANDIDATE) == ["z"]
    await client.ok(copy.format(CANDIDATE, RUNNING))
    assert await names(client, CANDIDATE) == ["a"]


async def test_validate_a_datastore_and_inline_data(client: RawClient) -> None:
    validate = "<validate><source>{}</source></validate>"
    await client.ok(validate.format(RUNNING))
    await client.ok(edit(flow_export("<collector><name>a</name></collector>")))
    errors = await client.errors(validate.format(CANDIDATE))
    assert len(errors) == 2
    await client.ok(validate.format(f"<config>{flow_export(collector('a'))}</config>"))
    inline = f"<config>{flow_export('<collector><name>a</name></collector>')}</config>"
    assert len(await client.errors(validate.format(inline))) == 2


# -- reading


async def test_get_config_filters(client: RawClient) -> None:
    await client.ok(edit(flow_export(collector("a"), collector("b", "sflow")), RUNNING))
    content = (
        f'<flow-export xmlns="{FE}"><collector><protocol>sflow</protocol></collector></flow-export>'
    )
    data = await client.data(get_config(chosen=f'<filter type="subtree">{content}</filter>'))
    assert [e.text for e in data.iterfind(".//fe:name", NAMESPACES)] == ["b"]
    select = "/fe:flow-export/fe:collector[fe:name='a']/fe:protocol"
    chosen = f'<filter type="xpath" xmlns:fe="{FE}" select="{select}"/>'
    data = await client.data(get_config(chosen=chosen))
    assert [e.text for e in data.iter() if not len(e)] == ["a", "ipfix"]
    data = await client.data(get_config(chosen="<filter/>"))
    assert len(data) == 0
    data = await client.data(get_config(chosen="<filter><flow-export/></filter>"))
    assert [etree.QName(e).localname for e in data] == ["flow-export"]


async def test_get_shows_configuration_and_state(server: Server, client: RawClient) -> None:
    await client.ok(edit(flow_export(collector("a")), RUNNING))
    data = await client.data("<get/>")
    assert data.findtext(".//fe:collector/fe:name", namespaces=NAMESPACES) == "a"
    ssh = data.find(".//fxs:netconf/fxs:ssh", NAMESPACES)
    assert ssh is not None
    assert ssh.findtext("fxs:port", namespaces=NAMESPACES) == str(server.port)
    assert ssh.findtext("fxs:oper-status", namespaces=NAMESPACES) == "up"
    session = data.find(".//fxs:sessions/fxs:session", NAMESPACES)
    assert session is not None
    assert session.findtext("fxs:door", namespaces=NAMESPACES) == "netconf-unix"
    assert session.findtext("fxs:in-rpcs", namespaces=NAMESPACES) == "2"


async def test_get_with_a_filter_on_state(client: RawClient) -> None:
    content = '<server xmlns="urn:flowexport:flow-export-server"><sessions/></server>'
    data = await client.data(f"<get><filter>{content}</filter></get>")
    assert {etree.QName(e).localname for e in data[0]} == {"sessions"}


async def test_a_small_reply_is_the_same_after_each_commit(client: RawClient) -> None:
    for round_ in range(3):
        await client.ok(edit(flow_export(collector(f"c{round_}")), RUNNING))
        assert await names(client) == [f"c{n}" for n in range(round_ + 1)]


# -- schemas and monitoring


def get_schema(identifier: str, more: str = "") -> str:
    return (
        f'<get-schema xmlns="{MONITORING}"><identifier>{identifier}</identifier>{more}</get-schema>'
    )


async def test_get_schema_gives_the_text_of_a_module(client: RawClient) -> None:
    data = await client.data(get_schema("flow-export", "<format>yang</format>"))
    assert data.tag == f"{{{MONITORING}}}data"
    assert (data.text or "").startswith("module flow-export {")
    data = await client.data(get_schema("ietf-inet-types"))
    assert "typedef ip-address" in (data.text or "")


async def test_every_schema_that_is_listed_can_be_had(client: RawClient) -> None:
    content = f'<netconf-state xmlns="{MONITORING}"><schemas/></netconf-state>'
    listed = await client.data(f"<get><filter>{content}</filter></get>")
    schemas = listed.findall(".//ncm:schema", NAMESPACES)
    assert len(schemas) > 8
    for schema in schemas:
        name = schema.findtext("ncm:identifier", namespaces=NAMESPACES) or ""
        version = schema.findtext("ncm:version", namespaces=NAMESPACES)
        data = await client.data(get_schema(name, f"<version>{version}</version>"))
        assert f"module {name} " in (data.text or "")


@pytest.mark.parametrize(
    ("request_", "tag"),
    [
        (get_schema("no-such-module"), "invalid-value"),
        (get_schema("flow-export", "<version>1999-01-01</version>"), "invalid-value"),
        (get_schema("flow-export", "<format>yin</format>"), "invalid-value"),
        (f'<get-schema xmlns="{MONITORING}"/>', "missing-element"),
    ],
)
async def test_what_get_schema_refuses(client: RawClient, request_: str, tag: str) -> None:
    (error,) = await client.errors(request_)
    assert error["tag"] == tag


OLD = """
module ietf-inet-types {
  namespace "urn:ietf:params:xml:ns:yang:ietf-inet-types"; prefix inet;
  revision 2010-09-24;
  typedef as-number { type uint32; }
}
"""


async def test_a_schema_of_two_revisions_is_named_with_its_version(tmp_path: Path) -> None:
    async with running_server(tmp_path, modules=SchemaContext([OLD])) as server:
        client = await server.client()
        (error,) = await client.errors(get_schema("ietf-inet-types"))
        assert (error["tag"], error["app-tag"]) == ("operation-failed", "data-not-unique")
        for version in ("2010-09-24", "2013-07-15"):
            more = f"<version>{version}</version>"
            data = await client.data(get_schema("ietf-inet-types", more))
            assert f"revision {version}" in (data.text or "")


async def test_yang_library_agrees_with_the_hello(client: RawClient) -> None:
    content = '<yang-library xmlns="urn:ietf:params:xml:ns:yang:ietf-yang-library"/>'
    data = await client.data(f"<get><filter>{content}</filter></get>")
    content_id = data.findtext("yl:yang-library/yl:content-id", namespaces=NAMESPACES)
    hello = [e.text or "" for e in client.server_hello.iter(f"{{{NAMESPACES['nc']}}}capability")]
    assert [c for c in hello if c.endswith(f"content-id={content_id}")]
    modules = {
        e.findtext("yl:name", namespaces=NAMESPACES)
        for e in data.iter(f"{{{NAMESPACES['yl']}}}module")
    }
    assert {"flow-export", "flow-export-server", "ietf-interfaces"} <= modules
    datastores = {e.text for e in data.iterfind(".//yl:datastore/yl:name", NAMESPACES)}
    assert {name.partition(":")[2] for name in datastores if name} == {
        "running",
        "candidate",
        "intended",
        "operational",
    }


async def test_monitoring_shows_locks_and_sessions(client: RawClient) -> None:
    await client.ok("<lock><target><candidate/></target></lock>")
    content = f'<netconf-state xmlns="{MONITORING}"><datastores/><sessions/></netconf-state>'
    data = await client.data(f"<get><filter>{content}</filter></get>")
    locked = data.findtext(
        ".//ncm:datastore[ncm:name='candidate']/ncm:locks/ncm:global-lock/ncm:locked-by-session",
        namespaces=NAMESPACES,
    )
    assert locked == str(client.session_id)
    assert data.find(".//ncm:datastore[ncm:name='running']/ncm:locks", NAMESPACES) is None
    transport = data.findtext(".//ncm:session/ncm:transport", namespaces=NAMESPACES)
    assert (transport or "").endswith("netconf-unix")


# -- operations of our own modules


RECENT = f'<recent-flows xmlns="{FE}"/>'


async def test_recent_flows(server: Server, client: RawClient) -> None:
    asked: list[Mapping[str, str]] = []

    async def give(parameters: Mapping[str, str]) -> Mapping[str, Any]:
        asked.append(parameters)
        return {"flow": [{"src-address": "10.0.0.1", "bytes": 2**63}, {"src-address": "a<b"}]}

    server.datastore.register_call("flow-export:recent-flows", give)
    reply = await client.call(RECENT)
    assert [[(etree.QName(e).localname, e.text) for e in flow] for flow in reply] == [
        [("src-address", "10.0.0.1"), ("bytes", str(2**63))],
        [("src-address", "a<b")],
    ]
    assert {e.tag for e in reply} == {f"{{{FE}}}flow"}
    prefix = "<destination-prefix> 10.0.0.0/8 </destination-prefix>"
    await client.call(f'<recent-flows xmlns="{FE}">{prefix}</recent-flows>')
    assert asked == [{}, {"destination-prefix": "10.0.0.0/8"}]


async def test_recent_flows_that_cannot_be_had(server: Server, client: RawClient) -> None:
    (error,) = await client.errors(RECENT)
    assert error["tag"] == "operation-not-supported"

    async def fail(_: Mapping[str, str]) -> Mapping[str, Any]:
        raise LinkError("the exporter process is not running")

    server.datastore.register_call("flow-export:recent-flows", fail)
    (error,) = await client.errors(RECENT)
    assert (error["tag"], error["message"]) == (
        "operation-failed",
        "the exporter process is not running",
    )

    async def nothing(_: Mapping[str, str]) -> Mapping[str, Any]:
        return {"flow": []}

    server.datastore.register_call("flow-export:recent-flows", nothing)
    await client.ok(RECENT)
    (error,) = await client.errors(f'<recent-flows xmlns="{FE}"><other/></recent-flows>')
    assert error["tag"] == "unknown-element"


async def test_several_addresses_are_looked_up_at_once(server: Server, client: RawClient) -> None:
    asked: list[Mapping[str, str]] = []

    async def give(parameters: Mapping[str, str]) -> Mapping[str, Any]:
        asked.append(parameters)
        return {"route": [{"address": "10.0.0.1", "origin-as": 64500}]}

    server.datastore.register_call("flow-export:lookup-routes", give)
    both = "<address> 10.0.0.1 </address><address>::1</address>"
    reply = await client.call(f'<lookup-routes xmlns="{FE}">{both}</lookup-routes>')
    assert reply[0].findtext(f"{{{FE}}}origin-as") == "64500"
    assert asked == [{"address": "10.0.0.1 ::1"}]
    (error,) = await client.errors(f'<lookup-routes xmlns="{FE}"/>')
    assert error["tag"] == "missing-element"


async def test_routes_are_asked_for_again(server: Server, client: RawClient) -> None:
    asked: list[Mapping[str, str]] = []

    async def refresh(parameters: Mapping[str, str]) -> Mapping[str, Any]:
        asked.append(parameters)
        return {}

    server.datastore.register_call("flow-export:refresh-routes", refresh)
    await client.ok(f'<refresh-routes xmlns="{FE}"/>')
    await client.ok(f'<refresh-routes xmlns="{FE}"><neighbor>::1</neighbor></refresh-routes>')
    assert asked == [{}, {"neighbor": "::1"}]
