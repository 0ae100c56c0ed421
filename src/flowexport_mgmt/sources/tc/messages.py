"""Octets of the requests and answers about filters and actions (linux/pkt_cls.h, tc_sample.h)."""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import Final, NamedTuple

from flowexport_mgmt.sources.netlink_requests import number, pack, text, unpack

COOKIE: Final = b"flowexport"
"""Marks the actions that are ours; tc shows it as 666c6f776578706f7274."""

PRIORITY: Final = 6
"""Of our filters: before those that others have the kernel number, which begin at 49152."""

CLSACT: Final = 0xFFFFFFF1
"""TC_H_CLSACT, which is TC_H_INGRESS: where the qdisc is that filters without a queue stand on."""

CLSACT_HANDLE: Final = 0xFFFF0000

_TCMSG = struct.Struct("=BxxxiIII")  # family, ifindex, handle, parent, info
_TCAMSG = struct.Struct("=Bxxx")
_GENERIC = struct.Struct("=IIiii")  # tc_gen: index, capabilities, action, refcnt, bindcnt
_BASIC = struct.Struct("=QI")  # gnet_stats_basic: octets, packets

_KIND, _OPTIONS = 1, 2
_MATCHALL_ACTION: Final = 2
_ACTION_KIND, _ACTION_OPTIONS, _ACTION_STATS, _ACTION_COOKIE = 1, 2, 4, 6
_STATS_BASIC, _STATS_PACKETS64 = 1, 8
_PARMS, _RATE, _TRUNC, _GROUP = 2, 3, 4, 5
_ACTION_TAB, _ROOT_FLAGS = 1, 2
_LARGE_DUMP = struct.pack("=II", 1, 1)

_CONTINUE: Final = -1
"""TC_ACT_UNSPEC: go on with the next filter, so that the filters of others see every packet."""

_ALL_PROTOCOLS: Final = 0x0300  # ETH_P_ALL in network order, as tcm_info has it
_HANDLE: Final = 1
SAMPLE: Final = "sample"
MATCHALL: Final = "matchall"


class Side(enum.IntEnum):
    """A direction, as the handle of the filters that see it."""

    INGRESS = 0xFFFFFFF2
    EGRESS = 0xFFFFFFF3


class Rule(NamedTuple):
    """How packets are sampled: one in ``rate``, ``trunc`` octets of it, to which group."""

    rate: int
    trunc: int
    group: int


