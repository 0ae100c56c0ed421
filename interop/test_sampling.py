"""Sampling by packet sockets, on whatever kernel this is; sfacctd and sfcapd judge as well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from interop.namespaces import Link, eventually, link
from interop.sampling import IPV4, UDP, Lab, Sampled, second_link
from interop.sampling_checks import check_accounts
from interop.sampling_scenarios import Scenarios
from tests.support.receiver import receiver

pytestmark = pytest.mark.alone

DELETED = 'xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="delete"'


@pytest.fixture(scope="module")
def pair() -> Iterator[Link]:
    with link() as made:
        yield made


@pytest.fixture(scope="module")
def lab(pair: Link, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = Lab(pair, tmp_path_factory.mktemp("lab"), backend="packet")
    try:
        made.start()
        made.set_collectors()
        yield made
    finally:
        made.stop()


class TestPacketSockets(Scenarios):
    """What is expected of every backend."""


def test_it_is_said_what_takes_the_samples(lab: Lab) -> None:
    lab.sample(Sampled("wan", 1))
    assert lab.overall()["backend-in-use"] == "packet"
    assert "fallback-reason" not in lab.overall()


def test_by_itself_it_finds_what_can_take_them(lab: Lab) -> None:
    lab.backend = "auto"
    lab.sample(Sampled("wan", 1))
    stands_in = lab.overall()["backend-in-use"] == "packet"
    assert stands_in == ("fallback-reason" in lab.overall())
    port = lab.new_port()
    lab.send(10, 100, port=port)
    check_accounts(lab.take(10, port), 1)
    lab.backend = "packet"


def test_an_interface_that_leaves_and_comes_back(lab: Lab) -> None:
    with second_link(lab, "lan", ("203.0.113.1", "203.0.113.2")):
        lab.sample(Sampled("wan", 1), Sampled("lan", 1))
    lab.await_status("lan", "not-present")
    with second_link(lab, "lan", ("203.0.113.1", "203.0.113.2")):
        lab.await_status("lan", "up")


def test_who_wants_flow_records_gets_them_of_the_same_packets(lab: Lab) -> None:
    with lab.near.entered(), receiver() as flows:
        lab.commit(
            "<collector><name>flows</name><address>127.0.0.1</address>"
            f"<port>{flows.port}</port><protocol>ipfix</protocol>"
            "<polling-interval>3600</polling-interval><sampled-flows><enabled>true</enabled>"
            "<active-timeout>60</active-timeout><inactive-timeout>1</inactive-timeout>"
            "</sampled-flows></collector>"
        )
        lab.sample(Sampled("wan", 1))
        port = lab.new_port()
        lab.send(20, 100, port=port)
        check_accounts(lab.take(20, port), 1)
        found: list[dict[str, Any]] = []

        def has_come() -> bool:
            records = (record for got in flows.waiting() for record in got.message.records)
            found.extend(dict(r.fields) for r in records)
            return any(fields.get("destinationTransportPort") == port for fields in found)

        eventually(has_come, "a record comes when the flow is over")
        lab.commit(f"<collector {DELETED}><name>flows</name></collector>")
    (flow,) = (fields for fields in found if fields.get("destinationTransportPort") == port)
    assert (flow["packetDeltaCount"], flow["octetDeltaCount"]) == (20, 20 * (100 + UDP + IPV4))
    assert (flow["sourceIPv4Address"], flow["destinationIPv4Address"]) == (
        lab.pair.far_address,
        lab.pair.near_address,
    )
    assert flow["ingressInterface"] == lab.near.index("wan")
    assert any(fields.get("samplingPopulation") == 1 for fields in found)


def test_the_collectors_of_others_add_up_to_the_same(lab: Lab) -> None:
    """To what the strict decoder made of all the samples of all tests."""
    lab.samples(0)
    expected = +lab.stood_for
    eventually(lambda: lab.judges.sfacctd().total() >= expected.total(), "sfacctd has it all")
    lab.judges.stop()
    assert lab.judges.sfacctd() == expected
    assert lab.judges.sfcapd() == expected
