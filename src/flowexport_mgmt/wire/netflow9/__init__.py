"""NetFlow v9 (RFC 3954): encoder and strict decoder."""

from flowexport_mgmt.wire.netflow9.decode import Decoder
from flowexport_mgmt.wire.netflow9.encode import (
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
