"""get-data and edit-data (RFC 8526), over a real session."""

from __future__ import annotations

import pytest
from lxml import etree
from tests.support.netconf_client import FE, NAMESPACES, RawClient
from tests.support.netconf_server import Server, running

from flowexport_mgmt.schema.tree import Format, Tree

NMDA, ORIGIN = NAMESPACES["ncds"], f"{{{NAMESPACES['or']}}}origin"
COLLECTORS = (
    f'<flow-export xmlns="{FE}"><collector><name>a</name><address>192.0.2.1</address>'
    "<port>6343</port><protocol>ipfix</protocol></collector><collector><name>b</name>"
    "<address>192.0.2.2</address><protocol>sflow</protocol></collector></flow-export>"
)
FE_FILTER = f'<subtree-filter><flow-export xmlns="{FE}"/></subtree-filter>'


def get_data(datastore: str, *parameters: str) -> str:
    return (
        f'<get-data xmlns="{NMDA}" xmlns:ds="{NAMESPACES["ds"]}" xmlns:or="{NAMESPACES["or"]}" '
        f'xmlns:fe="{FE}"><datastore>ds:{datastore}</datastore>{"".join(parameters)}</get-data>'
    )


def edit_data(datastore: str, config: str, more: str = "") -> str:
    return (
        f'<edit-data xmlns="{NMDA}" xmlns:ds="{NAMESPACES["ds"]}">'
        f"<datastore>ds:{datastore}</datastore>{more}<config>{config}</config></edit-data>"
    )


def shown(data: etree._Element) -> str:
    """Show an answer without namespaces: ``name(children)`` and, for leaves, ``name=value``."""
    return " ".join(map(_shown, data))


def _shown(element: etree._Element) -> str:
    name = etree.QName(element).localname
    if not len(element) and element.text:
        return f"{name}={element.text}"
    return f"{name}({shown(element)})" if len(element) else name


def origins(data: etree._Element) -> dict[str, str]:
    """Give the origin that each element says it has, by its name; the last one of a name counts."""
    return {etree.QName(e).localname: e.get(ORIGIN, "") for e in data.iter() if e.get(ORIGIN)}


@pytest.fixture
async def client(server: Server) -> RawClient:
    client = await server.client()
    await client.ok(edit_data("running", COLLECTORS))
    return client


A_IS = "collector(name=a address=192.0.2.1 port=6343 protocol=ipfix)"
B_IS = "collector(name=b address=192.0.2.2 protocol=sflow)"


@pytest.mark.parametrize("datastore", ["running", "candidate", "intended"])
async def test_a_configuration_datastore_shows_what_was_set(
    client: RawClient, datastore: str
) -> None:
    data = await client.data(get_data(datastore, FE_FILTER))
    assert data.tag == f"{{{NMDA}}}data"
    assert shown(data) == f"flow-export({A_IS} {B_IS})"


async def test_operational_shows_every_value_in_use_and_the_state(client: RawClient) -> None:
    content = '<server xmlns="urn:flowexport:flow-export-server"/>'
    data = await client.data(get_data("operational", f"<subtree-filter>{content}</subtree-filter>"))
    ssh = data.find("fxs:server/fxs:netconf/fxs:ssh", NAMESPACES)
    assert ssh is not None
    assert ssh.findtext("fxs:address", namespaces=NAMESPACES) == "127.0.0.1"  # of the schema
    assert ssh.findtext("fxs:oper-status", namespaces=NAMESPACES) == "up"
    assert data.find(f".//*[@{ORIGIN}]") is None


async def test_an_xpath_filter_and_namespaces_of_its_element(client: RawClient) -> None:
    select = "<xpath-filter>/fe:flow-export/fe:collector[fe:port = 6343]/fe:protocol</xpath-filter>"
    data = await client.data(get_data("running", select))
    assert shown(data) == "flow-export(collector(name=a protocol=ipfix))"


