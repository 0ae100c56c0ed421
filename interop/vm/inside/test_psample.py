"""Sampling by the kernel, proved on the kernel: tc, psample, and who judges the sFlow."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from interop.namespaces import Link, eventually, link, run
from interop.sampling import FCS, LOCAL, Lab, Sampled, deliver, second_link
from interop.sampling_checks import check_accounts, interfaces, with_ports
from interop.sampling_scenarios import Scenarios, VlanScenarios

MODPROBE = Path("/proc/sys/kernel/modprobe")
RMEM_MAX = Path("/proc/sys/net/core/rmem_max")
SECOND = ("203.0.113.1", "203.0.113.2")
"""The addresses of another link between the same ends."""
COOKIE = b"flowexport".hex()
"""By which the filters of every run are known."""


@pytest.fixture(scope="module")
def pair() -> Iterator[Link]:
    with link() as made:
        yield made


@pytest.fixture(scope="module")
def lab(pair: Link, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    RMEM_MAX.write_text(f"{32 << 20}\n")  # collectors here are slower than what they are sent
    made = Lab(pair, tmp_path_factory.mktemp("lab"))
    try:
        made.start()
        made.set_collectors()
        yield made
    finally:
        made.stop()


def rules(lab: Lab, side: str = "ingress", device: str = "wan") -> list[str]:
    """List the filters of a side, as tc shows them."""
    shown = run("tc", "-netns", lab.near.name, "filter", "show", "dev", device, side)
    return [line for line in shown.splitlines() if line.startswith("filter") and "handle" in line]


def leave_behind(lab: Lab, device: str) -> None:
    """Make a filter as a run of flowexportd makes it, and leaves it when it is killed."""
    tc = ["tc", "-netns", lab.near.name]
    run(*tc, "qdisc", "add", "dev", device, "clsact")
    where = [*tc, "filter", "add", "dev", device, "ingress", "pref", "6", "matchall"]
    run(*where, "action", "sample", "rate", "10", "group", "3", "continue", "cookie", COOKIE)
    assert len(rules(lab, device=device)) == 1


def exporter_of(lab: Lab) -> int:
    assert lab.daemon is not None
    return lab.daemon.child("exporter")


def _unloads_modules() -> bool:
    return subprocess.run(["modprobe", "-r", "act_sample", "psample"], check=False).returncode == 0


def test_a_kernel_without_the_modules(lab: Lab) -> None:
    """Packet sockets stand in, and it is said for what; then psample works by itself."""
    before = MODPROBE.read_text()
    eventually(_unloads_modules, "what other tests had loaded is gone")
    MODPROBE.write_text("/bin/false\n")  # else the kernel loads them when they are asked for
    missing = "psample: kernel module not loaded: modprobe psample act_sample"
    try:
        lab.backend = "auto"
        lab.sample(Sampled("wan", 1))
        assert lab.overall()["backend-in-use"] == "packet"
        assert lab.overall()["fallback-reason"] == missing
        port = lab.new_port()
        lab.send(5, 100, port=port)
        check_accounts(lab.take(5, port), 1)
        lab.backend = "psample"
        lab.sample(Sampled("wan", 1), status="degraded")
        assert lab.statistics("wan")["oper-reason"] == missing
        assert lab.overall()["oper-status"] == "degraded"
    finally:
        lab.backend = "auto"
        MODPROBE.write_text(before)
    lab.sample(Sampled("wan", 1))
    assert lab.overall()["oper-status"] == "up"
    assert lab.overall()["backend-in-use"] == "psample"
    port = lab.new_port()
    lab.send(5, 100, port=port)
    check_accounts(lab.take(5, port), 1)


class TestWhateverTakesTheSamples(Scenarios, VlanScenarios):
    """What is expected of every backend."""


class TestPacketSocketsHere(VlanScenarios):
    """What packet sockets are to do on a kernel that has more than others."""

    @pytest.fixture(autouse=True)
    def packet_sockets(self, lab: Lab) -> Iterator[None]:
        lab.backend = "packet"
        yield
        lab.backend = "auto"


def send_by_lan(lab: Lab, count: int) -> int:
    """Send by the second link, and give the UDP port."""
    port, (here, there) = lab.new_port(), SECOND
    deliver(lab.far, lab.near, (there, here), count=count, size=100, port=port)
    return port


def test_two_groups(lab: Lab) -> None:
    with second_link(lab, "lan", SECOND):
        lab.sample(Sampled("wan", 1, group=1), Sampled("lan", 1, group=2))
        port = lab.new_port()
        lab.send(10, 100, port=port)
        assert interfaces(lab.take(10, port)) == {(*(lab.near.index("wan"),) * 2, LOCAL)}
        samples = lab.take(7, send_by_lan(lab, 7))
        check_accounts(samples, 1)
        assert interfaces(samples) == {(*(lab.near.index("lan"),) * 2, LOCAL)}
        assert lab.count("lan", "drops") == lab.count("wan", "drops") == 0
    lab.await_status("lan", "not-present")
    assert lab.overall()["oper-reason"] == "lan: there is no interface of this name"
    with second_link(lab, "lan", SECOND):
        lab.await_status("lan", "up")
        assert len(rules(lab, device="lan")) == 1
        check_accounts(lab.take(5, send_by_lan(lab, 5)), 1)


def test_an_index_that_messages_have_no_room_for(lab: Lab) -> None:
    """They have its low 16 bits: it is resolved, or said that it cannot be."""
    index = lab.near.index("wan") + (1 << 16)
    with second_link(lab, "lan", SECOND, index=index):
        lab.sample(Sampled("wan", 1), Sampled("lan", 1), status="degraded")
        assert "give it a group of its own" in lab.statistics("lan")["oper-reason"]
        lab.sample(Sampled("wan", 1, group=1), Sampled("lan", 1, group=2))
        assert interfaces(lab.take(6, send_by_lan(lab, 6))) == {(index, index, LOCAL)}
        port = lab.new_port()
        lab.send(4, 100, port=port)
        assert interfaces(lab.take(4, port)) == {(*(lab.near.index("wan"),) * 2, LOCAL)}


def test_group_and_length_change_while_packets_come(lab: Lab) -> None:
    """On the action itself: nothing is lost, and the filter stays the same."""
    lab.sample(Sampled("wan", 1, group=1, trunc=128))
    before = rules(lab)
    port, taken = lab.new_port(), lab.count("wan", "samples")
    with lab.stream(200, 300, port=port, delay_ns=2_000_000) as sent:
        eventually(lambda: lab.count("wan", "samples") > taken + 50, "packets are coming")
        lab.sample(Sampled("wan", 1, group=9, trunc=64))
    samples = lab.take(sum(sent), port)
    check_accounts(samples, 1)
    lengths = [len(s["header"]) // 2 for s in samples]
    assert lengths == sorted(lengths, reverse=True)
    assert set(lengths) == {128, 64}
    assert rules(lab) == before


def test_what_a_device_tells_of_its_queue(lab: Lab) -> None:
    """A driver that samples knows more than an action does; it says where packets go to, too."""
    lab.sample(Sampled("wan", 1, group=5))
    index, port = lab.near.index("wan"), lab.new_port()
    told = {"queue": 3, "depth": 70_000, "latency": 1_234_567}
    where = {"group": 5, "in_ifindex": index, "out_ifindex": 77, "port": port, "count": 20}
    words = [f"{name}={value}" for name, value in {**told, **where}.items()]
    run("ip", "netns", "exec", lab.near.name, "modprobe", "psample_device", *words)
    run("modprobe", "-r", "psample_device")
    samples = lab.take(20, port)
    check_accounts(samples, 1)
    assert interfaces(samples) == {(index, index, 77)}
    assert {s["frameLength"] for s in samples} == {200 + FCS}
    names = ("egressQueue", "queueDepth", "transitDelay")
    assert {tuple(s[name] for name in names) for s in samples} == {tuple(told.values())}
    port = lab.new_port()
    lab.send(5, 100, port=port)
    assert not any(name in fields for fields in lab.take(5, port) for name in names)


def test_the_filters_of_others_stay_and_see_all_packets(lab: Lab) -> None:
    lab.sample()
    eventually(lambda: not rules(lab), "our filters are gone")
    tc = ["tc", "-netns", lab.near.name]
    run(*tc, "qdisc", "add", "dev", "wan", "clsact")
    where = [*tc, "filter", "add", "dev", "wan", "ingress"]
    run(*where, "pref", "100", "matchall", "action", "gact", "pass")
    foreign = rules(lab)
    lab.sample(Sampled("wan", 1))
    assert len(rules(lab)) == 2
    port = lab.new_port()
    lab.send(25, 100, port=port)
    lab.take(25, port)
    shown = run(*tc, "-s", "filter", "show", "dev", "wan", "ingress", "pref", "100")
    assert "25 pkt" in shown
    lab.sample()
    eventually(lambda: rules(lab) == foreign, "only the filter of others is left")
    run(*tc, "qdisc", "delete", "dev", "wan", "clsact")


def test_a_filter_in_our_place_is_not_touched(lab: Lab) -> None:
    lab.sample()
    eventually(lambda: not rules(lab), "our filters are gone")
    tc = ["tc", "-netns", lab.near.name]
    run(*tc, "qdisc", "add", "dev", "wan", "clsact")
    where = [*tc, "filter", "add", "dev", "wan", "ingress"]
    run(*where, "pref", "6", "matchall", "action", "gact", "pass")
    lab.sample(Sampled("wan", 1), status="down")
    assert "priority 6" in lab.statistics("wan")["oper-reason"]
    assert len(rules(lab)) == 1
    run(*tc, "filter", "delete", "dev", "wan", "ingress", "pref", "6")
    lab.await_status("wan", "up")
    lab.sample()
    eventually(lambda: not rules(lab), "our filter is gone")
    run(*tc, "qdisc", "delete", "dev", "wan", "clsact")


def test_what_others_delete_is_set_up_again(lab: Lab) -> None:
    """The group and its numbers begin anew then: no sample is missing from the new ones."""
    lab.sample(Sampled("wan", 1, "both"))
    before = lab.statistics("wan")
    run("tc", "-netns", lab.near.name, "qdisc", "delete", "dev", "wan", "clsact")
    eventually(lambda: rules(lab) and rules(lab, "egress"), "the filters are there again", 60)
    port = lab.new_port()
    lab.send(10, 100, port=port)
    check_accounts(lab.take(10, port), 1, drops=int(before["drops"]))
    assert len(rules(lab)) == len(rules(lab, "egress")) == 1


def test_everything_that_was_lost_is_counted(lab: Lab) -> None:
    """A flood that nobody reads: the numbers of the group tell exactly what was lost."""
    lab.sample()
    lab.set_collectors(enabled=False)
    lab.sample(Sampled("wan", 1, group=77, trunc=1500))
    port = lab.new_port()
    exporter = exporter_of(lab)
    os.kill(exporter, signal.SIGSTOP)
    try:
        before = lab.near.counters()["wan"]["in-packets"]
        for _ in range(20):  # the near end may not be able to take all of them in
            lab.generate(10_000, 1500, port=port)
            if lab.near.counters()["wan"]["in-packets"] - before > 40_000:
                break
    finally:
        os.kill(exporter, signal.SIGCONT)

    def counted() -> dict[str, int]:
        found = lab.statistics("wan")
        names = ("samples", "drops", "sample-pool", "packets-seen")
        return {name: int(found[name]) for name in names}

    def everything() -> bool:
        lab.generate(1, 100, port=port)  # the loss shows in what follows it
        found = counted()
        return found["samples"] + found["drops"] == found["packets-seen"]

    eventually(everything, "samples and drops add up to the packets that there were", 60)
    found = counted()
    assert found["packets-seen"] > 40_000
    assert found["drops"] > 1000
    assert found["sample-pool"] == found["packets-seen"]
    assert int(lab.overall()["overruns"]) > 0
    lab.set_collectors()


def test_the_collectors_of_others_add_up_to_the_same(lab: Lab) -> None:
    """To what the strict decoder made of all the samples of UDP and TCP of all tests."""
    lab.samples(0)
    expected = with_ports(+lab.stood_for)
    eventually(
        lambda: with_ports(lab.judges.sfacctd()).total() >= expected.total(), "sfacctd has it all"
    )
    lab.judges.stop()
    assert with_ports(lab.judges.sfacctd()) == expected
    assert with_ports(lab.judges.sfcapd()) == expected


def test_one_filter_after_a_crash(lab: Lab) -> None:
    lab.sample(Sampled("wan", 1, "both"))
    before = [*rules(lab), *rules(lab, "egress")]
    assert len(before) == 2
    assert lab.daemon is not None
    lab.daemon.process.kill()
    lab.daemon.wait()
    with second_link(lab, "lan", SECOND):
        leave_behind(lab, "lan")
        lab.start()
        lab.await_status("wan", "up")
        assert [*rules(lab), *rules(lab, "egress")] == before
        eventually(lambda: not rules(lab, device="lan"), "what a run had left is gone")
    lab.sample(Sampled("wan", 1))
    assert (len(rules(lab)), len(rules(lab, "egress"))) == (1, 0)
    sampled = lab.count("wan", "samples")  # what went out meanwhile, such as ARP
    lab.send(5, 100, port=lab.new_port())
    eventually(lambda: lab.count("wan", "samples") == sampled + 5, "every packet is sampled once")
