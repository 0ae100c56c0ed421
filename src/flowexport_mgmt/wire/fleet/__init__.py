"""Datagrams of many exporters at once: what a simulator of thousands of devices sends.

The encoders beside this one serve one exporter, whose datagrams differ in their sequence only.
Here neighbouring datagrams are of different exporters, each with a sequence and an identity of its
own, and most hold few records; so everything is laid out for all of them together.
"""

from flowexport_mgmt.wire.fleet.netflow import IPFIX, NETFLOW5, NETFLOW9, Exporters, encode_flows
from flowexport_mgmt.wire.fleet.paging import FleetDatagrams

__all__ = ["IPFIX", "NETFLOW5", "NETFLOW9", "Exporters", "FleetDatagrams", "encode_flows"]
