"""IPFIX (RFC 7011): encoder and strict decoder."""

from flowexport_mgmt.wire.ipfix.decode import Decoder
from flowexport_mgmt.wire.ipfix.encode import (
    COUNTERS,
    INTERFACE_TABLE,
    compose,
    encode_counters,
    encode_interface_table,
)

__all__ = [
    "COUNTERS",
    "INTERFACE_TABLE",
    "Decoder",
    "compose",
    "encode_counters",
    "encode_interface_table",
]
