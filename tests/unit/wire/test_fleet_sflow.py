"""sFlow of many agents, read by the strict decoder one agent at a time."""

from __future__ import annotations

from ipaddress import ip_address

import numpy as np
import pytest
from tests.support.flows import flow_batch

from flowexport_mgmt.errors import EncodeError
from flowexport_mgmt.records import FlowBatch
from flowexport_mgmt.wire.decoder import Decoder
from flowexport_mgmt.wire.fleet import (
    Agents,
    FleetDatagrams,
    Gauges,
    encode_counters,
    encode_flow_samples,
)
from flowexport_mgmt.wire.messages import Message

DEVICES, INTERFACES, RATE = 6, 3, 640
NOW_NS = 1_700_000_000_000_000_000


def make_agents(version: int = 4) -> Agents:
    base = ip_address("192.0.2.1" if version == 4 else "2001:db8::1")
    packed = b"".join((base + number).packed for number in range(DEVICES))
    return Agents(
        np.frombuffer(packed, f"V{base.max_prefixlen // 8}"),
        np.zeros(DEVICES, np.uint32),
        np.zeros(DEVICES, np.int64),
        np.zeros((DEVICES, INTERFACES), np.int64),
        np.zeros(DEVICES, np.int64),
    )


def flows(owners: list[int], version: int = 4) -> FlowBatch:
    hosts = {4: "10.0.0.{}", 6: "2001:db8::{}"}[version]
    return flow_batch(
        [
            {
                "src": hosts.format(owner + 1),
                "dst": hosts.format(200),
                "src_port": 40_000,
                "dst_port": 443,
                "protocol": (6, 17, 1)[number % 3],
                "icmp": 0x0800 if number % 3 == 2 else 0,
                "octets": 1000 * 7,
                "packets": 7,
                "in_if": 1 + number % INTERFACES,
                "out_if": 2,
            }
            for number, owner in enumerate(owners)
        ],
        6 if version == 6 else 4,
    )


def read(decoder: Decoder, made: FleetDatagrams) -> dict[int, list[Message]]:
    got: dict[int, list[Message]] = {}
    for number in range(len(made)):
        owner = int(made.exporters[number])
        message = decoder.receive(made[number], (f"192.0.2.{owner + 1}", 6343), NOW_NS)
        assert [str(fault) for fault in message.faults] == []
        got.setdefault(owner, []).append(message)
    return got


def send(
    agents: Agents, decoder: Decoder, owners: list[int], version: int = 4, *, ethernet: bool = False
) -> dict[int, list[Message]]:
    made = encode_flow_samples(
        flows(owners, version),
        np.array(owners, np.intp),
        agents,
        rate=RATE,
        uptime_ms=5000,
        max_size=1400,
        ethernet=ethernet,
    )
    assert np.diff(made.offsets).max() <= 1400
    return read(decoder, made)


@pytest.mark.parametrize("ethernet", [False, True])
@pytest.mark.parametrize("version", [4, 6])
def test_each_agent_is_a_faultless_stream(version: int, *, ethernet: bool) -> None:
    agents, decoder = make_agents(version), Decoder()
    for _ in range(3):
        got = send(agents, decoder, [0] * 40 + [2] + [5] * 7, version, ethernet=ethernet)
        assert {owner: sum(len(m.records) for m in found) for owner, found in got.items()} == {
            0: 40,
            2: 1,
            5: 7,
        }
    assert agents.samples.sum() == 3 * 48


def test_pools_are_those_of_the_samples() -> None:
    got = send(make_agents(), Decoder(), [1, 1, 1, 1])
    pools = [record.fields["samplePool"] for record in got[1][0].records]
    assert pools == [RATE, RATE, RATE, 2 * RATE]


def test_counters_of_interfaces_and_of_the_device() -> None:
    agents, decoder = make_agents(), Decoder()
    octets = np.arange(2 * DEVICES * INTERFACES, dtype=np.uint64).reshape(2, DEVICES, INTERFACES)
    gauges = Gauges(octets, octets, np.linspace(0, 0.9, DEVICES))
    for turn in range(2):
        made = encode_counters(gauges, np.arange(1, 4), agents, uptime_ms=5000, max_size=1400)
        got = read(decoder, made)
        assert sorted(got) == [1, 2, 3]
        assert [len(messages) for messages in got.values()] == [1, 1, 1]
        assert len(got[1][0].records) == INTERFACES + 1
        send(agents, decoder, [1, 2] if turn else [3])


def test_more_interfaces_than_a_datagram_holds() -> None:
    agents = make_agents()
    agents.samples = np.zeros((DEVICES, 40), np.int64)
    octets = np.zeros((2, DEVICES, 40), np.uint64)
    gauges = Gauges(octets, octets, np.zeros(DEVICES))
    made = encode_counters(gauges, np.arange(2), agents, uptime_ms=5000, max_size=1400)
    got = read(Decoder(), made)
    assert [len(messages) for messages in got.values()] == [4, 4]
    assert sum(len(message.records) for message in got[0]) == 41


def test_a_datagram_without_room_for_a_sample() -> None:
    with pytest.raises(EncodeError, match="does not fit a datagram of 100 octets"):
        encode_flow_samples(
            flows([0]),
            np.zeros(1, np.intp),
            make_agents(),
            rate=1,
            uptime_ms=1,
            max_size=100,
            ethernet=True,
        )
