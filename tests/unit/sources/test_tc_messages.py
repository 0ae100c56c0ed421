"""What is asked of traffic control, read back as the kernel would tell it, and by pyroute2."""

from __future__ import annotations

import struct

from pyroute2.netlink.rtnl.tcmsg import tcmsg

from flowexport_mgmt.sources.netlink_requests import pack
from flowexport_mgmt.sources.tc import Rule, Side, messages
from flowexport_mgmt.sources.tc.messages import COOKIE, PRIORITY, Action, Filter

RULE = Rule(rate=1000, trunc=128, group=7)
CONTINUE = -1
STATS = {1: struct.pack("=QI", 98_000, 70), 8: struct.pack("=Q", 5_000_000_000)}


def action(index: int = 9, *, stats: tuple[int, ...] = ()) -> bytes:
    counted = b"".join(pack(kind, STATS[kind]) for kind in stats)
    return messages.action_attributes(index, RULE) + (pack(4, counted) if stats else b"")


def test_a_filter_is_read_as_it_is_asked_for() -> None:
    body = messages.filter_request(3, Side.EGRESS, action())
    found = messages.read_filter(body)
    assert found == Filter(
        PRIORITY, "matchall", 1, 0x0300, Action(9, RULE, COOKIE, CONTINUE, packets=0)
    )
    assert found.is_ours


def test_pyroute2_reads_the_same_filter() -> None:
    body = messages.filter_request(3, Side.INGRESS, action())
    decoded = tcmsg(struct.pack("=IHHII", 16 + len(body), 44, 0, 0, 0) + body)
    decoded.decode()
    assert decoded["index"] == 3
    assert decoded["parent"] == 0xFFFFFFF2
    assert (decoded["info"] >> 16, decoded["info"] & 0xFFFF) == (PRIORITY, 0x0300)
    assert decoded.get_attr("TCA_KIND") == "matchall"
    options = decoded.get_attr("TCA_OPTIONS")
    first = options.get_attr("TCA_MATCHALL_ACT").get_attr("TCA_ACT_PRIO_1")
    assert first.get_attr("TCA_ACT_KIND") == "sample"


def test_packets_are_those_of_the_wider_counter() -> None:
    body = struct.pack("=Bxxx", 0) + pack(1, pack(1, action(5, stats=(1,))) + pack(2, action(6)))
    assert [(a.index, a.packets) for a in messages.read_actions(body)] == [(5, 70), (6, 0)]
    body = struct.pack("=Bxxx", 0) + pack(1, pack(1, action(stats=(1, 8))))
    assert [a.packets for a in messages.read_actions(body)] == [5_000_000_000]


def test_what_others_made_is_not_ours() -> None:
    without_cookie = action().replace(COOKIE, b"someoneels")
    foreign = messages.read_filter(messages.filter_request(3, Side.INGRESS, without_cookie))
    assert foreign is not None
    assert foreign.action is not None
    assert not foreign.is_ours
    police = pack(1, b"police\0")
    other = messages.read_filter(messages.filter_request(3, Side.INGRESS, police))
    assert other is not None
    assert other.action is None
    assert not other.is_ours


def test_what_heads_a_list_of_filters_is_none() -> None:
    head = struct.pack("=BxxxiIII", 0, 3, 0, Side.INGRESS, PRIORITY << 16) + pack(1, b"matchall\0")
    assert messages.read_filter(head) is None


def test_only_the_qdisc_that_filters_stand_on_is_told_of() -> None:
    assert messages.read_qdisc(messages.qdisc_request(4)) == (4, "clsact")
    other = struct.pack("=BxxxiIII", 0, 4, 0x10000, 0xFFFFFFFF, 0) + pack(1, b"fq_codel\0")
    assert messages.read_qdisc(other) is None
