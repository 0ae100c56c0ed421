"""Columns: the batches of records that travel from sources to encoders."""

from flowexport_mgmt.records.counters import (
    COUNTER_DTYPE,
    UNKNOWN32,
    UNKNOWN64,
    CounterBatch,
)
from flowexport_mgmt.records.datagrams import Datagrams

__all__ = ["COUNTER_DTYPE", "UNKNOWN32", "UNKNOWN64", "CounterBatch", "Datagrams"]