async def test_a_filter_without_a_namespace_works(client: RawClient) -> None:
    content = "<flow-export><collector><name>b</name></collector></flow-export>"
    data = await client.data(get_data("running", f"<subtree-filter>{content}</subtree-filter>"))
    assert shown(data) == f"flow-export({B_IS})"


@pytest.mark.parametrize(
    ("depth", "answer"),
    [
        ("1", "flow-export"),
        ("2", "flow-export(collector(name=a) collector(name=b))"),
        ("3", f"flow-export({A_IS} {B_IS})"),
        ("unbounded", f"flow-export({A_IS} {B_IS})"),
    ],
)
async def test_max_depth(client: RawClient, depth: str, answer: str) -> None:
    data = await client.data(get_data("running", FE_FILTER, f"<max-depth>{depth}</max-depth>"))
    assert shown(data) == answer


async def test_depth_counts_from_what_the_filter_chose(client: RawClient) -> None:
    select = "<xpath-filter>/fe:flow-export/fe:collector[1]</xpath-filter>"
    data = await client.data(get_data("running", select, "<max-depth>1</max-depth>"))
    assert shown(data) == "flow-export(collector(name=a))"
    data = await client.data(get_data("running", select, "<max-depth>2</max-depth>"))
    assert shown(data) == f"flow-export({A_IS})"


async def test_config_filter(client: RawClient) -> None:
    content = (
        '<subtree-filter><server xmlns="urn:flowexport:flow-export-server">'
        "<netconf><ssh/></netconf></server></subtree-filter>"
    )
    only = "<config-filter>{}</config-filter>"
    state = await client.data(get_data("operational", content, only.format("false")))
    ssh = state.find("fxs:server/fxs:netconf/fxs:ssh", NAMESPACES)
    assert ssh is not None
    assert {etree.QName(e).localname for e in ssh} == {"host-key-fingerprint", "oper-status"}
    config = await client.data(get_data("operational", content, only.format("true")))
    ssh = config.find("fxs:server/fxs:netconf/fxs:ssh", NAMESPACES)
    assert ssh is not None
    assert {etree.QName(e).localname for e in ssh} == {"enabled", "address", "port"}


async def test_with_origin_tells_what_was_set_from_what_the_schema_gives(
    client: RawClient,
) -> None:
    only_a = "<flow-export><collector><name>a</name></collector></flow-export>"
    chosen = f"<subtree-filter>{only_a}</subtree-filter>"
    data = await client.data(get_data("operational", chosen, "<with-origin/>"))
    found = origins(data)
    assert found["flow-export"] == "or:intended"
    assert "port" not in found  # set, to the value that the schema has, and so inherits
    assert found["rate-limit"] == found["enabled"] == "or:default"
    assert "name" not in found
    assert b"default=" not in etree.tostring(data).replace(b"or:default", b"")


@pytest.mark.parametrize(
    ("chosen", "has", "has_not"),
    [
        ("<origin-filter>or:default</origin-filter>", "rate-limit", "protocol"),
        ("<origin-filter>or:intended</origin-filter>", "protocol", "rate-limit"),
        (
            "<origin-filter>or:learned</origin-filter><origin-filter>or:default</origin-filter>",
            "rate-limit",
            "protocol",
        ),
        (
            "<negated-origin-filter>or:default</negated-origin-filter>",
            "protocol",
            "rate-limit",
        ),
        ("<origin-filter>or:origin</origin-filter>", "rate-limit", "no-such-leaf"),
    ],
)
async def test_origin_filters(client: RawClient, chosen: str, has: str, has_not: str) -> None:
    data = await client.data(get_data("operational", FE_FILTER, chosen))
    assert data.find(f".//fe:collector/fe:{has}", NAMESPACES) is not None
    assert data.find(f".//fe:collector/fe:{has_not}", NAMESPACES) is None
    assert data.findtext(".//fe:collector/fe:name", namespaces=NAMESPACES) == "a"


