"""The four modes of with-defaults (RFC 6243) over a real session; the basic mode is explicit."""

from __future__ import annotations

import pytest
from lxml import etree
from tests.support.netconf_client import FE, NAMESPACES, RawClient
from tests.support.netconf_server import Server, running

NCWD = NAMESPACES["ncwd"]
TAG = f"{{{NCWD}}}default"
COLLECTOR = (
    f'<flow-export xmlns="{FE}"><collector><name>a</name><address>192.0.2.1</address>'
    "<port>6343</port><dscp>8</dscp><protocol>ipfix</protocol>{}</collector></flow-export>"
)
FILTER = f'<filter><flow-export xmlns="{FE}"/></filter>'
LEAVES = ("port", "dscp", "rate-limit")
"""A leaf that was set to the value of the schema, one set to another value, one not set."""


def mode(name: str) -> str:
    return f'<with-defaults xmlns="{NCWD}">{name}</with-defaults>' if name else ""


def edit(target: str, config: str) -> str:
    return f"<edit-config><target><{target}/></target><config>{config}</config></edit-config>"


async def leaves(client: RawClient, operation: str) -> dict[str, tuple[str | None, str | None]]:
    """Give the value and the tag of each of the three leaves that is there."""
    data = await client.data(operation)
    found = ((leaf, data.find(f".//fe:collector/fe:{leaf}", NAMESPACES)) for leaf in LEAVES)
    return {leaf: (e.text, e.get(TAG)) for leaf, e in found if e is not None}


SET, OTHER = {"port": ("6343", None)}, {"dscp": ("8", None)}
UNSET, TAGGED = {"rate-limit": ("50000", None)}, {"rate-limit": ("50000", "true")}
MODES = [
    ("", SET | OTHER),
    ("explicit", SET | OTHER),
    ("trim", OTHER),
    ("report-all", SET | OTHER | UNSET),
    ("report-all-tagged", SET | OTHER | TAGGED),
]


@pytest.fixture
async def client(server: Server) -> RawClient:
    client = await server.client()
    await client.ok(edit("running", COLLECTOR.format("")))
    return client


@pytest.mark.parametrize(("name", "expected"), MODES)
async def test_get_and_get_config(
    client: RawClient, name: str, expected: dict[str, tuple[str, str | None]]
) -> None:
    assert await leaves(client, f"<get>{FILTER}{mode(name)}</get>") == expected
    source = "<get-config><source><{}/></source>" + FILTER + mode(name) + "</get-config>"
    assert await leaves(client, source.format("running")) == expected
    assert await leaves(client, source.format("candidate")) == expected


async def test_the_defaults_of_a_candidate_follow_its_edits(client: RawClient) -> None:
    changed = (
        f'<flow-export xmlns="{FE}"><collector><name>a</name><protocol>sflow</protocol>'
        "</collector><collector><name>b</name></collector></flow-export>"
    )
    await client.ok(edit("candidate", changed))
    report = f"<get-config><source><candidate/></source>{FILTER}{mode('report-all')}</get-config>"
    data = await client.data(report)
    first, second = data.findall(".//fe:collector", NAMESPACES)
    assert first.find("fe:template-refresh", NAMESPACES) is None  # sFlow has no templates
    assert second.findtext("fe:rate-limit", namespaces=NAMESPACES) == "50000"


async def test_a_mode_that_is_none_is_refused(client: RawClient) -> None:
    (error,) = await client.errors(f"<get>{mode('some')}</get>")
    assert (error["tag"], error["bad-element"]) == ("invalid-value", "with-defaults")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("explicit", SET | OTHER),
        ("trim", OTHER),
        ("report-all", SET | OTHER | UNSET),
        ("report-all-tagged", SET | OTHER),
    ],
)
async def test_copy_config_sets_what_it_is_shown(
    client: RawClient, name: str, expected: dict[str, tuple[str, str | None]]
) -> None:
    await client.ok(
        "<copy-config><target><candidate/></target><source><running/></source>"
        f"{mode(name)}</copy-config>"
    )
    shown = f"<get-config><source><candidate/></source>{FILTER}</get-config>"
    assert await leaves(client, shown) == expected


async def test_a_tagged_answer_can_be_sent_back(server: Server, client: RawClient) -> None:
    before = running(server)
    tagged = await client.data(
        f"<get-config><source><running/></source>{mode('report-all-tagged')}</get-config>"
    )
    content = "".join(etree.tostring(e, encoding="unicode") for e in tagged)
    await client.ok(edit("candidate", content))
    await client.ok("<commit/>")
    assert running(server) == before
    await client.ok(
        "<copy-config><target><running/></target>"
        f"<source><config>{content}</config></source></copy-config>"
    )
    assert running(server) == before


async def test_a_tag_gives_a_leaf_back_to_the_schema(client: RawClient) -> None:
    tagged = (
        f'<flow-export xmlns="{FE}"><collector><name>a</name>'
        f'<port xmlns:wd="{NCWD}" wd:default="true">6343</port></collector></flow-export>'
    )
    await client.ok(edit("running", tagged))
    assert await leaves(client, f"<get>{FILTER}</get>") == OTHER


@pytest.mark.parametrize(
    ("leaf", "tag"),
    [
        ('<port xmlns:wd="{0}" wd:default="true">7000</port>', "invalid-value"),
        ('<port xmlns:wd="{0}" wd:default="perhaps">6343</port>', "bad-attribute"),
        (
            '<port xmlns:wd="{0}" wd:default="true" xmlns:nc="{1}" nc:operation="delete"/>',
            "bad-attribute",
        ),
        ('<source-address xmlns:wd="{0}" wd:default="true">::1</source-address>', "invalid-value"),
        ('<tls xmlns:wd="{0}" wd:default="true"/>', "unknown-attribute"),
    ],
)
async def test_a_wrong_tag_is_refused(
    server: Server, client: RawClient, leaf: str, tag: str
) -> None:
    before = running(server)
    text = leaf.format(NCWD, NAMESPACES["nc"])
    config = f'<flow-export xmlns="{FE}"><collector><name>a</name>{text}</collector></flow-export>'
    (error,) = await client.errors(edit("running", config))
    assert error["tag"] == tag
    assert error["path"].startswith("/fe:flow-export/fe:collector[fe:name='a']/fe:")
    assert running(server) == before


async def test_the_capability_names_the_modes(client: RawClient) -> None:
    offered = [e.text for e in client.server_hello.iter(f"{{{NAMESPACES['nc']}}}capability")]
    uri = (
        "urn:ietf:params:netconf:capability:with-defaults:1.0?basic-mode=explicit"
        "&also-supported=report-all,report-all-tagged,trim"
    )
    assert uri in offered
