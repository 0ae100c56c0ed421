"""Columns: the batches of records that travel from sources to encoders."""

from flowexport_mgmt.records.counters import (
    COUNTER_DTYPE,
    ETHERNET_DTYPE,
    UNKNOWN32,
    UNKNOWN64,
    CounterBatch,
)
from flowexport_mgmt.records.datagrams import Datagrams
from flowexport_mgmt.records.flows import FlowBatch
from flowexport_mgmt.records.hosts import HostCounters
from flowexport_mgmt.records.samples import Route, SampleBatch

Batch = CounterBatch | FlowBatch | SampleBatch
"""What sources give and collectors are sent."""

__all__ = [
    "COUNTER_DTYPE",
    "ETHERNET_DTYPE",
    "UNKNOWN32",
    "UNKNOWN64",
    "Batch",
    "CounterBatch",
    "Datagrams",
    "FlowBatch",
    "HostCounters",
    "Route",
    "SampleBatch",
]
