"""XML to values: numbers are numbers, lists are lists, what is absent stays absent."""

from __future__ import annotations

import pytest
from lxml import etree

from flowexport_mgmt.cli.values import Value, identity, pick, typed, unix_seconds
from flowexport_mgmt.model.flow_export import FlowExport, FlowExportState
from flowexport_mgmt.model.server import Server, Sessions


def test_configuration_and_state_of_an_entry_come_together() -> None:
    node = etree.fromstring(
        """<flow-export xmlns="urn:flowexport:flow-export">
          <collector><name>7</name><address>192.0.2.1</address><port>9995</port>
            <enabled>false</enabled><protocol>ipfix</protocol>
            <statistics><bytes-sent>18446744073709551615</bytes-sent>
              <send-failure><error>ENETUNREACH</error><count>3</count></send-failure>
            </statistics>
          </collector></flow-export>"""
    )
    assert typed(node, FlowExport, FlowExportState) == {
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


def test_leaf_lists_keep_their_order() -> None:
    node = etree.fromstring("<s><session><id>1</id><lock>b</lock><lock>a</lock></session></s>")
    assert typed(node, Sessions) == {"session": [{"id": 1, "lock": ["b", "a"]}]}


def test_defaults_are_not_invented() -> None:
    node = etree.fromstring("<server><netconf><ssh><port>830</port></ssh></netconf></server>")
    assert typed(node, Server) == {"netconf": {"ssh": {"port": 830}}}


def test_nodes_that_no_struct_knows_are_shown_as_text() -> None:
    node = etree.fromstring("<server><new>1</new><box><leaf>x</leaf></box></server>")
    assert typed(node, Server) == {"new": "1", "box": {"leaf": "x"}}


@pytest.mark.parametrize(
    ("path", "expected"), [("a/b", 1), ("a", {"b": 1}), ("a/c", None), ("a/b/c", None)]
)
def test_pick(path: str, expected: Value) -> None:
    assert pick({"a": {"b": 1}}, path) == expected


def test_times_and_identities() -> None:
    assert unix_seconds("2026-11-21T12:00:00.9+02:00") == 1795255200
    assert unix_seconds("2026-11-21T10:00:00Z") == 1795255200
    assert identity("ianaift:ethernetCsmacd") == identity("ethernetCsmacd") == "ethernetCsmacd"
