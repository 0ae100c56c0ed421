"""Every faulty request gets its error, and running stays as it was (RFC 6241, RFC 7950)."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.netconf_client import BASE, FE, FXS, RawClient
from tests.support.netconf_server import HOST, Server, running, running_server

NC = f'xmlns:nc="{BASE}"'
COLLECTOR = "/fe:flow-export/fe:collector[fe:name='a']"


def flow_export(content: str) -> str:
    return f'<flow-export xmlns="{FE}">{content}</flow-export>'


def collector(more: str = "", name: str = "a") -> str:
    return flow_export(f"<collector><name>{name}</name>{more}</collector>")


def edit(config: str, target: str = "candidate", options: str = "") -> str:
    return (
        f"<edit-config><target><{target}/></target>{options}<config>{config}</config></edit-config>"
    )


VALID = flow_export(
    "<collector><name>a</name><address>192.0.2.1</address><protocol>ipfix</protocol></collector>"
)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with running_server(tmp_path, data=VALID) as server:
        yield server


@pytest.fixture
async def client(server: Server) -> AsyncIterator[RawClient]:
    """A session; afterwards running must be what it was before."""
    before = running(server)
    yield await server.client()
    assert running(server) == before


def says(error: dict[str, str], **expected: str) -> None:
    """Compare an error with what is expected of it; underscores are hyphens, message is prose."""
    wanted = {name.replace("_", "-"): value for name, value in expected.items()}
    assert error.pop("message")
    assert error == wanted


# -- edits that are refused as they come


EDITS = {
    "value out of range": (
        collector("<port>0</port>"),
        {"tag": "invalid-value", "path": f"{COLLECTOR}/fe:port"},
    ),
    "value of another type": (
        collector("<port>many</port>"),
        {"tag": "invalid-value", "path": f"{COLLECTOR}/fe:port"},
    ),
    "value of no enumeration": (
        collector("<protocol>snmp</protocol>"),
        {"tag": "invalid-value", "path": f"{COLLECTOR}/fe:protocol"},
    ),
    "bad address": (
        collector("<address>192.0.2.256</address>"),
        {"tag": "invalid-value", "path": f"{COLLECTOR}/fe:address"},
    ),
    "missing key": (
        flow_export("<collector><port>1</port></collector>"),
        {"tag": "missing-element", "path": "/fe:flow-export/fe:collector", "bad-element": "name"},
    ),
    "the same entry twice": (
        flow_export("<collector><name>a</name></collector>" * 2),
        {
            "tag": "bad-element",
            "app-tag": "data-not-unique",
            "path": COLLECTOR,
            "bad-element": "collector",
        },
    ),
    "bad operation": (
        collector(f'<port {NC} nc:operation="explode">1</port>'),
        {
            "type": "protocol",
            "tag": "bad-attribute",
            "path": f"{COLLECTOR}/fe:port",
            "bad-attribute": "operation",
            "bad-element": "port",
        },
    ),
    "unknown element": (
        collector("<colour>red</colour>"),
        {"tag": "unknown-element", "path": COLLECTOR, "bad-element": "colour"},
    ),
    "unknown element of another module": (
        collector(f'<port xmlns="{FXS}">1</port>'),
        {"tag": "unknown-element", "path": COLLECTOR, "bad-element": "port"},
    ),
    "unknown namespace": (
        '<top xmlns="urn:nobody"/>',
        {
            "tag": "unknown-namespace",
            "bad-element": "top",
            "bad-namespace": "urn:nobody",
        },
    ),
    "state": (
        collector("<statistics><errors>1</errors></statistics>"),
        {
            "tag": "unknown-element",
            "path": f"{COLLECTOR}/fe:statistics",
            "bad-element": "statistics",
        },
    ),
    "interfaces are state": (
        '<interfaces xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces"/>',
        {"tag": "unknown-element", "path": "/if:interfaces", "bad-element": "interfaces"},
    ),
    "create what exists": (
        flow_export(f'<collector {NC} nc:operation="create"><name>a</name></collector>'),
        {"tag": "data-exists", "path": COLLECTOR},
    ),
    "create a leaf that exists": (
        collector(f'<address {NC} nc:operation="create">192.0.2.7</address>'),
        {"tag": "data-exists", "path": f"{COLLECTOR}/fe:address"},
    ),
    "delete what is missing": (
        flow_export(f'<collector {NC} nc:operation="delete"><name>z</name></collector>'),
        {"tag": "data-missing", "path": "/fe:flow-export/fe:collector[fe:name='z']"},
    ),
    "delete a leaf that is missing": (
        collector(f'<dscp {NC} nc:operation="delete"/>'),
        {"tag": "data-missing", "path": f"{COLLECTOR}/fe:dscp"},
    ),
}


@pytest.mark.parametrize("target", ["candidate", "running"])
@pytest.mark.parametrize("name", EDITS)
async def test_a_faulty_edit(client: RawClient, name: str, target: str) -> None:
    config, expected = EDITS[name]
    (error,) = await client.errors(edit(config, target))
    says(error, **({"type": "application"} | expected))


async def test_two_faults_give_two_errors(client: RawClient) -> None:
    faulty = collector("<port>0</port><dscp>64</dscp><colour/>")
    errors = await client.errors(edit(faulty))
    assert {(error["tag"], error.get("path")) for error in errors} == {
        ("invalid-value", f"{COLLECTOR}/fe:port"),
        ("invalid-value", f"{COLLECTOR}/fe:dscp"),
        ("unknown-element", COLLECTOR),
    }


async def test_a_refused_edit_leaves_the_candidate_as_it_was(client: RawClient) -> None:
    await client.ok(edit(collector("<port>2055</port>")))
    await client.errors(edit(collector("<port>2056</port><dscp>64</dscp>")))
    data = await client.data("<get-config><source><candidate/></source></get-config>")
    assert data.findtext(f".//{{{FE}}}port") == "2055"


# -- what shows at validate and commit

VALIDATE = "<validate><source><candidate/></source></validate>"


@pytest.mark.parametrize("judge", [VALIDATE, "<commit/>"])
async def test_mandatory_leafs_and_several_faults_at_once(client: RawClient, judge: str) -> None:
    await client.ok(edit(flow_export("<collector><name>b</name></collector>")))
    await client.ok(
        edit(flow_export("<collector><name>c</name><protocol>sflow</protocol></collector>"))
    )
    errors = await client.errors(judge)
    entry = "/fe:flow-export/fe:collector[fe:name='{}']"
    places = {error["path"] for error in errors}
    assert len(errors) == 3
    assert {place.removesuffix("/fe:address").removesuffix("/fe:protocol") for place in places} == {
        entry.format("b"),
        entry.format("c"),
    }


async def test_an_explicit_node_whose_when_is_false(client: RawClient) -> None:
    await client.ok(edit(collector("<sub-agent-id>1</sub-agent-id>")))
    (error,) = await client.errors(VALIDATE)
    says(
        error,
        type="application",
        tag="unknown-element",
        path=f"{COLLECTOR}/fe:sub-agent-id",
        bad_element="sub-agent-id",
    )


async def test_a_failed_commit_leaves_the_candidate_untouched(client: RawClient) -> None:
    await client.ok(edit(flow_export("<collector><name>b</name></collector>")))
    before = await client.data("<get-config><source><candidate/></source></get-config>")
    await client.errors("<commit/>")
    after = await client.data("<get-config><source><candidate/></source></get-config>")
    assert [e.text for e in after.iter()] == [e.text for e in before.iter()]
    assert len(after.findall(f".//{{{FE}}}collector")) == 2


async def test_running_takes_no_half_edit(client: RawClient) -> None:
    errors = await client.errors(
        edit(flow_export("<collector><name>b</name></collector>"), "running")
    )
    assert len(errors) == 2


async def test_a_port_that_is_taken_refuses_the_commit_by_its_path(client: RawClient) -> None:
    with socket.create_server((HOST, 0)) as other:
        taken = other.getsockname()[1]
        ssh = f"<ssh><port>{taken}</port></ssh>"
        await client.ok(edit(f'<server xmlns="{FXS}"><netconf>{ssh}</netconf></server>'))
        (error,) = await client.errors("<commit/>")
    assert error["tag"] == "operation-failed"
    assert error["path"] == "/fxs:server/fxs:netconf/fxs:ssh/fxs:port"
    assert f"127.0.0.1:{taken}" in error["message"]
    assert "Address already in use" in error["message"]


# -- requests that are no proper operation


REQUESTS = {
    "unknown operation": (
        "<explode/>",
        {"tag": "operation-not-supported", "bad-element": "explode"},
    ),
    "operation of an unknown module": (
        '<explode xmlns="urn:nobody"/>',
        {"tag": "unknown-namespace", "bad-element": "explode", "bad-namespace": "urn:nobody"},
    ),
    "missing parameter": ("<get-config/>", {"tag": "missing-element", "bad-element": "source"}),
    "unknown parameter": (
        "<get><colour/></get>",
        {"tag": "unknown-element", "bad-element": "colour"},
    ),
    "parameter of an unknown module": (
        '<get><colour xmlns="urn:nobody"/></get>',
        {"tag": "unknown-namespace", "bad-element": "colour", "bad-namespace": "urn:nobody"},
    ),
    "parameter given twice": (
        "<get><filter/><filter/></get>",
        {"tag": "bad-element", "bad-element": "filter"},
    ),
    "no datastore": (
        "<get-config><source/></get-config>",
        {"tag": "missing-element", "bad-element": "source"},
    ),
    "two datastores": (
        "<get-config><source><running/><candidate/></source></get-config>",
        {"tag": "bad-element", "bad-element": "candidate"},
    ),
    "a datastore that is not offered": (
        "<get-config><source><startup/></source></get-config>",
        {"tag": "unknown-element", "bad-element": "startup"},
    ),
    "url": (
        "<copy-config><target><url>file:///x</url></target><source><running/></source></copy-config>",
        {"tag": "unknown-element", "bad-element": "url"},
    ),
    "confirm-timeout 0": (
        "<commit><confirmed/><confirm-timeout>0</confirm-timeout></commit>",
        {"tag": "invalid-value", "bad-element": "confirm-timeout"},
    ),
    "confirm-timeout that is no number": (
        "<commit><confirmed/><confirm-timeout>1.5</confirm-timeout></commit>",
        {"tag": "invalid-value", "bad-element": "confirm-timeout"},
    ),
    "confirm-timeout beyond 32 bits": (
        "<commit><confirmed/><confirm-timeout>4294967296</confirm-timeout></commit>",
        {"tag": "invalid-value", "bad-element": "confirm-timeout"},
    ),
    "confirmed with content": (
        "<commit><confirmed>true</confirmed></commit>",
        {"tag": "invalid-value", "bad-element": "confirmed"},
    ),
    "confirm-timeout without confirmed": (
        "<commit><confirm-timeout>5</confirm-timeout></commit>",
        {"tag": "missing-element", "bad-element": "confirmed"},
    ),
    "persist without confirmed": (
        "<commit><persist>token</persist></commit>",
        {"tag": "missing-element", "bad-element": "confirmed"},
    ),
    "persist without a token": (
        "<commit><confirmed/><persist/></commit>",
        {"tag": "invalid-value", "bad-element": "persist"},
    ),
    "persist-id of nothing": (
        "<commit><persist-id>token</persist-id></commit>",
        {"tag": "invalid-value", "bad-element": "persist-id"},
    ),
    "nothing to cancel": ("<cancel-commit/>", {"tag": "operation-failed"}),
    "nothing to cancel by a token": (
        "<cancel-commit><persist-id>token</persist-id></cancel-commit>",
        {"tag": "invalid-value", "bad-element": "persist-id"},
    ),
    "bad default-operation": (
        edit(VALID, options="<default-operation>create</default-operation>"),
        {"tag": "invalid-value", "bad-element": "default-operation"},
    ),
    "bad test-option": (
        edit(VALID, options="<test-option>maybe</test-option>"),
        {"tag": "invalid-value", "bad-element": "test-option"},
    ),
    "bad error-option": (
        edit(VALID, options="<error-option>ignore</error-option>"),
        {"tag": "invalid-value", "bad-element": "error-option"},
    ),
    "filter of an unknown type": (
        '<get><filter type="regex"/></get>',
        {"tag": "bad-attribute", "bad-attribute": "type", "bad-element": "filter"},
    ),
    "xpath filter without select": (
        '<get><filter type="xpath"/></get>',
        {"tag": "missing-attribute", "bad-attribute": "select", "bad-element": "filter"},
    ),
    "bad xpath": (
        '<get><filter type="xpath" select="/nc:a["/></get>',
        {"tag": "bad-attribute", "bad-attribute": "select", "bad-element": "filter"},
    ),
    "a filter that is too large": (
        f"<get><filter>{'<a/>' * 4097}</filter></get>",
        {"tag": "too-big", "bad-element": "filter"},
    ),
    "session-id that is no number": (
        "<kill-session><session-id>-1</session-id></kill-session>",
        {"tag": "invalid-value", "bad-element": "session-id"},
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_faulty_request(client: RawClient, name: str) -> None:
    request, expected = REQUESTS[name]
    (error,) = await client.errors(request)
    says(error, type="protocol", **expected)


async def test_an_xpath_filter_that_gives_no_nodes(client: RawClient) -> None:
    (error,) = await client.errors('<get><filter type="xpath" select="1 + 1"/></get>')
    assert error["tag"] == "invalid-value"


async def test_delete_config_of_what_cannot_be_deleted(client: RawClient) -> None:
    for target in ("running", "candidate"):
        request = f"<delete-config><target><{target}/></target></delete-config>"
        assert len(await client.errors(request)) == 1


async def test_a_copy_onto_itself(client: RawClient) -> None:
    same = "<copy-config><target><running/></target><source><running/></source></copy-config>"
    (error,) = await client.errors(same)
    assert error["tag"] == "invalid-value"


@pytest.mark.parametrize("own", [True, False])
async def test_kill_session_of_oneself_and_of_nobody(client: RawClient, own: bool) -> None:
    target = client.session_id if own else 99
    request = f"<kill-session><session-id>{target}</session-id></kill-session>"
    (error,) = await client.errors(request)
    assert error["tag"] == "invalid-value"


# -- locks


def lock(target: str, verb: str = "lock") -> str:
    return f"<{verb}><target><{target}/></target></{verb}>"


@pytest.mark.parametrize("target", ["running", "candidate"])
async def test_a_lock_is_denied_with_the_holder_s_session_id(
    server: Server, client: RawClient, target: str
) -> None:
    holder = await server.client()
    await holder.ok(lock(target))
    (error,) = await client.errors(lock(target))
    says(error, type="protocol", tag="lock-denied", session_id=str(holder.session_id))
    await holder.ok(lock(target, "unlock"))
    await client.ok(lock(target))
    (error,) = await client.errors(lock(target))
    says(error, type="protocol", tag="lock-denied", session_id=str(client.session_id))


async def test_the_candidate_cannot_be_locked_while_it_is_modified(client: RawClient) -> None:
    await client.ok(edit(collector("<port>1</port>")))
    (error,) = await client.errors(lock("candidate"))
    assert error["tag"] == "lock-denied"
    await client.ok("<discard-changes/>")
    await client.ok(lock("candidate"))


async def test_a_locked_datastore_is_in_use_for_others(server: Server, client: RawClient) -> None:
    holder = await server.client()
    await holder.ok(lock("running"))
    await holder.ok(lock("candidate"))
    for request in (
        edit(collector("<port>1</port>"), "running"),
        edit(collector("<port>1</port>"), "candidate"),
        "<commit/>",
        "<discard-changes/>",
    ):
        (error,) = await client.errors(request)
        assert error["tag"] == "in-use"
    await client.data("<get-config><source><running/></source></get-config>")


@pytest.mark.parametrize("target", ["running", "candidate"])
async def test_unlock_by_another_is_refused(server: Server, client: RawClient, target: str) -> None:
    holder = await server.client()
    assert len(await client.errors(lock(target, "unlock"))) == 1
    await holder.ok(lock(target))
    (error,) = await client.errors(lock(target, "unlock"))
    assert error["tag"] == "operation-failed"
    await holder.ok(lock(target, "unlock"))
