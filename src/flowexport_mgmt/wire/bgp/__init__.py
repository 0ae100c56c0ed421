"""BGP-4: framing, OPEN, UPDATE and the small messages, decoded strictly and without any state."""

from flowexport_mgmt.wire.bgp.attributes import Attributes, Segment
from flowexport_mgmt.wire.bgp.errors import BgpError, ErrorCode
from flowexport_mgmt.wire.bgp.messages import (
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
from flowexport_mgmt.wire.bgp.updates import Routes, Update, UpdateDecoder

__all__ = [
    "AFI",
    "Attributes",
    "BgpError",
    "ErrorCode",
    "MessageType",
    "Open",
    "Routes",
    "Segment",
    "Update",
    "UpdateDecoder",
    "Version",
    "decode_notification",
    "decode_open",
    "decode_route_refresh",
    "encode",
    "encode_keepalive",
    "encode_notification",
    "encode_open",
    "encode_route_refresh",
    "split",
]