async def test_an_origin_filter_leaves_system_state_alone(client: RawClient) -> None:
    content = (
        '<subtree-filter><server xmlns="urn:flowexport:flow-export-server">'
        "<netconf><ssh/></netconf></server></subtree-filter>"
    )
    learned = "<origin-filter>or:learned</origin-filter>"
    data = await client.data(get_data("operational", content, learned))
    assert data.findtext(".//fxs:ssh/fxs:oper-status", namespaces=NAMESPACES) == "up"
    assert data.find(".//fxs:ssh/fxs:port", NAMESPACES) is None


async def test_with_defaults_applies_to_get_data(client: RawClient) -> None:
    report = "<with-defaults>{}</with-defaults>"
    trimmed = await client.data(get_data("operational", FE_FILTER, report.format("trim")))
    assert trimmed.find(".//fe:collector/fe:port", NAMESPACES) is None
    explicit = await client.data(get_data("operational", FE_FILTER, report.format("explicit")))
    assert len(explicit.findall(".//fe:collector/fe:port", NAMESPACES)) == 1
    tagged = await client.data(get_data("running", FE_FILTER, report.format("report-all-tagged")))
    first, second = tagged.findall(".//fe:collector/fe:port", NAMESPACES)
    assert (first.get(f"{{{NAMESPACES['ncwd']}}}default"), first.text) == (None, "6343")
    assert (second.get(f"{{{NAMESPACES['ncwd']}}}default"), second.text) == ("true", "6343")


async def test_edit_data_edits_the_candidate_and_running(client: RawClient) -> None:
    gone = (
        f'<flow-export xmlns="{FE}" xmlns:nc="{NAMESPACES["nc"]}">'
        '<collector nc:operation="delete"><name>a</name></collector></flow-export>'
    )
    none = "<default-operation>none</default-operation>"
    await client.ok(edit_data("candidate", gone, none))
    assert shown(await client.data(get_data("candidate", FE_FILTER))) == f"flow-export({B_IS})"
    assert A_IS in shown(await client.data(get_data("running", FE_FILTER)))
    await client.ok("<commit/>")
    assert shown(await client.data(get_data("running", FE_FILTER))) == f"flow-export({B_IS})"


@pytest.mark.parametrize(
    ("request_", "tag", "element"),
    [
        (get_data("startup"), "invalid-value", "datastore"),
        (get_data("running").replace("ds:running", "running"), "invalid-value", "datastore"),
        (get_data("running", "<with-origin/>"), "invalid-value", "with-origin"),
        (
            get_data("candidate", "<origin-filter>or:default</origin-filter>"),
            "invalid-value",
            "origin-filter",
        ),
        (
            get_data("operational", "<origin-filter>or:moon</origin-filter>"),
            "invalid-value",
            "origin-filter",
        ),
        (
            get_data(
                "operational",
                "<origin-filter>or:default</origin-filter>",
                "<negated-origin-filter>or:system</negated-origin-filter>",
            ),
            "bad-element",
            "negated-origin-filter",
        ),
        (get_data("running", "<max-depth>0</max-depth>"), "invalid-value", "max-depth"),
        (get_data("running", "<max-depth>65536</max-depth>"), "invalid-value", "max-depth"),
        (get_data("running", "<config-filter>maybe</config-filter>"), "invalid-value", None),
        (get_data("running", "<with-defaults>some</with-defaults>"), "invalid-value", None),
        (
            get_data("running", "<subtree-filter/>", "<xpath-filter>/</xpath-filter>"),
            "bad-element",
            "xpath-filter",
        ),
        (get_data("running", "<xpath-filter>fe:a[</xpath-filter>"), "invalid-value", None),
        (get_data("running", "<xpath-filter>no:a</xpath-filter>"), "invalid-value", None),
        (get_data("running", "<xpath-filter>$who</xpath-filter>"), "invalid-value", None),
        (get_data("running", "<xpath-filter>count(/*)</xpath-filter>"), "invalid-value", None),
        (f'<get-data xmlns="{NMDA}"/>', "missing-element", "datastore"),
        (edit_data("operational", COLLECTORS), "invalid-value", "datastore"),
        (edit_data("intended", COLLECTORS), "invalid-value", "datastore"),
        (edit_data("running", COLLECTORS, "<url>file:x</url>"), "unknown-element", "url"),
    ],
)
async def test_what_is_refused_changes_nothing(
    server: Server, client: RawClient, request_: str, tag: str, element: str | None
) -> None:
    before = running(server)
    (error,) = await client.errors(request_)
    assert error["tag"] == tag
    if element is not None:
        assert (error["type"], error["bad-element"]) == ("protocol", element)
    assert running(server) == before


