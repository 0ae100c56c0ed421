"""Messages about what chooses routes: rules, nexthop objects, and links that are VRFs."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from flowexport_mgmt.wire.rtnetlink.messages import HEADER, number, read_attributes
from flowexport_mgmt.wire.rtnetlink.routes import Hop

_RULE: Final = struct.Struct("=BBBBBBBBI")  # fib_rule_hdr, as rtmsg but for action and flags
_NEXTHOP: Final = struct.Struct("=BBBBI")  # nhmsg: family, scope, protocol, reserved, flags
_LINK: Final = struct.Struct("=BxHiII")  # ifinfomsg: family, device type, index, flags, change
_GROUP_ENTRY: Final = struct.Struct("=IBBH")  # nexthop_grp: id, weight minus one, reserved

_TO_TABLE, _GOTO, _NOP = 1, 2, 3  # actions of rules; from 6 on packets are dropped
_INVERT: Final = 0x2
_DST, _SRC, _IIF, _PRIORITY, _SUPPRESS_LENGTH, _TABLE, _L3MDEV = 1, 2, 3, 6, 14, 15, 19
_PLAIN_RULE: Final = frozenset(
    (_DST, _SRC, _IIF, _PRIORITY, 13, _SUPPRESS_LENGTH, _TABLE, _L3MDEV, 21)
)  # and interface groups that are suppressed, and who made the rule
_UNSET: Final = 0xFFFFFFFF

_NH_ID, _NH_GROUP, _NH_BLACKHOLE, _NH_OIF, _NH_GATEWAY = 1, 2, 4, 5, 6
_ADDRESS, _NAME, _MASTER, _LINKINFO = 1, 3, 10, 18
_INFO_KIND, _INFO_DATA, _VRF_TABLE = 1, 2, 1


class Selector(NamedTuple):
    """A prefix that a rule is for: number of its first address, and its length."""

    address: int = 0
    length: int = 0


class RuleMessage(NamedTuple):
    """A rule: which packets look into which table.

    ``table`` is 0 for the table of the interface's VRF. ``suppressed`` is the greatest prefix
    length of routes that the rule does not want, -1 for none. A rule that is not ``plain`` asks
    for more than addresses and interface, or does something else than look into a table.
    """

    priority: int
    table: int
    source: Selector
    destination: Selector
    interface: str
    suppressed: int
    plain: bool


class NexthopMessage(NamedTuple):
    """A nexthop object: a hop, or the ids and weights of a group."""

    id: int
    hop: Hop | None
    group: tuple[tuple[int, int], ...]


class LinkMessage(NamedTuple):
    """An interface as far as routing knows it; ``vrf_table`` is 0 for one that is no VRF."""

    ifindex: int
    name: str
    flags: int
    master: int
    kind: str
    address: bytes
    vrf_table: int


def read_rule(message: bytes) -> RuleMessage:
    """Read an RTM_NEWRULE message."""
    info = _RULE.unpack_from(message, HEADER.size)
    _, dst_length, src_length, tos, table, _, _, action, flags = info
    found = read_attributes(message, HEADER.size + _RULE.size)
    suppressed = number(found.get(_SUPPRESS_LENGTH, b"")) if _SUPPRESS_LENGTH in found else _UNSET
    is_vrf = number(found.get(_L3MDEV, b"")) != 0
    return RuleMessage(
        priority=number(found.get(_PRIORITY, b"")),
        table=0 if is_vrf else number(found[_TABLE]) if _TABLE in found else table,
        source=Selector(int.from_bytes(found.get(_SRC, b""), "big"), src_length),
        destination=Selector(int.from_bytes(found.get(_DST, b""), "big"), dst_length),
        interface=_text(found.get(_IIF, b"")),
        suppressed=-1 if suppressed == _UNSET else suppressed,
        plain=action == _TO_TABLE
        and not tos
        and not flags & _INVERT
        and found.keys() <= _PLAIN_RULE,
    )


def read_nexthop(message: bytes) -> NexthopMessage:
    """Read an RTM_NEWNEXTHOP message."""
    found = read_attributes(message, HEADER.size + _NEXTHOP.size)
    group = found.get(_NH_GROUP, b"")
    entries = _GROUP_ENTRY.iter_unpack(group[: len(group) // _GROUP_ENTRY.size * _GROUP_ENTRY.size])
    hop = None
    if _NH_OIF in found and _NH_BLACKHOLE not in found:
        hop = Hop(number(found[_NH_OIF]), found.get(_NH_GATEWAY, b""))
    return NexthopMessage(
        number(found.get(_NH_ID, b"")),
        hop,
        tuple((id_, weight + 1) for id_, weight, _, _ in entries),
    )


def read_link(message: bytes) -> LinkMessage:
    """Read an RTM_NEWLINK or RTM_DELLINK message."""
    _, _, ifindex, flags, _ = _LINK.unpack_from(message, HEADER.size)
    found = read_attributes(message, HEADER.size + _LINK.size)
    info = read_attributes(found.get(_LINKINFO, b""))
    kind = _text(info.get(_INFO_KIND, b""))
    data = read_attributes(info.get(_INFO_DATA, b"")) if kind == "vrf" else {}
    return LinkMessage(
        ifindex=ifindex,
        name=_text(found.get(_NAME, b"")),
        flags=flags,
        master=number(found.get(_MASTER, b"")),
        kind=kind,
        address=found.get(_ADDRESS, b""),
        vrf_table=number(data.get(_VRF_TABLE, b"")),
    )


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "replace")
