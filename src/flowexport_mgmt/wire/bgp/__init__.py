"""BGP-4: framing, OPEN, UPDATE and the small messages, decoded strictly and without any state."""

from flowexport_mgmt.wire.bgp.attribute_columns import AttributeSets, Pieces
from flowexport_mgmt.wire.bgp.attributes import Attributes, Segment
from flowexport_mgmt.wire.bgp.errors import BgpError, ErrorCode
from flowexport_mgmt.wire.bgp.messages import (
    MARKER,
    MessageType,
    decode_notification,
    decode_route_refresh,
    encode,
    encode_keepalive,
    encode_notification,
    encode_route_refresh,
    split,
)
from flowexport_mgmt.wire.bgp.opening import AFI, Open, Version, decode_open, encode_open
from flowexport_mgmt.wire.bgp.runs import FEW, Run, split_runs
from flowexport_mgmt.wire.bgp.update_columns import RouteColumns, UpdateColumns, decode_plain
from flowexport_mgmt.wire.bgp.updates import Routes, Update, UpdateDecoder

__all__ = [
    "AFI",
    "FEW",
    "MARKER",
    "AttributeSets",
    "Attributes",
    "BgpError",
    "ErrorCode",
    "MessageType",
    "Open",
    "Pieces",
    "RouteColumns",
    "Routes",
    "Run",
    "Segment",
    "Update",
    "UpdateColumns",
    "UpdateDecoder",
    "Version",
    "decode_notification",
    "decode_open",
    "decode_plain",
    "decode_route_refresh",
    "encode",
    "encode_keepalive",
    "encode_notification",
    "encode_open",
    "encode_route_refresh",
    "split",
    "split_runs",
]