async def test_a_wrong_value_has_its_path(server: Server, client: RawClient) -> None:
    before = running(server)
    wrong = COLLECTORS.replace("6343", "0")
    (error,) = await client.errors(edit_data("running", wrong))
    assert (error["tag"], error["type"]) == ("invalid-value", "application")
    assert error["path"] == "/fe:flow-export/fe:collector[fe:name='a']/fe:port"
    assert running(server) == before


async def test_lock_unlock_and_validate_take_the_name_of_a_datastore(
    server: Server, client: RawClient
) -> None:
    named = f'<datastore xmlns="{NMDA}" xmlns:ds="{NAMESPACES["ds"]}">ds:{{}}</datastore>'
    running_, other = named.format("running"), await server.client()
    await client.ok(f"<lock><target>{running_}</target></lock>")
    (error,) = await other.errors("<lock><target><running/></target></lock>")
    assert (error["tag"], error["session-id"]) == ("lock-denied", str(client.session_id))
    await client.ok(f"<unlock><target>{running_}</target></unlock>")
    await client.ok(f"<validate><source>{running_}</source></validate>")
    operational = named.format("operational")
    (error,) = await client.errors(f"<lock><target>{operational}</target></lock>")
    assert (error["tag"], error["bad-element"]) == ("invalid-value", "datastore")


async def test_the_modules_are_announced(client: RawClient) -> None:
    data = await client.data(
        get_data(
            "operational",
            '<subtree-filter><yang-library xmlns="urn:ietf:params:xml:ns:yang:ietf-yang-library"/>'
            "</subtree-filter>",
        )
    )
    module = data.find(".//yl:module[yl:name='ietf-netconf-nmda']", NAMESPACES)
    assert module is not None
    features = {e.text for e in module.iterfind("yl:feature", NAMESPACES)}
    assert features == {"origin", "with-defaults"}
    assert data.find(".//yl:module[yl:name='yang']", NAMESPACES) is None
    assert data.find(".//yl:module[yl:name='ietf-yang-schema-mount']", NAMESPACES) is None


@pytest.mark.parametrize("more", ["", "<with-origin/>", "<with-defaults>report-all-tagged"])
async def test_all_that_is_shown_fits_the_modules(
    server: Server, client: RawClient, more: str
) -> None:
    more += "</with-defaults>" if "defaults" in more else ""
    data = await client.data(get_data("operational", more))
    xml = b"".join(etree.tostring(e, with_tail=False) for e in data)
    schema = server.datastore.schema
    with Tree.parse(schema, xml, Format.XML, state=True) as tree:  # which is strict
        shown_ = {f"{node.schema.module}:{node.schema.name}" for node in tree.top()}
    expected = {
        "flow-export:flow-export",
        "flow-export-server:server",
        "ietf-netconf-monitoring:netconf-state",
        "ietf-subscribed-notifications:streams",
        "ietf-yang-library:yang-library",
        "ietf-yang-library:modules-state",
        "nc-notifications:netconf",
    }
    assert expected <= shown_
