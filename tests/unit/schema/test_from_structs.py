from __future__ import annotations

import msgspec
import pytest

from flowexport_mgmt.model.flow_export import (
    CollectorState,
    CollectorStatistics,
    CollectorStatisticsSendFailure,
    Counters,
    FlowExportState,
)
from flowexport_mgmt.model.interfaces import Interface, Interfaces, InterfaceStatistics
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.from_structs import Encoder
from flowexport_mgmt.schema.tree import Format, Tree
from flowexport_mgmt.schema.yang_library import modules_state, yang_library


def encode(schema: SchemaContext, name: str, value: msgspec.Struct) -> object:
    """Encode a struct, have the schema take it, and give what came back."""
    encoder = Encoder(schema.top_by_json_name[name])
    data = encoder.encode(msgspec.to_builtins(value))
    document = msgspec.json.encode({name: data})
    with Tree.parse(schema, document, Format.JSON, state=True) as tree:
        again = msgspec.json.decode(tree.print(Format.JSON))
    assert again == msgspec.json.decode(document)
    return again[name]


def test_long_numbers_are_strings(schema: SchemaContext) -> None:
    state = FlowExportState(
        collector=(
            CollectorState(
                name="a",
                statistics=CollectorStatistics(
                    datagrams_sent=2**63,
                    queue_depth=3,
                    send_failure=(CollectorStatisticsSendFailure(error="EPERM", count=1),),
                ),
            ),
        ),
        counters=Counters(polls=0, interfaces=2),
    )
    assert encode(schema, "flow-export:flow-export", state) == {
        "collector": [
            {
                "name": "a",
                "statistics": {
                    "datagrams-sent": str(2**63),
                    "queue-depth": 3,
                    "send-failure": [{"error": "EPERM", "count": "1"}],
                },
            }
        ],
        "counters": {"polls": "0", "interfaces": 2},
    }


def test_identities_stand_as_they_were_given(schema: SchemaContext) -> None:
    state = Interfaces(
        interface=(
            Interface(
                name="eth0",
                type="iana-if-type:ethernetCsmacd",
                speed=10_000_000_000,
                higher_layer_if=("bond0",),
                statistics=InterfaceStatistics(in_octets=5, in_discards=1),
            ),
        )
    )
    assert encode(schema, "ietf-interfaces:interfaces", state) == {
        "interface": [
            {
                "name": "eth0",
                "type": "iana-if-type:ethernetCsmacd",
                "speed": "10000000000",
                "higher-layer-if": ["bond0"],
                "statistics": {"in-octets": "5", "in-discards": 1},
            }
        ]
    }


def test_a_member_that_the_schema_lacks_is_an_error(schema: SchemaContext) -> None:
    encoder = Encoder(schema.top_by_json_name["flow-export:flow-export"])
    with pytest.raises(KeyError):
        encoder.encode({"nonsense": 1})


def test_the_module_list_fits_its_schema(schema: SchemaContext) -> None:
    document = msgspec.json.encode(
        {
            "ietf-yang-library:yang-library": yang_library(schema),
            "ietf-yang-library:modules-state": modules_state(schema),
        }
    )
    with Tree.parse(schema, document, Format.JSON, state=True) as tree:
        names = {
            node.value
            for node in tree.find_all("/ietf-yang-library:yang-library/module-set/module/name")
        }
        assert {m.name for m in schema.modules if m.implemented} == names
        features = tree.find_all(
            "/ietf-yang-library:yang-library/module-set/module[name='ietf-netconf']/feature"
        )
        assert "candidate" in [node.value for node in features]
