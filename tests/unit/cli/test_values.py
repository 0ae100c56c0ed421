"""XML to values: numbers are numbers, lists are lists, what is absent stays absent."""

from __future__ import annotations

import pytest
from lxml import etree

from flowexport_mgmt.cli.operator import node_at
from flowexport_mgmt.cli.values import Value, pick, typed, unix_seconds
from flowexport_mgmt.schema.grammar import Grammar

FE, FXS = 'xmlns="urn:flowexport:flow-export"', 'xmlns="urn:flowexport:flow-export-server"'


def test_configuration_and_state_of_an_entry_come_together(grammar: Grammar) -> None:
    node = etree.fromstring(
        f"""<flow-export {FE}>
          <collector><name>7</name><address>192.0.2.1</address><port>9995</port>
            <enabled>false</enabled><protocol>ipfix</protocol>
            <statistics><bytes-sent>18446744073709551615</bytes-sent>
              <send-failure><error>ENETUNREACH</error><count>3</count></send-failure>
            </statistics>
          </collector></flow-export>"""
    )
    assert typed(node, node_at(grammar, "flow-export")[-1]) == {
        "collector": [
            {
                "name": "7",
                "address": "192.0.2.1",
                "port": 9995,
                "enabled": False,
                "protocol": "ipfix",
                "statistics": {
                    "bytes-sent": 18446744073709551615,
                    "send-failure": [{"error": "ENETUNREACH", "count": 3}],
                },
            }
        ]
    }


def test_leaf_lists_keep_their_order(grammar: Grammar) -> None:
    node = etree.fromstring(
        f"<s {FXS}><session><id>1</id><lock>b</lock><lock>a</lock></session></s>"
    )
    assert typed(node, node_at(grammar, "server/sessions")[-1]) == {
        "session": [{"id": 1, "lock": ["b", "a"]}]
    }


def test_defaults_are_not_invented(grammar: Grammar) -> None:
    node = etree.fromstring(
        f"<server {FXS}><netconf><ssh><port>830</port></ssh></netconf></server>"
    )
    assert typed(node, node_at(grammar, "server")[-1]) == {"netconf": {"ssh": {"port": 830}}}


def test_nodes_that_no_schema_knows_are_shown_as_text(grammar: Grammar) -> None:
    node = etree.fromstring("<server><new>1</new><box><leaf>x</leaf></box></server>")
    assert typed(node, node_at(grammar, "server")[-1]) == {"new": "1", "box": {"leaf": "x"}}


@pytest.mark.parametrize(
    ("path", "expected"), [("a/b", 1), ("a", {"b": 1}), ("a/c", None), ("a/b/c", None)]
)
def test_pick(path: str, expected: Value) -> None:
    assert pick({"a": {"b": 1}}, path) == expected


def test_times() -> None:
    assert unix_seconds("2026-11-21T12:00:00.9+02:00") == 1795255200


def test_an_identity_has_no_prefix(grammar: Grammar) -> None:
    node = etree.fromstring(
        '<i xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces">'
        '<type xmlns:t="urn:t">t:other</type></i>'
    )
    assert typed(node, node_at(grammar, "interfaces/interface")[-1]) == {"type": "other"}


def test_secrets_are_masked(grammar: Grammar) -> None:
    node = etree.fromstring(f"<user {FXS}><password-hash>$6$x</password-hash></user>")
    schema = node_at(grammar, "server/user")[-1]
    assert typed(node, schema) == {"password-hash": "********"}
    assert typed(node, schema, masked=False) == {"password-hash": "$6$x"}
