"""Datagrams of many exporters at once: what a simulator of thousands of devices sends.

The encoders beside this one serve one exporter, whose datagrams differ in their sequence only.
Here neighbouring datagrams are of different exporters, each with a sequence and an identity of its
own, and most hold few records; so everything is laid out for all of them together.
"""

from flowexport_mgmt.wire.fleet.netflow import (
    IPFIX,
    NETFLOW5,
    NETFLOW9,
    Exporters,
    Protocol,
    encode_flows,
)
from flowexport_mgmt.wire.fleet.paging import FleetDatagrams
from flowexport_mgmt.wire.fleet.sflow import Agents, Gauges, encode_counters, encode_flow_samples

__all__ = [
    "IPFIX",
    "NETFLOW5",
    "NETFLOW9",
    "Agents",
    "Exporters",
    "FleetDatagrams",
    "Gauges",
    "Protocol",
    "encode_counters",
    "encode_flow_samples",
    "encode_flows",
]
