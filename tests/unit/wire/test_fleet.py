"""Datagrams of many exporters, read by the strict decoder one exporter at a time."""

from __future__ import annotations

import random
from typing import Final

import numpy as np
import pytest
from tests.support.flows import flow_batch

from flowexport_mgmt.errors import EncodeError
from flowexport_mgmt.records import FlowBatch
from flowexport_mgmt.wire.decoder import Decoder
from flowexport_mgmt.wire.fleet import IPFIX, NETFLOW5, NETFLOW9, Exporters, encode_flows
from flowexport_mgmt.wire.fleet.netflow import Protocol
from flowexport_mgmt.wire.flows.fields import ExportTime
from flowexport_mgmt.wire.messages import Message

TIME: Final = ExportTime(1_700_000_000_500_000_000, 9_000_000)
PROTOCOLS = {"netflow5": NETFLOW5, "netflow9": NETFLOW9, "ipfix": IPFIX}
COUNT = 12


def flows(owners: list[int], version: int, octets: int = 1500) -> FlowBatch:
    hosts = {4: "10.0.0.{}", 6: "2001:db8::{}"}[version]
    rows: list[dict[str, int | str]] = [
        {
            "src": hosts.format(owner + 1),
            "dst": hosts.format(200),
            "octets": octets,
            "packets": 2,
            "start_ms": TIME.time_ms - 2000,
            "end_ms": TIME.time_ms - 1000,
        }
        for owner in owners
    ]
    return flow_batch(rows, 6 if version == 6 else 4)


def draw_owners(seed: int) -> list[int]:
    """Give some exporters nothing, some a little and some more than a datagram holds."""
    chance = random.Random(seed)
    return [owner for owner in range(COUNT) for _ in range(chance.choice([0, 0, 1, 3, 29, 95]))]


class Fleet:
    """Exporters, and a decoder that takes each for a host of its own."""

    def __init__(self, protocol: Protocol, *, classic: bool, max_size: int = 1400) -> None:
        self.exporters = Exporters(
            np.arange(100, 100 + COUNT, dtype=np.uint32), np.zeros(COUNT, np.int64)
        )
        self.sizes: list[int] = []
        self._protocol = protocol
        self._classic = classic
        self._max_size = max_size
        self._decoder = Decoder()

    def send(
        self, owners: list[int], version: int, announced: list[bool], octets: int = 1500
    ) -> dict[int, list[Message]]:
        made = encode_flows(
            self._protocol,
            flows(owners, version, octets),
            np.array(owners, np.intp),
            self.exporters,
            announced=np.array(announced),
            time=TIME,
            max_size=self._max_size,
            classic=self._classic,
        )
        got: dict[int, list[Message]] = {}
        for number in range(len(made)):
            owner = int(made.exporters[number])
            source = (f"192.0.2.{owner + 1}", 2055)
            message = self._decoder.receive(made[number], source, TIME.time_ns)
            assert [str(fault) for fault in message.faults] == []
            got.setdefault(owner, []).append(message)
            self.sizes.append(len(made[number]))
        return got


def data(messages: list[Message]) -> list[dict[str, object]]:
    return [
        dict(record.fields)
        for message in messages
        for record in message.records
        if "scope" not in record.fields and record.kind != "options"
    ]


@pytest.mark.parametrize("classic", [True, False])
@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("seed", range(5))
def test_each_exporter_is_a_faultless_stream(name: str, seed: int, *, classic: bool) -> None:
    fleet = Fleet(PROTOCOLS[name], classic=classic)
    for turn in range(3):
        owners = draw_owners(seed + turn)
        got = fleet.send(owners, 4, [turn == 0] * COUNT)
        counts = {owner: len(data(messages)) for owner, messages in got.items()}
        assert {owner: count for owner, count in counts.items() if count} == {
            owner: owners.count(owner) for owner in set(owners)
        }
    assert max(fleet.sizes) <= 1400


def test_a_new_announcement_stands_before_the_data() -> None:
    fleet = Fleet(IPFIX, classic=True)
    got = fleet.send([3] * 40, 4, [True] * COUNT)
    assert set(got) == set(range(COUNT))
    assert [len(messages) for messages in got.values()] == [1] * 3 + [2] + [1] * 8
    again = fleet.send([3] * 40, 4, [False] * 3 + [True] + [False] * 8)
    assert set(again) == {3}
    kinds = [[record.kind for record in message.records] for message in again[3]]
    assert [found.count("options") for found in kinds] == [1, 0]


@pytest.mark.parametrize("name", ["netflow9", "ipfix"])
def test_addresses_of_128_bits(name: str) -> None:
    fleet = Fleet(PROTOCOLS[name], classic=False)
    got = fleet.send([0, 5, 5], 6, [True] * COUNT)
    assert [len(data(got[owner])) for owner in (0, 5)] == [1, 2]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_counts_of_more_than_32_bits_are_split(name: str) -> None:
    fleet = Fleet(PROTOCOLS[name], classic=True)
    got = fleet.send([1, 2], 4, [True] * COUNT, octets=10_000_000_000)
    for owner in (1, 2):
        records = data(got[owner])
        assert len(records) == 3
        key = "octets" if "octets" in records[0] else "octetDeltaCount"
        assert sum(int(str(record[key])) for record in records) == 10_000_000_000


def test_sequences_of_records_wrap() -> None:
    fleet = Fleet(IPFIX, classic=True)
    fleet.exporters.sequences[:] = 0xFFFFFFFE
    fleet.send([4] * 50, 4, [True] * COUNT)
    fleet.send([4] * 50, 4, [False] * COUNT)
    assert fleet.exporters.sequences[4] == 0xFFFFFFFE + 101


def test_a_datagram_without_room_for_a_record() -> None:
    with pytest.raises(EncodeError, match="a record does not fit a datagram of 60 octets"):
        Fleet(NETFLOW9, classic=True, max_size=60).send([1], 4, [True] * COUNT)
