"""A router's connections: what nfdump adds up is what conntrack(8) saw at their end.

softflowd counts the packets on the router's wire for itself.
"""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from interop.daemon import Daemon, collector, daemon
from interop.judges import Nfcapd
from interop.namespaces import Namespace, eventually, run, stop
from tests.support.conntrack import Road, road, track
from tests.support.packets import SCTP_HANDSHAKE, ping, send_sctp

pytestmark = pytest.mark.alone

NEAR, TRANSLATED, FAR = "10.7.0.1", "10.7.0.9", "10.8.0.2"
NEAR6, FAR6 = "fd07::1", "fd08::2"
TCP, UDP, ICMP, ICMPV6, SCTP, UDPLITE = 6, 17, 1, 58, 132, 136
EXPERIMENTAL = 0x88B5  # an EtherType for local use
MASQUERADE = (
    "chain translated {",
    "type nat hook postrouting priority srcnat;",
    f"oifname port1 ip saddr {TRANSLATED} masquerade; }}",
)
CONNTRACK = (
    "<conntrack><enabled>true</enabled><active-timeout>1</active-timeout>"
    "<manage-kernel>true</manage-kernel></conntrack>"
)

Key = tuple[int, str, int, str, str]
"""Protocol, source and port, destination and port, of ICMP type and code."""
Totals = dict[Key, tuple[int, int]]
"""Packets and octets."""


@dataclass(frozen=True)
class Judges:
    """What each of them counted."""

    conntrack: Totals
    records: dict[str, Totals]
    softflowd: Totals
    echo_records: int


def add_up(rows: Iterator[tuple[Key, int, int]]) -> Totals:
    totals: Totals = defaultdict(lambda: (0, 0))
    for key, packets, octets in rows:
        before = totals[key]
        totals[key] = before[0] + packets, before[1] + octets
    return dict(totals)


def nfdump(files: Path) -> Iterator[tuple[Key, int, int]]:
    """Read the flow records that nfcapd stored."""
    form = "fmt:%pr,%sa,%sp,%da,%dp,%pkt,%byt"
    for line in run("nfdump", "-R", str(files), "-q", "-N", "-6", "-o", form).splitlines():
        words = [word.strip() for word in line.split(",")]
        if len(words) == 7 and words[1] not in {"0.0.0.0", "::"}:
            key = int(words[0]), words[1], int(words[2]), words[3], words[4]
            yield key, int(words[5]), int(words[6])


def destroyed(log: Path) -> Iterator[tuple[Key, int, int]]:
    """Read the last counters of each connection, and of each of its directions."""
    for line in log.read_text().splitlines():
        if "[DESTROY]" not in line:
            continue
        protocol = int(line.split()[2] if line.split()[2].isdigit() else line.split()[3])
        for part in re.split(r"(?= src=)", line)[1:]:
            found = dict(re.findall(r"(\w+)=(\S+)", part))
            if int(found["packets"]):
                icmp = f"{found['type']}.{found['code']}" if "type" in found else "0"
                target = found["dst"], found.get("dport", icmp)
                key = protocol, found["src"], int(found.get("sport", 0)), *target
                yield key, int(found["packets"]), int(found["bytes"])


@contextlib.contextmanager
def running(space: Namespace, log: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program inside; it is stopped if it runs still."""
    process = space.start(command, log)
    try:
        yield process
    finally:
        if process.poll() is None:
            stop(process)


def talk_by_iperf3(way: Road, folder: Path) -> None:
    """Send by TCP and UDP; iperf3's control connections are flows too."""
    log = folder / "iperf3"
    server = ["iperf3", "-s", "-B", "::", "--forceflush"]
    with running(Namespace(way.far.name), log, *server):
        eventually(lambda: "listening" in log.read_text(), "iperf3 listens")
        for words in (
            ["-c", FAR, "-B", NEAR, "-t", "3", "-b", "20M"],
            ["-c", FAR6, "-n", "2M"],
            ["-c", FAR, "-B", TRANSLATED, "-n", "2M"],
            ["-c", FAR, "-B", TRANSLATED, "-u", "-n", "200K", "-b", "10M"],
        ):
            run("ip", "netns", "exec", way.near.name, "iperf3", *words)


def make_traffic(way: Road, folder: Path) -> None:
    """Talk by every protocol."""
    talk_by_iperf3(way, folder)
    with way.near.inside():
        ping(FAR, 1, count=3)
        ping(FAR, 2, count=5)
        ping(FAR6, 3, count=2)
        for protocol in (0, UDPLITE):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, protocol) as sender:
                sender.bind((NEAR, 5000))
                for _ in range(7):
                    sender.sendto(bytes(300), (FAR, 9))
    for chunk, asks in SCTP_HANDSHAKE:
        host, source, target = (way.near, NEAR, FAR) if asks else (way.far, FAR, NEAR)
        with host.inside():
            send_sctp(source, target, (1000, 2000) if asks else (2000, 1000), chunk)


def state(one: Daemon, leaf: str) -> str:
    """Read a leaf of conntrack's state; empty where there is none."""
    with one.session() as session:
        names = {"fe": "urn:flowexport:flow-export"}
        reply = session.get(filter=("xpath", (names, "/fe:flow-export/fe:conntrack")))
    return reply.data_ele.findtext(f".//{{*}}{leaf}") or ""


