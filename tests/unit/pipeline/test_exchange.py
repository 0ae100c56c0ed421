"""Batches of flows and sampled packets on their way to the collectors that want them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from tests.support.flows import flow_batch, sample_batch
from tests.support.sessions import at, config

from flowexport_mgmt.export import open_sender
from flowexport_mgmt.pipeline import Exchange, Lane
from flowexport_mgmt.pipeline.egress import Egress
from flowexport_mgmt.records import FlowBatch, SampleBatch

FLOW = flow_batch([{"src": "10.0.0.1", "dst": "10.0.0.2"}], 4)
SAMPLE = sample_batch([{}])

MakeLane = Callable[[str], Lane]


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    egress = Egress(lambda: at(0))
    yield Exchange(egress)
    egress.stop(1)


@pytest.fixture
def lane() -> Iterator[MakeLane]:
    """Make lanes that are never stepped again: what they are offered waits in their queues."""
    made: list[Lane] = []

    def make(protocol: str) -> Lane:
        settings = config(protocol)
        found = Lane(settings, at(0), changed=lambda *_: None, recovered=lambda _: None)
        found.configure(settings, open_sender(settings), at(0))
        found.step(at(0))
        made.append(found)
        return found

    yield make
    for found in made:
        found.close()


def waiting(*lanes: Lane) -> list[int]:
    return [found.report().queue_depth for found in lanes]


def test_each_lane_gets_what_its_protocol_carries(exchange: Exchange, lane: MakeLane) -> None:
    lanes = [lane(protocol) for protocol in ("sflow", "netflow5", "netflow9", "ipfix")]
    for found in lanes:
        exchange.add(found)
    exchange.publish(FLOW)
    assert waiting(*lanes) == [0, 1, 1, 1]
    exchange.publish(SAMPLE)
    assert waiting(*lanes) == [1, 1, 1, 1]


def test_a_lane_that_was_removed_gets_nothing(exchange: Exchange, lane: MakeLane) -> None:
    one, other = lane("ipfix"), lane("ipfix")
    for found in (one, one, other):
        exchange.add(found)
    exchange.remove(other)
    exchange.publish(FLOW)
    assert waiting(one, other) == [1, 0]


def test_some_of_the_lanes_are_chosen(exchange: Exchange, lane: MakeLane) -> None:
    one, other = lane("ipfix"), lane("ipfix")
    exchange.add(one)
    exchange.add(other)
    exchange.publish(FLOW, among=lambda found: found is other)
    assert waiting(one, other) == [0, 1]


def test_an_empty_batch_goes_nowhere(exchange: Exchange) -> None:
    seen: list[object] = []
    exchange.tap(seen.append)
    exchange.publish(FLOW.select(slice(0, 0)))
    assert seen == []


def test_batches_are_enriched_once_before_anyone_sees_them(exchange: Exchange) -> None:
    seen: list[FlowBatch | SampleBatch] = []

    def with_next_hop(batch: FlowBatch) -> FlowBatch:
        return dataclasses.replace(batch, next_hop=np.full(len(batch), 7, np.uint32))

    exchange.enrich_with(with_next_hop, None)
    exchange.tap(seen.append)
    exchange.publish(FLOW)
    exchange.publish(SAMPLE)
    assert isinstance(seen[0], FlowBatch)
    assert seen[0].next_hop is not None
    assert seen[0].next_hop.tolist() == [7]
    assert seen[1] is SAMPLE
    exchange.untap(seen.append)
    exchange.publish(SAMPLE)
    assert len(seen) == 2
