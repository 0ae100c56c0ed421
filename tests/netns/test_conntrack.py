"""Connections of a real kernel, from its counters to the collector's totals."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.netns.conntrack import Exporter, Heard, Totals, exporter, kernel_totals
from tests.support.conditions import wait_until
from tests.support.conntrack import Road, flush, read_switch, road, set_switches, track
from tests.support.daemon import Daemon, flow_export
from tests.support.packets import SCTP_HANDSHAKE, ping, send_sctp
from tests.support.receiver import Receiver, receiver

pytestmark = pytest.mark.root

NEAR, FAR, NEAR6, FAR6 = "10.7.0.1", "10.8.0.2", "fd07::1", "fd08::2"
TCP, UDP, ICMP, ICMPV6, SCTP, UDPLITE = 6, 17, 1, 58, 132, 136
PAYLOAD = 500
FOLLOWED = (
    "<conntrack><enabled>true</enabled><active-timeout>1</active-timeout>"
    "<manage-kernel>true</manage-kernel></conntrack>"
)
MASQUERADE = (
    "chain translated {",
    "type nat hook postrouting priority srcnat; oifname port1 ip saddr 10.7.0.9 masquerade;",
    "oifname port1 ip6 saddr fd07::9 masquerade; }",
)


@pytest.fixture
def way() -> Iterator[Road]:
    with road() as made:
        with made.router.inside():
            set_switches()
            track(*MASQUERADE)
        yield made


@pytest.fixture(params=["ipfix", "netflow9"])
def router(way: Road, request: pytest.FixtureRequest) -> Iterator[Exporter]:
    with exporter(way, request.param) as made:
        yield made


def echo(way: Road, address: str) -> int:
    """Have far answer each datagram, whatever its protocol is, and talk TCP; give its port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with way.far.inside():
        server = socket.create_server((address, 0), family=family)

    def serve() -> None:
        with server, server.accept()[0] as stream:
            while data := stream.recv(1 << 16):
                stream.sendall(data[: len(data) // 2])

    threading.Thread(target=serve, daemon=True).start()
    port: int = server.getsockname()[1]
    return port


def talk_tcp(way: Road, address: str, source: str = "", octets: int = 200_000) -> None:
    """Send and read until everything was answered and both ends are closed."""
    port = echo(way, address)
    with way.near.inside():
        place = (source, 0) if source else None
        stream = socket.create_connection((address, port), source_address=place)
    with stream:
        stream.sendall(bytes(octets))
        stream.shutdown(socket.SHUT_WR)
        while stream.recv(1 << 16):
            pass


def send(
    way: Road, address: str, port: int, *, count: int, source: str = "", protocol: int = 0
) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with way.near.inside(), socket.socket(family, socket.SOCK_DGRAM, protocol) as sender:
        sender.bind((source, 5000 + port))
        for _ in range(count):
            sender.sendto(bytes(PAYLOAD), (address, port))


def talk_sctp(way: Road) -> int:
    """Make an association, by raw packets; give the octets sent by either end."""
    octets = 0
    for chunk, asks in SCTP_HANDSHAKE:
        host = way.near if asks else way.far
        with host.inside():
            ends = (NEAR, FAR) if asks else (FAR, NEAR)
            ports = (1000, 2000) if asks else (2000, 1000)
            octets += send_sctp(*ends, ports, chunk)
    return octets


def settled(way: Road) -> Totals:
    """Wait until the kernel's counters rest; tell them."""
    latest = kernel_totals(way)

    def rests() -> bool:
        nonlocal latest
        before, latest = latest, kernel_totals(way)
        return before == latest

    wait_until(rests)
    return latest


def end_all(way: Road) -> None:
    with way.router.inside():
        flush()


def test_every_kind_of_flow_adds_up_to_what_the_kernel_counted(way: Road, router: Exporter) -> None:
    way.near.ip("address", "add", "fd07::9/64", "dev", "eth0", "nodad")
    router.start(active_timeout=1)
    for target, translated in ((FAR, "10.7.0.9"), (FAR6, "fd07::9")):
        talk_tcp(way, target)
        send(way, target, 9, count=20)
        talk_tcp(way, target, source=translated)
    send(way, FAR, 10, count=5, source="10.7.0.9")
    send(way, FAR, 11, count=7, protocol=UDPLITE)
    talk_sctp(way)
    with way.near.inside():
        ping(FAR, 1, count=3)
        ping(FAR6, 3, count=2)
    expected = settled(way)
    wait_until(lambda: router.totals() == expected)
    assert {key[0] for key in expected} == {TCP, UDP, UDPLITE, SCTP, ICMP, ICMPV6}
    send(way, FAR, 9, count=1)
    final = settled(way)
    end_all(way)
    router.await_totals(final)
    assert router.state.events_lost == 0
    assert expected[UDP, NEAR, FAR, 5009, 9, 0] == (20 * (28 + PAYLOAD), 20)
    # What comes back to a translated connection goes to the router's address.
    assert (UDP, "10.7.0.9", FAR, 5010, 10, 0) in expected
    for outside, name in (("10.8.0.254", "IPv4"), ("fd08::ff", "IPv6")):
        assert any(key[0] == TCP and key[2] == outside for key in expected)
        names = f"postNATSource{name}Address", f"postNATDestination{name}Address"
        told = [tuple(record.get(one) for one in names) for record in router.records]
        assert (outside, FAR6 if name == "IPv6" else FAR) in told


def test_a_flow_between_two_dumps_is_told_when_it_ends(way: Road, router: Exporter) -> None:
    router.start()
    send(way, FAR, 9, count=3)
    expected = settled(way)
    assert router.totals() == {}
    end_all(way)
    router.await_totals(expected)
    (record,) = [record for record in router.records if record["destinationTransportPort"] == 9]
    assert record["flowEndReason"] == 4
    wait_until(lambda: router.state.destroy_events == 1)
    assert router.state.flows_active == 0


def test_two_pings_are_two_flows(way: Road, router: Exporter) -> None:
    router.start()
    with way.near.inside():
        ping(FAR, 1, count=3)
        ping(FAR, 2, count=5)
    expected = settled(way)
    end_all(way)
    router.await_totals(expected)
    packets = sorted(record["packetDeltaCount"] for record in router.records)
    assert packets == [3, 3, 5, 5]
    assert {key[-1] for key in expected} == {8 << 8, 0}


def test_what_tcp_closed_says_so(way: Road, router: Exporter) -> None:
    router.start()
    talk_tcp(way, FAR)
    expected = settled(way)
    end_all(way)
    router.await_totals(expected)
    assert {record["flowEndReason"] for record in router.records} == {3}


def test_a_long_flow_is_the_same_flow_each_time(way: Road, router: Exporter) -> None:
    router.start(active_timeout=1)
    sent = 0

    def told() -> int:
        router.totals()
        return sum(record["destinationTransportPort"] == 9 for record in router.records)

    for reports in (1, 2, 3):
        send(way, FAR, 9, count=2)
        sent += 2
        wait_until(lambda wanted=reports: told() == wanted)  # type: ignore[misc]
    router.await_totals({(UDP, NEAR, FAR, 5009, 9, 0): (sent * (28 + PAYLOAD), sent)})
    starts = [
        record.get("flowStartMilliseconds") or record["flowStartSysUpTime"]
        for record in router.records
    ]
    assert max(starts) - min(starts) <= 1  # NetFlow v9 counts from the boot, in milliseconds
    assert {record["flowEndReason"] for record in router.records} == {2}
    dumps = router.state.last_dump
    wait_until(lambda: router.state.last_dump != dumps)
    assert told() == 3  # nothing is said of a flow that did not grow


def test_what_was_there_before_is_accounted_from_the_start(way: Road, router: Exporter) -> None:
    send(way, FAR, 9, count=5)
    send(way, FAR, 10, count=5)
    before = settled(way)
    router.start()
    send(way, FAR, 9, count=2)
    expected = {key: (2 * (28 + PAYLOAD), 2) for key in before if key[4] == 9}
    settled(way)
    end_all(way)
    router.await_totals(expected)
    wait_until(lambda: router.state.destroy_events == 2)


def test_other_commits_and_new_collectors_count_nothing_twice(way: Road, router: Exporter) -> None:
    router.start()
    send(way, FAR, 9, count=4)
    settled(way)
    router.commit(active_timeout=1)
    key = (UDP, NEAR, FAR, 5009, 9, 0)
    router.await_totals({key: (4 * (28 + PAYLOAD), 4)})
    wait_until(lambda: router.state.flows_exported == 1)
    assert router.state.dump_entries == 1
    router.commit(active_timeout=3600)
    router.commit(active_timeout=3600)
    send(way, FAR, 9, count=1)
    settled(way)
    end_all(way)
    router.await_totals({key: (5 * (28 + PAYLOAD), 5)})
    wait_until(lambda: router.state.flows_exported == 2)


def test_a_restart_counts_nothing_twice(way: Road) -> None:
    key = (UDP, NEAR, FAR, 5009, 9, 0)
    with exporter(way) as first:
        first.start(active_timeout=1)
        send(way, FAR, 9, count=4)
        first.await_totals({key: (4 * (28 + PAYLOAD), 4)})
    send(way, FAR, 9, count=3)  # while nobody looks
    settled(way)
    with exporter(way) as second:
        second.start()
        send(way, FAR, 9, count=2)
        settled(way)
        end_all(way)
        second.await_totals({key: (2 * (28 + PAYLOAD), 2)})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_orderly_restart_misses_nothing(
    way: Road, tmp_path: Path, number: signal.Signals
) -> None:
    """What grew since the last dump is told at the end, and not again by the next process."""
    follow = FOLLOWED.replace(">1<", ">3600<")  # only the first dump comes by itself
    with way.router.inside(), receiver() as peer:
        heard = Heard(peer)
        with Daemon(tmp_path / "state") as daemon:
            daemon.wait_started()
            daemon.commit(flow_export(collector("first", peer), follow))
            daemon.find("source conntrack is up")
            send(way, FAR, 9, count=4)
            before = settled(way)
            assert heard.totals() == {}
            daemon.signal(number)
            assert daemon.wait() == 0
        heard.await_totals(before)
        with Daemon(tmp_path / "state") as daemon:
            daemon.wait_started()
            daemon.find("source conntrack is up")
            send(way, FAR, 9, count=2)
            after = settled(way)
            flush()
            heard.await_totals(after, 20.0)
    assert after[UDP, NEAR, FAR, 5009, 9, 0][1] == 6


def test_what_happens_to_management_counts_nothing_twice(way: Road, tmp_path: Path) -> None:
    """Kill it, let packets pass meanwhile, and add a collector once it is back."""
    key = (UDP, NEAR, FAR, 5009, 9, 0)

    def told(packets: int) -> Totals:
        return {key: (packets * (28 + PAYLOAD), packets)}

    with way.router.inside():
        set_switches(acct=0, timestamp=0, events=2)
        with receiver() as one, receiver() as other, Daemon(tmp_path / "state") as daemon:
            first, later = Heard(one), Heard(other)
            daemon.wait_started()
            daemon.commit(flow_export(collector("first", one), FOLLOWED))
            daemon.find("source conntrack is up")
            send(way, FAR, 9, count=4)
            first.await_totals(told(4), 20.0)
            os.kill(daemon.child("manager"), signal.SIGKILL)
            send(way, FAR, 9, count=3)
            first.await_totals(told(7), 20.0)
            daemon.commit(flow_export(collector("later", other)))
            send(way, FAR, 9, count=2)
            later.await_totals(told(2), 20.0)
            first.await_totals(told(9))
            send(way, FAR, 9, count=1)
            flush()
            first.await_totals(told(10), 20.0)
            later.await_totals(told(3))
            assert daemon.exporter()["restarts"] == "0"
            daemon.signal(signal.SIGTERM)
            assert daemon.wait() == 0
        assert [read_switch(name) for name in ("acct", "timestamp", "events")] == [0, 0, 2]


def collector(name: str, peer: Receiver) -> str:
    """Write the configuration of a collector that gets no counters for a while."""
    leaves = {"name": name, "address": peer.address, "port": peer.port, "protocol": "ipfix"}
    inner = "".join(f"<{leaf}>{value}</{leaf}>" for leaf, value in leaves.items())
    return f"<collector>{inner}<polling-interval>3600</polling-interval></collector>"


def test_flows_have_the_interfaces_that_they_pass(way: Road, router: Exporter) -> None:
    ports = [way.router.counters(name)["ifindex"] for name in ("port0", "port1")]
    router.start()
    for target in (FAR, FAR6):
        send(way, target, 9, count=1)
    expected = settled(way)
    end_all(way)
    router.await_totals(expected)
    found = {(record["ingressInterface"], record["egressInterface"]) for record in router.records}
    assert found == {tuple(ports)}


def test_zones_choose(way: Road) -> None:
    with way.router.inside():
        track(
            "chain zoned { type filter hook prerouting priority raw; udp dport 10 ct zone set 7; }"
        )
    with exporter(way) as router:
        router.start(zone=(7,))
        send(way, FAR, 9, count=3)
        send(way, FAR, 10, count=4)
        settled(way)
        router.commit(zone=(7,), active_timeout=1)
        key = (UDP, NEAR, FAR, 5010, 10, 0)
        router.await_totals({key: (4 * (28 + PAYLOAD), 4)})
        assert {record["ingressVRFID"] for record in router.records} == {7}
        router.commit(zone=(0, 7), active_timeout=1)
        send(way, FAR, 9, count=1)
        settled(way)
        other = (UDP, NEAR, FAR, 5009, 9, 0)
        router.await_totals({key: (4 * (28 + PAYLOAD), 4), other: (28 + PAYLOAD, 1)})
