"""What pyroute2 cannot say to traffic control, which is why set-up does not go through it.

A test that fails here is good news: docs/decisions/pyroute2.md is to be thought over.
"""

from __future__ import annotations

import struct
from typing import Any

import pytest
from pyroute2.netlink import rtnl
from pyroute2.netlink.rtnl.marshal import MarshalRtnl
from pyroute2.netlink.rtnl.tcmsg import cls_matchall, common_act, tcmsg

from flowexport_mgmt.sources.tc import Rule, Side, messages

RULE = Rule(rate=1000, trunc=128, group=7)
NEW_FILTER = 44


def request(action: dict[str, Any]) -> bytes:
    """Have pyroute2 lay out a filter that matches all packets; gives what follows the header."""
    made = tcmsg()
    made["index"], made["parent"] = 3, Side.INGRESS
    made["info"] = messages.PRIORITY << 16 | 0x0300
    made["attrs"] = [
        ["TCA_KIND", "matchall"],
        ["TCA_OPTIONS", cls_matchall.get_parameters({"action": action})],
    ]
    made.encode()
    return bytes(made.data[16:])


def decode(body: bytes) -> Any:
    decoded = tcmsg(struct.pack("=IHHII", 16 + len(body), NEW_FILTER, 0, 0, 0) + body)
    decoded.decode()
    options = decoded.get_attr("TCA_OPTIONS")
    return options.get_attr("TCA_MATCHALL_ACT").get_attr("TCA_ACT_PRIO_1")


def test_it_makes_filters_whose_action_it_knows() -> None:
    found = messages.read_filter(request({"kind": "gact", "action": "ok"}))
    assert found is not None
    assert (found.kind, found.priority, found.action) == ("matchall", messages.PRIORITY, None)


def test_it_makes_no_action_that_samples() -> None:
    assert "sample" not in common_act.plugins
    with pytest.raises(struct.error):
        request({"kind": "sample", "rate": 1000, "trunc_size": 128, "group": 7, "index": 9})


def test_it_reads_neither_rate_nor_cookie_of_one() -> None:
    action = messages.action_attributes(9, RULE)
    found = decode(messages.filter_request(3, Side.INGRESS, action))
    assert found.get_attr("TCA_ACT_KIND") == "sample"
    assert isinstance(found.get_attr("TCA_ACT_OPTIONS"), str)  # octets in hexadecimal
    assert "TCA_ACT_COOKIE" not in dict(common_act.tca_act_prio.tca_act.nla_map)
    assert messages.COOKIE not in [value for _, value in found["attrs"]]


def test_it_has_no_messages_about_actions_by_themselves() -> None:
    assert rtnl.RTM_NEWTFILTER in MarshalRtnl.msg_map
    assert not {rtnl.RTM_NEWACTION, rtnl.RTM_GETACTION} & MarshalRtnl.msg_map.keys()
