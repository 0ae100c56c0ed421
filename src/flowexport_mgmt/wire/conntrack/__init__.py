"""ctnetlink: the kernel's connection-tracking table and its events, as columns.

Native byte order in headers, network byte order in values (linux/netfilter/nfnetlink.h).
"""

from flowexport_mgmt.wire.conntrack.decode import MAX_LAYOUTS, Decoder
from flowexport_mgmt.wire.conntrack.encode import (
    Entry,
    Tuple,
    encode_creation,
    encode_end,
    encode_entry,
    encode_removal,
)
from flowexport_mgmt.wire.conntrack.entries import Entries
from flowexport_mgmt.wire.conntrack.layout import Layout, learn
from flowexport_mgmt.wire.conntrack.messages import (
    Messages,
    make_dump_request,
    read_error,
    split,
)

__all__ = [
    "MAX_LAYOUTS",
    "Decoder",
    "Entries",
    "Entry",
    "Layout",
    "Messages",
    "Tuple",
    "encode_creation",
    "encode_end",
    "encode_entry",
    "encode_removal",
    "learn",
    "make_dump_request",
    "read_error",
    "split",
]