def await_export(exporter: Daemon, space: Namespace, ports: dict[str, int]) -> None:
    """Wait until all connections ended and their records were sent and read."""
    eventually(lambda: state(exporter, "flows-active") == "0", "all ended", 60.0)
    assert state(exporter, "events-lost") == "0"
    for name, port in ports.items():
        eventually(
            lambda name=name: exporter.statistics(name)["queue-depth"] == "0",  # type: ignore[misc]
            f"{name} was sent all",
        )
        sent = exporter.statistics(name)
        assert (sent["dropped-records"], sent["errors"]) == ("0", "0")
        eventually(lambda port=port: has_read(space, port), f"{name} has read all")  # type: ignore[misc]


def has_read(space: Namespace, port: int) -> bool:
    """Tell whether nothing waits in the socket of a UDP port (proc_net_udp(5))."""
    sockets = run("ip", "netns", "exec", space.name, "cat", "/proc/net/udp").splitlines()[1:]
    rows = [line.split() for line in sockets]
    waiting = [row[4] for row in rows if row[1].endswith(f":{port:04X}")]
    return waiting == ["00000000:00000000"]


@contextlib.contextmanager
def nfcapd(space: Namespace, folder: Path) -> Iterator[Nfcapd]:
    made = Nfcapd(space, folder)
    try:
        yield made
    finally:
        made.stop()


def softflowctl(folder: Path, word: str) -> str:
    return run("softflowctl", "-c", str(folder / "softflowd.ctl"), word)


def has_read_all(way: Road, folder: Path) -> bool:
    """Tell whether softflowd knows of the last packets, those of SCTP.

    It reads only when a block of its capture is full: frames that are of no flow fill it.
    """
    with way.near.inside(), socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as filler:
        for _ in range(200):
            filler.sendto(bytes(1400), ("eth0", EXPERIMENTAL, 0, 0, b"\xff" * 6))
    return "proto:132" in softflowctl(folder, "dump-flows")


@contextlib.contextmanager
def observed(way: Road, folder: Path, port: int) -> Iterator[None]:
    """Let conntrack(8) and softflowd look on; the latter sends to a port."""
    router = Namespace(way.router.name)
    seen = ["conntrack", "-E", "-e", "DESTROY", "-o", "id", "-b", "8388608"]
    counted = ["softflowd", "-d", "-i", "port0", "-v", "9", "-n", f"127.0.0.1:{port}"]
    files = ["-c", str(folder / "softflowd.ctl"), "-p", str(folder / "softflowd.pid")]
    with (
        running(router, folder / "destroyed", *seen),
        running(router, folder / "softflowd", *counted, *files) as soft,
    ):
        eventually((folder / "softflowd.ctl").exists, "softflowd starts")
        yield
        eventually(lambda: has_read_all(way, folder), "softflowd read all")
        softflowctl(folder, "expire-all")
        softflowctl(folder, "shutdown")
        soft.wait(10)


def follow(way: Road, folder: Path, ports: dict[str, int]) -> None:
    """Export, and end only when every connection has ended."""
    router = Namespace(way.router.name)
    with daemon(router, folder) as exporter:
        own = {name: ports[name] for name in ("netflow9", "ipfix")}
        exporter.commit(*(collector(name, name, port) for name, port in own.items()), CONNTRACK)
        eventually(lambda: state(exporter, "oper-status") == "up", "the first dump is over")
        with observed(way, folder, ports["soft"]):
            make_traffic(way, folder)
            with way.router.inside():
                subprocess.run(["conntrack", "-F"], check=True, capture_output=True)
            await_export(exporter, router, own)


@pytest.fixture(scope="module")
def judges(folder: Path) -> Judges:
    with road() as way, contextlib.ExitStack() as collectors:
        for host in (way.near, way.far):
            host.ip("link", "set", "eth0", "gso_max_segs", "1")
        with way.router.inside():
            track(*MASQUERADE)
        ports = {
            name: collectors.enter_context(nfcapd(Namespace(way.router.name), folder / name)).port
            for name in ("netflow9", "ipfix", "soft")
        }
        follow(way, folder, ports)
        collectors.close()
    echoes = [row for row in nfdump(folder / "ipfix" / "files") if row[0][0] == ICMP]
    return Judges(
        conntrack=add_up(destroyed(folder / "destroyed")),
        records={name: add_up(nfdump(folder / name / "files")) for name in ("netflow9", "ipfix")},
        softflowd=add_up(nfdump(folder / "soft" / "files")),
        echo_records=len(echoes),
    )


@pytest.mark.parametrize("protocol", ["netflow9", "ipfix"])
def test_nfdump_adds_up_what_conntrack_saw(judges: Judges, protocol: str) -> None:
    assert judges.records[protocol] == judges.conntrack


def test_every_protocol_and_translation_is_there(judges: Judges) -> None:
    found = judges.conntrack
    assert {key[0] for key in found} == {TCP, UDP, ICMP, ICMPV6, SCTP, UDPLITE}
    assert any(key[:2] == (UDP, TRANSLATED) for key in found)
    assert any(key[0] == TCP and key[3] == "10.8.0.254" for key in found)
    assert found[UDPLITE, NEAR, 5000, FAR, "9"] == (7, 7 * 328)
    assert found[SCTP, NEAR, 1000, FAR, "2000"][0] == 2
    assert found[ICMP, NEAR, 0, FAR, "8.0"][0] == 8


def test_two_pings_are_two_flows(judges: Judges) -> None:
    assert judges.echo_records >= 4


def test_softflowd_counts_the_same_on_the_wire(judges: Judges) -> None:
    """Compare what is not translated, and what translated hosts sent: port0 is before it."""
    on_the_wire = {
        key: counted
        for key, counted in judges.conntrack.items()
        if key[3] != "10.8.0.254" and key[0] in {TCP, UDP}
    }
    seen = {key: judges.softflowd.get(key) for key in on_the_wire}
    assert len(on_the_wire) >= 8
    assert seen == on_the_wire
