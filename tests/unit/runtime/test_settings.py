"""Every setting of a collector does what it promises, seen by the one who receives."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from tests.support.conditions import wait_until
from tests.support.interfaces import FakeKernel, FakeLink
from tests.support.receiver import Receiver, receiver
from tests.support.runtimes import Plane
from tests.support.sessions import config

from flowexport_mgmt.model.flow_export import Collector

PROTOCOLS = ["sflow", "netflow9", "ipfix"]
INTERFACES = 40


def to(peer: Receiver, protocol: str = "sflow", **settings: Any) -> Collector:
    values: dict[str, Any] = {"address": peer.address, "port": peer.port, "polling_interval": 3600}
    return config(protocol, **(values | settings))


def take_poll(peer: Receiver, kind: str = "counter-sample", records: int = INTERFACES) -> list[Any]:
    """Receive the datagrams of one poll."""
    got: list[Any] = []
    while sum(len(datagram.kinds(kind)) for datagram in got) < records:
        got.append(peer.receive())
    return got


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_address_port_and_protocol(data_plane: Plane, protocol: str, address: str) -> None:
    with receiver(address) as peer:
        data_plane.commit(to(peer, protocol))
        got = peer.receive()
        assert got.message.protocol == protocol
        assert got.source == address


@pytest.mark.parametrize(("address", "source"), [("127.0.0.1", "127.0.0.3"), ("::1", "::1")])
def test_source_address(data_plane: Plane, address: str, source: str) -> None:
    with receiver(address) as peer:
        data_plane.commit(to(peer, source_address=source))
        assert peer.receive().source == source
        assert data_plane.statistics("c").agent_address_in_use == source


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_dscp_and_its_change_on_the_same_socket(data_plane: Plane, address: str) -> None:
    with receiver(address) as peer:
        data_plane.commit(to(peer, dscp=46, polling_interval=1))
        assert {datagram.tos >> 2 for datagram in take_poll(peer)} == {46}
        data_plane.commit(to(peer, dscp=10, polling_interval=1))
        peer.waiting()
        assert {datagram.tos >> 2 for datagram in take_poll(peer)} == {10}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("size", [464, 9000])
def test_max_datagram_size(data_plane: Plane, peer: Receiver, protocol: str, size: int) -> None:
    data_plane.commit(to(peer, protocol, max_datagram_size=size))
    kind = "counter-sample" if protocol == "sflow" else "options"
    got = take_poll(peer, kind)
    assert max(datagram.size for datagram in got) <= size
    assert len(got) >= (8 if size == 464 else 1)
    assert len(got) <= (14 if size == 464 else 2)


def test_rate_limit(data_plane: Plane, peer: Receiver) -> None:
    data_plane.commit(to(peer, rate_limit=20, max_datagram_size=464))
    arrivals = [datagram.arrived for datagram in take_poll(peer)]
    assert len(arrivals) == math.ceil(INTERFACES / 3)
    least = (len(arrivals) - 1) / 20
    assert arrivals[-1] - arrivals[0] >= least - 0.03
    gaps = [after - before for before, after in itertools.pairwise(arrivals)]
    assert sum(gap < 0.01 for gap in gaps) <= 1


def test_polling_interval(data_plane: Plane, peer: Receiver) -> None:
    data_plane.commit(to(peer, polling_interval=1, max_datagram_size=9000))
    arrivals = [peer.receive(2).arrived for _ in range(3)]
    gaps = [after - before for before, after in itertools.pairwise(arrivals)]
    assert max(gaps) < 1.6  # a busy machine may hold a thread up
    assert min(gaps) > 0.8


@pytest.mark.parametrize("protocol", ["netflow9", "ipfix"])
def test_template_refresh_beside_a_long_polling_interval(
    data_plane: Plane, peer: Receiver, protocol: str
) -> None:
    data_plane.commit(to(peer, protocol, template_refresh=1, max_datagram_size=9000))
    arrivals = [peer.receive_until("options").arrived for _ in range(3)]
    gaps = [after - before for before, after in itertools.pairwise(arrivals)]
    assert max(gaps) < 1.6
    assert min(gaps) > 0.9
    counted = data_plane.statistics("c")
    assert counted.templates_sent is not None
    assert counted.templates_sent >= 6
    assert counted.last_template_time is not None
    assert counted.last_export_time is None  # one poll so far, and nothing to compare it with


def test_agent_address_and_sub_agent_id(data_plane: Plane, peer: Receiver) -> None:
    data_plane.commit(to(peer, agent_address="2001:db8::5", sub_agent_id=7))
    got = peer.receive()
    assert got.message.domain == 7
    assert data_plane.statistics("c").agent_address_in_use == "2001:db8::5"


def test_without_an_agent_address_it_is_the_one_that_the_kernel_chose(
    data_plane: Plane, peer: Receiver
) -> None:
    data_plane.commit(to(peer))
    peer.receive()
    assert data_plane.statistics("c").agent_address_in_use == "127.0.0.1"


@pytest.mark.parametrize("protocol", ["netflow9", "ipfix"])
def test_observation_domain(data_plane: Plane, peer: Receiver, protocol: str) -> None:
    data_plane.commit(to(peer, protocol, observation_domain=4_294_967_295))
    assert peer.receive().message.domain == 4_294_967_295
    assert data_plane.statistics("c").agent_address_in_use is None


@pytest.mark.parametrize("protocol", ["netflow9", "ipfix"])
def test_interface_options(
    data_plane: Plane, peer: Receiver, kernel: FakeKernel, protocol: str
) -> None:
    kernel.links[1] = FakeLink(2, "port2", alias="to the core")
    data_plane.commit(to(peer, protocol, interface_options=False, polling_interval=1))
    assert not any("interfaceName" in record.fields for record in peer.receive().message.records)
    data_plane.commit(to(peer, protocol, polling_interval=1))
    told = {
        record.fields["interfaceName"]: record.fields["interfaceDescription"]
        for datagram in take_poll(peer, "options", INTERFACES + 2)
        for record in datagram.kinds("options")
        if "interfaceName" in record.fields
    }
    assert told == {f"port{index}": "" for index in range(3, 42)} | {"port2": "to the core"}


@pytest.mark.parametrize(
    ("protocol", "element"), [("netflow9", "samplingInterval"), ("ipfix", "samplingPopulation")]
)
def test_sampling_options(data_plane: Plane, peer: Receiver, protocol: str, element: str) -> None:
    off = {"interface_options": False, "sampling_options": False, "polling_interval": 1}
    data_plane.commit(to(peer, protocol, **off))
    assert not any(element in record.fields for record in peer.receive().message.records)
    data_plane.commit(to(peer, protocol, **(off | {"sampling_options": True})))
    told = [
        record.fields[element]
        for datagram in take_poll(peer, "options", 2)
        for record in datagram.kinds("options")
        if element in record.fields
    ]
    assert told == [1]


def test_netflow5_sends_no_counters(data_plane: Plane) -> None:
    with receiver() as beside, receiver() as other:
        data_plane.commit(to(beside, "netflow5"), to(other, name="other", polling_interval=1))
        take_poll(other)
        take_poll(other)
        assert beside.waiting() == []
    found = data_plane.statistics("c")
    assert (found.oper_status, found.datagrams_sent, found.skipped_records) == ("up", 0, 0)
    assert found.last_export_time is None


def test_enabled(data_plane: Plane, peer: Receiver) -> None:
    data_plane.commit(to(peer, polling_interval=1, max_datagram_size=9000))
    first = peer.receive()
    data_plane.commit(to(peer, polling_interval=1, max_datagram_size=9000, enabled=False))
    found = data_plane.statistics("c")
    assert (found.oper_status, found.oper_reason) == ("disabled", "enabled is false")
    peer.waiting()
    with receiver() as other:
        beside = to(other, name="beside", polling_interval=1, max_datagram_size=9000)
        data_plane.commit(
            to(peer, polling_interval=1, max_datagram_size=9000, enabled=False), beside
        )
        for _ in range(3):
            other.receive()
        assert peer.waiting() == []
    data_plane.commit(to(peer, max_datagram_size=9000))
    again = peer.receive()
    sent = data_plane.statistics("c").sequence
    assert again.message.sequence == sent
    assert again.message.sequence > first.message.sequence
    assert data_plane.changes("c") == ["disabled", "up"]


def test_statistics_are_what_arrived(data_plane: Plane, peer: Receiver) -> None:
    data_plane.commit(to(peer, "ipfix", polling_interval=1))
    got = take_poll(peer, "data", 2 * INTERFACES)
    counted = wait_until(
        lambda: found if (found := data_plane.statistics("c")).datagrams_sent == len(got) else None
    )
    assert counted is not None
    assert counted.bytes_sent == sum(datagram.size for datagram in got)
    records = sum(len(datagram.message.records) for datagram in got)
    assert counted.records_sent == counted.sequence == records
    assert (counted.errors, counted.send_failure, counted.last_error) == (0, (), None)
    assert (counted.dropped_records, counted.queue_depth) == (0, 0)
    assert counted.last_export_time is not None
    assert counted.last_export_time.endswith("Z")
