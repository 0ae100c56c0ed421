"""What sampling must do, whatever takes the samples."""

from __future__ import annotations

import itertools
import socket
import threading
import time

import pytest
from interop.namespaces import Namespace, eventually, run
from interop.sampling import ETHERNET, FCS, IPV4, IPV6, LOCAL, UDP, Lab, Sampled, deliver
from interop.sampling_checks import check_accounts, interfaces, routes, within_three_sigma


class Scenarios:
    """To be inherited by the tests of each backend, which make the fixture ``lab``."""

    def test_every_packet_that_comes_in(self, lab: Lab) -> None:
        lab.sample(Sampled("wan", 1))
        port, index = lab.new_port(), lab.near.index("wan")
        lab.send(60, 1000, port=port)
        samples = lab.take(60, port)
        check_accounts(samples, 1)
        assert interfaces(samples) == {(index, index, LOCAL)}
        assert {s["frameLength"] for s in samples} == {1000 + UDP + IPV4 + ETHERNET + FCS}
        assert {s["stripped"] for s in samples} == {FCS}
        assert {len(s["header"]) // 2 for s in samples} == {128}
        assert routes(samples) == {("0.0.0.0", 24, 32)}  # of a neighbour, to this host
        payloads = [bytes.fromhex(s["header"])[ETHERNET + IPV4 + UDP :][:4] for s in samples]
        assert payloads == [number.to_bytes(4, "big") for number in range(60)]

    def test_every_packet_that_goes_out(self, lab: Lab) -> None:
        lab.sample(Sampled("wan", 1, "egress"))
        port, index = lab.new_port(), lab.near.index("wan")
        lab.send(40, 30, port=port, outward=True)
        samples = lab.take(40, port)
        check_accounts(samples, 1)
        assert interfaces(samples) == {(index, LOCAL, index)}
        assert routes(samples) == {("0.0.0.0", 32, 24)}
        assert {s["frameLength"] for s in samples} == {30 + UDP + IPV4 + ETHERNET + FCS}

    def test_both_directions(self, lab: Lab) -> None:
        lab.sample(Sampled("wan", 1, "both"))
        index = lab.near.index("wan")
        inward, outward = lab.new_port(), lab.new_port()
        before = lab.count("wan", "samples")
        lab.send(20, 100, port=inward)
        assert interfaces(lab.take(20, inward)) == {(index, index, LOCAL)}
        lab.send(20, 100, port=outward, outward=True)
        assert interfaces(lab.take(20, outward)) == {(index, LOCAL, index)}
        assert lab.count("wan", "samples") - before == 40

    def test_ipv6(self, lab: Lab) -> None:
        here, there = "2001:db8::1", "2001:db8::2"
        for space, address in ((lab.near, here), (lab.far, there)):
            _set_ipv6(space, on=True)
            space.ip("address", "add", f"{address}/64", "dev", "wan", "nodad")
        lab.sample(Sampled("wan", 1))
        port = lab.new_port()
        deliver(lab.far, lab.near, (there, here), count=10, size=500, port=port)
        samples = lab.take(10, port)
        assert {s["frameLength"] for s in samples} == {500 + UDP + IPV6 + ETHERNET + FCS}
        for space in (lab.near, lab.far):
            _set_ipv6(space, on=False)

    @pytest.mark.parametrize("offload", ["off", "on"])
    def test_what_the_kernel_puts_together_is_counted_as_its_interface_does(
        self, lab: Lab, offload: str
    ) -> None:
        for space in (lab.near, lab.far):
            command = ["ethtool", "-K", "wan", "tso", offload, "gso", offload, "gro", offload]
            run("ip", "netns", "exec", space.name, *command)
        lab.sample(Sampled("wan", 1))
        port = lab.new_port()
        before = lab.near.counters()["wan"]["in-octets"]
        _transfer(lab, port, 400_000)
        after = lab.near.counters()["wan"]["in-octets"]
        samples = lab.take_all("wan", port)
        octets = sum(s["frameLength"] - FCS for s in samples)
        assert octets == after - before
        largest = max(s["frameLength"] for s in samples)
        assert (largest > 1518) == (offload == "on")

    def test_one_packet_in_a_hundred_and_then_in_fifty(self, lab: Lab) -> None:
        """While packets come without pause; a sample stands for what it was taken at."""
        lab.sample(Sampled("wan", 100))
        for _ in range(2):  # one measurement in 370 is outside of three sigma
            port, packets, frame = lab.new_port(), 20_000, 500
            lab.generate(packets, frame, port=port)
            samples = lab.take_all("wan", port)
            check_accounts(samples, 100)
            if close := within_three_sigma(len(samples), 100, packets):
                break
        assert close
        assert {s["frameLength"] for s in samples} == {frame + FCS}

    def test_a_rate_that_changes_while_packets_come(self, lab: Lab) -> None:
        lab.sample(Sampled("wan", 50))
        port, taken = lab.new_port(), lab.count("wan", "samples")
        with lab.stream(4_000, 200, port=port, delay_ns=200_000) as sent:
            eventually(lambda: lab.count("wan", "samples") > taken + 50, "packets are coming")
            lab.sample(Sampled("wan", 20))
        packets = sum(sent)
        samples = lab.take_all("wan", port)
        rates = [s["samplingRate"] for s in samples]
        assert rates == sorted(rates, reverse=True)
        assert set(rates) == {50, 20}
        for before, after in itertools.pairwise(samples):
            assert after["sampleSequence"] == before["sampleSequence"] + 1
            assert after["samplePool"] - before["samplePool"] == after["samplingRate"]
        assert abs(sum(rates) - packets) < 4 * (packets * 49) ** 0.5

    def test_commits_elsewhere_lose_no_sample(self, lab: Lab) -> None:
        """A commit every 100 ms for 20 s, while packets come."""
        lab.sample(Sampled("wan", 1))
        port, packets = lab.new_port(), 4_000
        stream = threading.Thread(
            target=lab.generate, args=(packets, 100), kwargs={"port": port, "delay_ns": 5_000_000}
        )
        before = lab.statistics("wan")
        stream.start()
        commits, due = 0, time.monotonic()
        samples = []
        while stream.is_alive():
            commits, due = commits + 1, due + 0.1
            lab.commit(_other_collector(commits))
            samples += lab.samples(port)
            stream.join(max(0.0, due - time.monotonic()))
        samples += lab.take(packets - len(samples), port)
        check_accounts(samples, 1)
        after = lab.statistics("wan")
        assert int(after["samples"]) - int(before["samples"]) == packets
        assert after["drops"] == before["drops"]
        assert commits >= 10  # where the processor is emulated; 200 elsewhere


class VlanScenarios:
    """For kernels that have VLANs; to be inherited likewise."""

    def test_a_vlan(self, lab: Lab) -> None:
        here, there = "198.51.100.1", "198.51.100.2"
        for space, address in ((lab.near, here), (lab.far, there)):
            space.ip("link", "add", "link", "wan", "name", "wan.7", "type", "vlan", "id", "7")
            space.ip("address", "add", f"{address}/24", "dev", "wan.7")
            space.ip("link", "set", "wan.7", "up")
        lab.sample(Sampled("wan.7", 1))
        port, index = lab.new_port(), lab.near.index("wan.7")
        deliver(lab.far, lab.near, (there, here), count=10, size=200, port=port)
        samples = lab.take(10, port)
        assert {(s["sourceIndex"], s["input"]) for s in samples} == {(index, index)}
        assert {s["srcVlan"] for s in samples} == {7}
        assert {s["frameLength"] for s in samples} == {200 + UDP + IPV4 + ETHERNET + FCS}
        for space in (lab.near, lab.far):
            space.ip("link", "delete", "wan.7")


def _set_ipv6(space: Namespace, *, on: bool) -> None:
    setting = f"net.ipv6.conf.wan.disable_ipv6={int(not on)}"
    run("ip", "netns", "exec", space.name, "sysctl", "-q", "-w", setting)


def _other_collector(number: int) -> str:
    return (
        "<collector><name>other</name><address>192.0.2.77</address><protocol>netflow9</protocol>"
        f"<polling-interval>{number % 3000 + 1}</polling-interval></collector>"
    )


def _transfer(lab: Lab, port: int, octets: int) -> None:
    """Send a stream of TCP from the far end to the near one."""
    with lab.near.entered():
        listener = socket.create_server((lab.pair.near_address, port))
    with lab.far.entered():
        sender = socket.socket()
    with listener, sender:
        sender.connect((lab.pair.near_address, port))
        with listener.accept()[0] as taken:
            thread = threading.Thread(target=_send_all, args=(sender, bytes(octets)))
            thread.start()
            left = octets
            while left:
                left -= len(taken.recv(min(left, 1 << 16)))
            thread.join()


def _send_all(sender: socket.socket, data: bytes) -> None:
    sender.sendall(data)
    sender.shutdown(socket.SHUT_WR)
