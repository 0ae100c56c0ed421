"""What foreign collectors decode is what ``ip -s link`` shows, in every protocol.

Six collectors are configured over NETCONF: nfcapd and tshark for NetFlow v9 and for IPFIX, sfacctd
and tshark for sFlow. Then known traffic crosses a link, and everybody's sums are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from interop.daemon import Daemon, collector
from interop.judges import Capture, Nfcapd, Sfacctd, Totals
from interop.namespaces import Counters, Link, eventually

pytestmark = pytest.mark.alone

OUTWARD, INWARD, SIZE = 500, 200, 1000
FRAME = SIZE + 8 + 20 + 14  # UDP, IPv4 and Ethernet headers
QUIET_PAIRS = 40  # interfaces that make a poll fill many small datagrams
ENOUGH = 200  # datagrams


@dataclass(frozen=True)
class Observation:
    """What was there before and after the traffic, and who saw it."""

    before: Counters
    after: Counters
    index: int
    nfcapd: dict[str, Nfcapd]
    sfacctd: Sfacctd
    capture: Capture

    def moved(self) -> dict[str, int]:
        """Say by how much ``ip -s link`` grew for the link."""
        before, after = self.before["wan"], self.after["wan"]
        return {name: after[name] - before[name] for name in before}

    def of_link(self, totals: Totals) -> dict[str, int]:
        """Take the link's sums out of a collector's."""
        return {name: totals[self.index, name] for name in self.before["wan"]}


@pytest.fixture(scope="module")
def observed(pair: Link, exporter: Daemon, folder: Path) -> Observation:
    near = pair.near
    for number in range(QUIET_PAIRS):
        near.ip("link", "add", f"q{number}", "type", "veth", "peer", "name", f"r{number}")
    capture = Capture(near, folder / "capture")
    judges = {name: Nfcapd(near, folder / name) for name in ("netflow9", "ipfix")}
    sfacctd = Sfacctd(near, folder / "sfacctd")
    ports = {name: judge.port for name, judge in judges.items()} | {"sflow": sfacctd.port}
    exporter.commit(*(collector(n, n, port, max_datagram_size=464) for n, port in ports.items()))
    eventually(lambda: all(_has_exported(exporter)), "every collector was sent a first poll")
    before = near.counters()
    pair.send(OUTWARD, INWARD, SIZE)
    after = near.counters()
    start = {entry["name"]: entry["datagrams-sent"] for entry in exporter.show("show flow-export")}

    def enough() -> bool:
        now = {e["name"]: e["datagrams-sent"] for e in exporter.show("show flow-export")}
        return all(now[name] - start[name] >= ENOUGH for name in now)

    eventually(enough, f"{ENOUGH} further datagrams to each collector", 60)
    exporter.stop()
    eventually(lambda: _all_arrived(sfacctd), "sfacctd wrote what it received")
    capture.stop()
    sfacctd.stop()
    for judge in judges.values():
        judge.stop()
    return Observation(before, after, near.index("wan"), judges, sfacctd, capture)


def _has_exported(exporter: Daemon) -> list[bool]:
    return ["last-export-time" in entry for entry in exporter.show("show flow-export")]


def _all_arrived(sfacctd: Sfacctd) -> bool:
    count = len(sfacctd.samples())
    return count > 0 and count % (2 * QUIET_PAIRS + 1) == 0


def test_the_traffic_was_what_it_should_be(observed: Observation) -> None:
    assert observed.moved() == {
        "in-octets": INWARD * FRAME,
        "in-packets": INWARD,
        "out-octets": OUTWARD * FRAME,
        "out-packets": OUTWARD,
    }


@pytest.mark.parametrize("protocol", ["netflow9", "ipfix"])
def test_nfdump_adds_up_to_ip_link(observed: Observation, protocol: str) -> None:
    assert observed.of_link(observed.nfcapd[protocol].totals()) == observed.moved()
    assert observed.nfcapd[protocol].sequence_errors() == 0


@pytest.mark.parametrize("protocol", ["netflow9", "ipfix"])
def test_tshark_adds_up_to_ip_link(observed: Observation, protocol: str) -> None:
    totals = observed.capture.totals(observed.nfcapd[protocol].port)
    assert observed.of_link(totals) == observed.moved()


def test_sfacctd_adds_up_to_ip_link(observed: Observation) -> None:
    assert observed.of_link(observed.sfacctd.totals()) == observed.moved()


@pytest.mark.parametrize("protocol", ["netflow9", "ipfix"])
def test_tshark_finds_no_fault(observed: Observation, protocol: str) -> None:
    port = observed.nfcapd[protocol].port
    assert len(observed.capture.rows(port, "cflow", "frame.number")) >= ENOUGH
    assert observed.capture.faults(port, "cflow") == []


def test_tshark_finds_no_fault_in_sflow(observed: Observation) -> None:
    port = observed.sfacctd.port
    rows = observed.capture.rows(port, "sflow", "sflow_245.sequence_number")
    numbers = [int(row[0]) for row in rows]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len(numbers) >= ENOUGH
    assert ENOUGH <= len(observed.capture.of_interfaces(port)) < len(numbers)
    assert observed.capture.faults(port, "sflow") == []


@pytest.mark.parametrize("protocol", ["netflow9", "ipfix", "sflow"])
def test_no_datagram_is_too_large(observed: Observation, protocol: str) -> None:
    port = observed.nfcapd[protocol].port if protocol != "sflow" else observed.sfacctd.port
    rows = observed.capture.rows(port, "data", "udp.length")
    assert max(int(row[0]) - 8 for row in rows) <= 464