@dataclass(frozen=True, slots=True)
class Action:
    """An action of kind sample; ``packets`` is what it saw."""

    index: int
    rule: Rule
    cookie: bytes
    control: int
    packets: int = 0

    @property
    def is_ours(self) -> bool:
        """Whether this program made it, in this run or in another."""
        return self.cookie == COOKIE


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter of an interface; ``action`` is its first, when that takes samples."""

    priority: int
    kind: str
    handle: int
    protocol: int
    action: Action | None

    @property
    def is_ours(self) -> bool:
        """Whether this program made it, in this run or in another."""
        return self.action is not None and self.action.is_ours


def qdisc_request(ifindex: int) -> bytes:
    """Name the clsact qdisc of an interface, to make it or to delete it."""
    return _TCMSG.pack(0, ifindex, CLSACT_HANDLE, CLSACT, 0) + pack(_KIND, b"clsact\0")


def qdiscs_request() -> bytes:
    """Ask for the qdiscs of all interfaces."""
    return _TCMSG.pack(0, 0, 0, 0, 0)


def read_qdisc(body: bytes) -> tuple[int, str] | None:
    """Give ifindex and kind of a qdisc that filters without a queue stand on; None for others."""
    _, ifindex, handle, _, _ = _TCMSG.unpack_from(body)
    if handle != CLSACT_HANDLE:
        return None
    return ifindex, text(unpack(body, _TCMSG.size).get(_KIND))


def filters_request(ifindex: int, side: Side) -> bytes:
    """Ask for the filters of one side of an interface."""
    return _TCMSG.pack(0, ifindex, 0, side, 0)


def read_filter(body: bytes) -> Filter | None:
    """Read a filter; None for what only heads a list of filters."""
    _, _, handle, _, info = _TCMSG.unpack_from(body)
    found = unpack(body, _TCMSG.size)
    if _OPTIONS not in found:
        return None
    kind = text(found.get(_KIND))
    actions = unpack(unpack(found[_OPTIONS]).get(_MATCHALL_ACTION, b"")) if kind == MATCHALL else {}
    first = actions[min(actions)] if actions else b""
    return Filter(info >> 16, kind, handle, info & 0xFFFF, read_action(first))


def filter_request(ifindex: int, side: Side, action: bytes) -> bytes:
    """Name our filter of one side of an interface, which matches all packets."""
    info = PRIORITY << 16 | _ALL_PROTOCOLS
    options = pack(_OPTIONS, pack(_MATCHALL_ACTION, pack(1, action)))
    head = _TCMSG.pack(0, ifindex, _HANDLE, side, info)
    return head + pack(_KIND, MATCHALL.encode() + b"\0") + options


def deletion(ifindex: int, side: Side, which: Filter) -> bytes:
    """Name a filter exactly as it was read."""
    info = which.priority << 16 | which.protocol
    head = _TCMSG.pack(0, ifindex, which.handle, side, info)
    return head + pack(_KIND, which.kind.encode() + b"\0")


def action_attributes(index: int, rule: Rule) -> bytes:
    """Describe our action."""
    options = (
        pack(_PARMS, _GENERIC.pack(index, 0, _CONTINUE, 0, 0)),
        pack(_RATE, struct.pack("=I", rule.rate)),
        pack(_TRUNC, struct.pack("=I", rule.trunc)),
        pack(_GROUP, struct.pack("=I", rule.group)),
    )
    kind = pack(_ACTION_KIND, SAMPLE.encode() + b"\0")
    return kind + pack(_ACTION_OPTIONS, b"".join(options)) + pack(_ACTION_COOKIE, COOKIE)


def action_request(action: bytes) -> bytes:
    """Name an action by itself, to change it."""
    return _TCAMSG.pack(0) + pack(_ACTION_TAB, pack(1, action))


def actions_request() -> bytes:
    """Ask for all actions that take samples."""
    kind = pack(_ACTION_KIND, SAMPLE.encode() + b"\0")
    return _TCAMSG.pack(0) + pack(_ACTION_TAB, pack(1, kind)) + pack(_ROOT_FLAGS, _LARGE_DUMP)


def read_actions(body: bytes) -> list[Action]:
    """Read the actions of one message of a dump."""
    table = unpack(unpack(body, _TCAMSG.size).get(_ACTION_TAB, b""))
    return [action for entry in table.values() if (action := read_action(entry)) is not None]


def read_action(entry: bytes) -> Action | None:
    """Read an action that takes samples; None for any other."""
    found = unpack(entry)
    options = unpack(found.get(_ACTION_OPTIONS, b""))
    parameters = options.get(_PARMS, b"")
    if text(found.get(_ACTION_KIND)) != SAMPLE or len(parameters) < _GENERIC.size:
        return None
    index, _, control, _, _ = _GENERIC.unpack_from(parameters)
    rule = Rule(*(number(options.get(kind)) for kind in (_RATE, _TRUNC, _GROUP)))
    packets = _packets(unpack(found.get(_ACTION_STATS, b"")))
    return Action(index, rule, found.get(_ACTION_COOKIE, b""), control, packets)


def _packets(stats: dict[int, bytes]) -> int:
    if wide := number(stats.get(_STATS_PACKETS64)):
        return wide
    basic = stats.get(_STATS_BASIC, b"")
    packets: int = _BASIC.unpack_from(basic)[1] if len(basic) >= _BASIC.size else 0
    return packets
