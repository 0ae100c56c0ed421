"""What RFC 7950 (section 15) wants told of a configuration that is not valid, over a session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.edits import KINDS
from tests.support.netconf_client import FE, NAMESPACES, RawClient
from tests.support.netconf_server import Server, running, running_server

from flowexport_mgmt.schema.context import SchemaContext

RULES = "/k:rules"
VALIDATE = "<validate><source><candidate/></source></validate>"
PAIR = "<pair><left>{}</left><right>1</right><needed>1</needed>{}</pair>"
SAME = "<name>n</name><box><colour>red</colour></box>"
REFRESH = "/fe:flow-export/fe:collector[fe:name='a']/fe:template-refresh"


@pytest.fixture(scope="module")
def modules() -> SchemaContext:
    return SchemaContext([KINDS])


@pytest.fixture
async def server(tmp_path: Path, modules: SchemaContext) -> AsyncIterator[Server]:
    async with running_server(tmp_path, modules=modules) as server:
        yield server


@pytest.fixture
async def client(server: Server) -> RawClient:
    return await server.client()


def edit(config: str, target: str = "candidate") -> str:
    return f"<edit-config><target><{target}/></target><config>{config}</config></edit-config>"


def rules(content: str) -> str:
    return f'<rules xmlns="urn:test:kinds">{content}</rules>'


FAULTS = {
    "must with the model's own app-tag": (
        "<limited>10</limited>",
        ("operation-failed", "too-much", f"{RULES}/k:limited", {}),
    ),
    "must": ("<odd>2</odd>", ("operation-failed", "must-violation", f"{RULES}/k:odd", {})),
    "leafref": (
        "<reference>x</reference>",
        ("data-missing", "instance-required", f"{RULES}/k:reference", {}),
    ),
    "mandatory leaf": (
        "<pair><left>a</left><right>1</right></pair>",
        (
            "data-missing",
            "missing-mandatory",
            f"{RULES}/k:pair[k:left='a'][k:right='1']/k:needed",
            {},
        ),
    ),
    "mandatory choice": (
        "<alternative/>",
        ("data-missing", "missing-choice", f"{RULES}/k:alternative", {"missing-choice": "way"}),
    ),
    "min-elements": (
        "<several><two>1</two><one><id>1</id></one></several>",
        ("operation-failed", "too-few-elements", f"{RULES}/k:several/k:two", {}),
    ),
    "max-elements": (
        "".join(PAIR.format(left, "") for left in "abcde"),
        ("operation-failed", "too-many-elements", f"{RULES}/k:pair", {}),
    ),
    "a when that is false": (
        "<conditional>x</conditional>",
        ("unknown-element", "", f"{RULES}/k:conditional", {"bad-element": "conditional"}),
    ),
}


@pytest.mark.parametrize("judge", [VALIDATE, "<commit/>"])
@pytest.mark.parametrize("name", FAULTS)
async def test_a_constraint_is_told_when_it_is_judged(
    server: Server, client: RawClient, name: str, judge: str
) -> None:
    content, (tag, app_tag, path, info) = FAULTS[name]
    before = running(server)
    await client.ok(edit(rules(content)))
    candidate = await client.call("<get-config><source><candidate/></source></get-config>")
    (error,) = await client.errors(judge)
    assert error.pop("message")
    wanted = {"type": "application", "tag": tag, "path": path, **info}
    assert error == wanted | ({"app-tag": app_tag} if app_tag else {})
    assert running(server) == before
    after = await client.call("<get-config><source><candidate/></source></get-config>")
    assert [e.text for e in after.iter()] == [e.text for e in candidate.iter()]


async def test_every_path_that_is_not_unique_is_told(server: Server, client: RawClient) -> None:
    before = running(server)
    await client.ok(edit(rules(PAIR.format("a", SAME) + PAIR.format("b", SAME))))
    reply = await client.call("<commit/>")
    (error,) = reply
    assert error.findtext("nc:error-tag", "", NAMESPACES) == "operation-failed"
    assert error.findtext("nc:error-app-tag", "", NAMESPACES) == "data-not-unique"
    told = error.iterfind("nc:error-info/{urn:ietf:params:xml:ns:yang:1}non-unique", NAMESPACES)
    assert sorted(e.text or "" for e in told) == [
        f"{RULES}/k:pair[k:left='{left}'][k:right='1']/{leaf}"
        for left in "ab"
        for leaf in ("k:box/k:colour", "k:name")
    ]
    assert running(server) == before


async def test_another_case_takes_the_place_of_the_first(client: RawClient) -> None:
    box = '<box xmlns="urn:test:kinds">{}</box>'
    await client.ok(edit(box.format("<wood>oak</wood>"), "running"))
    await client.ok(edit(box.format("<metal><alloy>brass</alloy></metal>"), "running"))
    data = await client.data("<get-config><source><running/></source></get-config>")
    (found,) = data.findall("{urn:test:kinds}box")
    assert [e.tag.rpartition("}")[2] for e in found] == ["metal"]


async def test_data_of_two_cases_in_one_edit(server: Server, client: RawClient) -> None:
    before = running(server)
    both = '<box xmlns="urn:test:kinds"><wood>oak</wood><metal><alloy>brass</alloy></metal></box>'
    (error,) = await client.errors(edit(both))
    assert (error["tag"], error["path"]) == ("bad-element", "/k:box/k:metal")
    assert running(server) == before


async def test_what_another_edit_rules_out_goes_and_is_told(client: RawClient) -> None:
    config = (
        f'<flow-export xmlns="{FE}"><collector><name>a</name><address>192.0.2.1</address>'
        "<protocol>ipfix</protocol><template-refresh>9</template-refresh></collector></flow-export>"
    )
    await client.ok(edit(config, "running"))
    notification = "urn:ietf:params:xml:ns:netconf:notification:1.0"
    only = f'<filter><netconf-config-change xmlns="{NAMESPACES["ncn"]}"/></filter>'
    await client.ok(f'<create-subscription xmlns="{notification}">{only}</create-subscription>')
    sflow = (
        f'<flow-export xmlns="{FE}"><collector><name>a</name><protocol>sflow</protocol>'
        "</collector></flow-export>"
    )
    await client.ok(edit(sflow, "running"))
    event = await client.event()
    edits = {
        e.findtext("ncn:target", "", NAMESPACES): e.findtext("ncn:operation", "", NAMESPACES)
        for e in event.iterfind("ncn:edit", NAMESPACES)
    }
    assert edits[REFRESH] == "delete"
    data = await client.data("<get-config><source><running/></source></get-config>")
    assert data.find(".//fe:template-refresh", NAMESPACES) is None


async def test_the_same_edit_may_not_give_it(server: Server, client: RawClient) -> None:
    before = running(server)
    config = (
        f'<flow-export xmlns="{FE}"><collector><name>a</name><address>192.0.2.1</address>'
        "<protocol>sflow</protocol><template-refresh>9</template-refresh></collector></flow-export>"
    )
    (error,) = await client.errors(edit(config, "running"))
    assert (error["tag"], error["path"], error["bad-element"]) == (
        "unknown-element",
        REFRESH,
        "template-refresh",
    )
    assert running(server) == before
