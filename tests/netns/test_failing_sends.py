"""A tenth of all sends fails in the kernel: what collectors miss is what was counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from tests.netns.conftest import Wire
from tests.support.interfaces import make_batch
from tests.support.namespaces import Namespace
from tests.support.receiver import Receiver
from tests.unit.pipeline.test_lane_records import drain, flows, lane_with

from flowexport_mgmt.export.endpoint import Endpoint
from flowexport_mgmt.export.udp import LADDER, Rung, UdpSender
from flowexport_mgmt.records import Batch
from flowexport_mgmt.wire.messages import Message

pytestmark = pytest.mark.root

TARGET = "10.7.0.2"
ROUNDS = 40
INTERFACES = 200
MANY_FLOWS = flows(4, 300 + 17 * ROUNDS)


def refuse_a_tenth(host: Namespace, port: int) -> None:
    """Drop each tenth packet on its way out, of which the kernel tells the sender (EPERM)."""
    host.run("nft", "add table ip filter")
    host.run("nft", "add chain ip filter output { type filter hook output priority 0; }")
    rule = f"udp dport {port} numgen inc mod 10 == 4 counter drop"
    host.run("nft", f"add rule ip filter output {rule}")


def refused(host: Namespace) -> int:
    """Count the packets that the rule dropped."""
    words = host.run("nft", "list chain ip filter output").split()
    return int(words[words.index("packets") + 1])


def counters(number: int) -> Batch:
    octets = dict.fromkeys(range(1, INTERFACES + 7 * number), 1000 * number)
    return make_batch(octets, second=number)


def flows4(number: int) -> Batch:
    return MANY_FLOWS.select(slice(0, 300 + 17 * number))


MAKERS: dict[str, Callable[[int], Batch]] = {
    "sflow": counters,
    "netflow5": flows4,
    "netflow9": flows4,
    "ipfix": flows4,
}
NUMBERED_BY_RECORD = {"netflow5", "ipfix"}


@pytest.mark.parametrize("rung", LADDER, ids=lambda rung: rung.name)
@pytest.mark.parametrize("protocol", MAKERS)
def test_gaps_are_what_was_counted(wire: Wire, protocol: str, rung: Rung) -> None:
    with wire.far.inside():
        peer = Receiver(TARGET, strict=False)
    with wire.near.inside():
        sender = UdpSender(Endpoint(TARGET, peer.port).connect(0), ladder=[rung])
    lane = lane_with(sender, protocol, peer.port)
    got: list[Message] = []

    def export(number: int) -> None:
        lane.offer(MAKERS[protocol](number))
        drain(lane, number, 0.9)
        missing = lane.report().statistics.datagrams - len(got)
        got.extend(peer.receive().message for _ in range(missing))

    export(0)  # with the templates, which would be sent again
    refuse_a_tenth(wire.near, peer.port)
    for number in range(1, ROUNDS):
        export(number)
    dropped = refused(wire.near)
    wire.near.run("nft", "delete table ip filter")
    export(ROUNDS)  # shows a gap at the end
    report = lane.report()
    lane.close()
    peer.close()

    assert dropped >= 3
    assert report.statistics.failures.keys() == {"EPERM"}
    failed = report.statistics.errors
    # GSO loses a whole run with a packet. sendmmsg hides why it ended early: what failed in the
    # middle of a call is tried once more, and rarely fails again.
    assert {"gso": failed >= dropped, "sendmmsg": 0 < failed < dropped, "send": failed == dropped}[
        sender.method
    ]
    assert Counter(fault.code for message in got for fault in message.faults).keys() == {
        "sequence-gap"
    }
    lost = sum(message.lost for message in got)
    records = sum(len(message.records) for message in got)
    assert records == report.statistics.records
    if protocol in NUMBERED_BY_RECORD:
        assert lost == report.sequence - records > failed
    else:
        assert lost == failed == report.sequence - len(got)
