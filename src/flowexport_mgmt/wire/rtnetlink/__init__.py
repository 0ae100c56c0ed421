"""Messages of the kernel's routing tables, rules and links (rtnetlink(7))."""

from flowexport_mgmt.wire.rtnetlink.columns import Routes, read_routes
from flowexport_mgmt.wire.rtnetlink.messages import Message, split
from flowexport_mgmt.wire.rtnetlink.routes import (
    Hop,
    Path,
    RouteKind,
    RouteMessage,
    read_route,
)
from flowexport_mgmt.wire.rtnetlink.tables import (
    LinkMessage,
    NexthopMessage,
    RuleMessage,
    read_link,
    read_nexthop,
    read_rule,
)

__all__ = [
    "Hop",
    "LinkMessage",
    "Message",
    "NexthopMessage",
    "Path",
    "RouteKind",
    "RouteMessage",
    "Routes",
    "RuleMessage",
    "read_link",
    "read_nexthop",
    "read_route",
    "read_routes",
    "read_rule",
    "split",
]
