"""Actions of the model as clients call them (RFC 7950, section 7.15; RFC 8341)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from lxml import etree
from tests.support.netconf_client import BASE, FE, RawClient
from tests.support.netconf_server import Server
from tests.unit.north.netconf.test_access import NACM, ONE, ann, demote, edit, rules

__all__ = ["ann"]

YANG = "urn:ietf:params:xml:ns:yang:1"
PLACE = "/fe:flow-export/fe:collector[fe:name='a']"
NOW = f"{PLACE}/fe:export-now"
NAMED = "<name>a</name>"
RULE = (
    '<rule><name>{}</name><path xmlns:fe="urn:flowexport:flow-export">{}</path>'
    "<access-operations>{}</access-operations><action>{}</action></rule>"
)
MAY = RULE.format("may", "/fe:flow-export/fe:collector/fe:export-now", "exec", "permit")


def act(inside: str = f"{NAMED}<export-now/>") -> str:
    return (
        f'<action xmlns="{YANG}"><flow-export xmlns="{FE}"><collector>{inside}</collector>'
        "</flow-export></action>"
    )


@pytest.fixture
async def done(server: Server) -> list[Mapping[str, str]]:
    """What was carried out: the keys of each."""
    calls: list[Mapping[str, str]] = []

    async def carry_out(parameters: Mapping[str, str]) -> Mapping[str, Any]:
        calls.append(parameters)
        return {}

    server.datastore.register_call("/flow-export/collector/export-now", carry_out)
    return calls


@pytest.fixture
async def root(server: Server) -> RawClient:
    client = await server.client()
    await client.ok(edit(ONE))
    return client


async def test_an_action_is_carried_out_for_its_entry(
    root: RawClient, ann: RawClient, done: list[Mapping[str, str]]
) -> None:
    await root.ok(act())
    await ann.ok(act("<export-now/><name>a</name>"))
    assert done == [{"name": "a"}, {"name": "a"}]


NOWHERE = f'<action xmlns="{YANG}">{{}}</action>'
FAULTS = {
    "no action": (act(NAMED), "missing-element", PLACE, "collector"),
    "nothing": (NOWHERE.format(""), "missing-element", "", "action"),
    "no key": (act("<export-now/>"), "missing-element", "/fe:flow-export/fe:collector", "name"),
    "two actions": (act(f"{NAMED}<export-now/><clear-statistics/>"), "bad-element", PLACE,
                    "clear-statistics"),
    "a leaf": (act(f"{NAMED}<port>1</port>"), "bad-element", PLACE, "port"),
    "an unknown name": (act(f"{NAMED}<export-later/>"), "unknown-element", PLACE, "export-later"),
    "input": (act(f"{NAMED}<export-now><fast/></export-now>"), "unknown-element", NOW, "fast"),
    "an unknown namespace": (NOWHERE.format('<x xmlns="urn:no"/>'), "unknown-namespace", "", "x"),
    "no such entry": (act(f"{NAMED}<export-now/>".replace(">a<", ">b<")), "data-missing",
                      NOW.replace("'a'", "'b'"), ""),
    "no namespace": (NOWHERE.format('<flow-export xmlns=""/>'), "unknown-namespace", "",
                     "flow-export"),
    "an rpc of the model": (NOWHERE.format(f'<recent-flows xmlns="{FE}"/>'), "unknown-element", "",
                            "recent-flows"),
    "a key too long": (act(f"<name>{'a' * 65}</name><export-now/>"), "invalid-value",
                       "/fe:flow-export/fe:collector/fe:name", ""),
    "nobody there": (act(f"{NAMED}<clear-statistics/>"), "operation-not-supported", "", ""),
}  # fmt: skip


@pytest.mark.parametrize("what", FAULTS)
async def test_a_faulty_action(root: RawClient, done: list[Mapping[str, str]], what: str) -> None:
    request, tag, path, element = FAULTS[what]
    (error,) = await root.errors(request)
    assert (error["tag"], error.get("path", "")) == (tag, path)
    assert error.get("bad-element", "") == element
    assert done == []


async def test_who_may_call_it(
    root: RawClient, ann: RawClient, done: list[Mapping[str, str]]
) -> None:
    """A rule about data says who: exec on the action, and read on all that it stands in."""
    hidden = RULE.format("hide", "/fe:flow-export/fe:collector", "read", "deny")
    await root.ok(demote())
    await _denied(ann)  # nacm:default-deny-all in the model
    await root.ok(edit(rules(f"<rule-list><name>admin</name>{MAY}</rule-list>")))
    await ann.ok(act())
    await _denied(ann, "clear-statistics")
    other = RULE.format("may", "/fe:flow-export/fe:collector[fe:name='b']/fe:export-now", "exec",
                        "permit")  # fmt: skip
    await root.ok(edit(rules(f"<rule-list><name>admin</name>{other}</rule-list>")))
    await _denied(ann)
    lists = f"<rule-list><name>admin</name>{MAY}{hidden}</rule-list>"
    await root.ok(edit(rules(lists)))
    await _denied(ann)
    assert len(done) == 1
    found = await root.data(f'<get><filter><nacm xmlns="{NACM}"/></filter></get>')
    assert found.findtext(f".//{{{NACM}}}denied-operations") == "4"


async def _denied(client: RawClient, name: str = "export-now") -> None:
    (error,) = await client.errors(act(f"{NAMED}<{name}/>"))
    assert error.pop("message")
    assert error == {"type": "application", "tag": "access-denied", "path": f"{PLACE}/fe:{name}"}


async def test_an_exec_rule_does_not_let_anybody_write(root: RawClient, ann: RawClient) -> None:
    every = RULE.format("run", "/fe:flow-export", "exec", "permit")
    await root.ok(demote(every))
    (error,) = await ann.errors(edit(ONE.replace("192.0.2.1", "192.0.2.2")))
    assert error["tag"] == "access-denied"


async def test_a_prefixed_action_with_comments(root: RawClient, done: list[Any]) -> None:
    request = (
        f'<y:action xmlns:y="{YANG}" xmlns:f="{FE}"><f:flow-export> <!-- one -->'
        "<f:collector><f:name>a</f:name><f:export-now/></f:collector></f:flow-export></y:action>"
    )
    reply = await root.call(request)
    assert [child.tag for child in reply] == [f"{{{BASE}}}ok"], etree.tostring(reply)
    assert len(done) == 1
