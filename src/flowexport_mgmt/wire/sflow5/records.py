"""Records inside of samples: what is known of them, by format (sFlow Version 5, section 5)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from flowexport_mgmt.records import UNKNOWN32
from flowexport_mgmt.wire.messages import Faults, Value
from flowexport_mgmt.wire.sflow5.encode import (
    ETHERNET_COUNTERS,
    ETHERNET_COUNTERS_DTYPE,
    IF_COUNTERS,
    IF_COUNTERS_DTYPE,
)
from flowexport_mgmt.wire.sflow5.extended import COUNTER_READERS, FLOW_READERS
from flowexport_mgmt.wire.sflow5.xdr import Reader

_IF_NAMES: Final = IF_COUNTERS_DTYPE.names or ()
_IF_LAYOUT: Final = struct.Struct(
    ">" + "".join("Q" if IF_COUNTERS_DTYPE[name].itemsize == 8 else "I" for name in _IF_NAMES)
)
_NEVER_UNKNOWN: Final = {"ifIndex", "ifType", "ifSpeed", "ifDirection", "ifStatus"}


@dataclass(frozen=True, slots=True)
class RecordTable:
    """Formats that are decoded, and formats of known length that are only measured."""

    readers: dict[int, Callable[[Reader, dict[str, Value]], None]]
    lengths: dict[int, int]

    def read(self, sample: Reader, count: int, fields: dict[str, Value], faults: Faults) -> None:
        """Read the records of a sample into ``fields``, stepping over formats that are unknown.

        Raises:
            DecodeError: a record runs past its sample.
        """
        for _ in range(count):
            format_, length = sample.unsigned(2)
            record = sample.part(length, "record-length")
            expected = self.lengths.get(format_, length)
            if length != expected:
                message = f"record of format {format_} has {length} octets, not {expected}"
                faults.add("record-length", message, record.at - 4)
            elif format_ in self.readers:
                self.readers[format_](record, fields)
                record.finish("record-length", f"what a record of format {format_} holds")


def _read_if_counters(record: Reader, fields: dict[str, Value]) -> None:
    for name, value in zip(_IF_NAMES, record.unpack(_IF_LAYOUT), strict=True):
        width = IF_COUNTERS_DTYPE[name].itemsize
        unknown = value == (1 << 8 * width) - 1 and name not in _NEVER_UNKNOWN
        fields[name] = None if unknown else value


def _read_ethernet(record: Reader, fields: dict[str, Value]) -> None:
    names = ETHERNET_COUNTERS_DTYPE.names or ()
    for name, value in zip(names, record.unsigned(len(names)), strict=True):
        fields[name] = None if value == UNKNOWN32 else value


def _read_raw_header(record: Reader, fields: dict[str, Value]) -> None:
    protocol, frame_length, stripped, length = record.unsigned(4)
    fields["headerProtocol"] = protocol
    fields["frameLength"] = frame_length
    fields["stripped"] = stripped
    fields["header"] = record.octets(length).hex()


COUNTER_RECORDS: Final = RecordTable(
    readers={
        IF_COUNTERS: _read_if_counters,
        ETHERNET_COUNTERS: _read_ethernet,
        **COUNTER_READERS,
    },
    lengths={
        IF_COUNTERS: 88,
        ETHERNET_COUNTERS: 52,
        3: 72,  # token ring
        4: 80,  # 100BaseVG
        5: 28,  # VLAN
        1001: 28,  # processor
    },
)

FLOW_RECORDS: Final = RecordTable(
    readers={1: _read_raw_header, **FLOW_READERS},
    lengths={
        2: 24,  # sampled Ethernet
        3: 32,  # sampled IPv4
        4: 56,  # sampled IPv6
        1001: 16,  # extended switch
    },
)
