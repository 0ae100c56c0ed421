"""A laboratory for packet sampling: a link, flowexportd at one end of it, and three collectors.

One collector is the strict decoder of this project, the others are sfacctd and sfcapd. What is sent
has a UDP port of its own for each trial, by which the totals of the others are told apart.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interop.namespaces import Link, Namespace, eventually, run, stop
from interop.sampling_checks import Sample
from tests.support.daemon import FLOWEXPORTD, Daemon
from tests.support.netconf import FE, Netconf
from tests.support.receiver import Receiver

START_BUDGET = 240.0
SO_RCVBUFFORCE = 33
LOCAL = 0xFFFFFFFF  # an interface column's value for a packet that starts or ends on this host
PACE_S = 0.01  # what a paced stream may be ahead of its time
ETHERNET, IPV4, IPV6, UDP = 14, 20, 40, 8
FCS = 4
_ONLY_THE_SOCKET = {
    "flow-export-server:server": {
        "netconf": {"ssh": {"enabled": False}},
        "http": {"enabled": False},
        "gnmi": {"enabled": False},
    }
}
"""No doors but the local socket: loading the others takes most of a start where all is slow."""


@dataclass(frozen=True)
class Sampled:
    """What is to be sampled on an interface."""

    name: str
    rate: int
    direction: str = "ingress"
    group: int = 1
    trunc: int = 128

    def xml(self) -> str:
        return (
            f"<interface><name>{self.name}</name><rate>{self.rate}</rate>"
            f"<trunc-size>{self.trunc}</trunc-size><group>{self.group}</group>"
            f"<direction>{self.direction}</direction></interface>"
        )


class Judges:
    """sfacctd and sfcapd, which add up what the samples stand for."""

    def __init__(self, space: Namespace, folder: Path) -> None:
        self._flows = folder / "sfacctd-flows"
        self._files = folder / "sfcapd"
        self._files.mkdir()
        self.ports = [space.free_udp_port(), space.free_udp_port()]
        self._processes = [
            self._start_sfacctd(space, folder, self.ports[0]),
            self._start_sfcapd(space, folder, self.ports[1]),
        ]

    def _start_sfacctd(self, space: Namespace, folder: Path, port: int) -> subprocess.Popen[bytes]:
        settings = {
            "daemonize": "false",
            "sfacctd_ip": "127.0.0.1",
            "sfacctd_port": port,
            "sfacctd_renormalize": "true",
            "sfacctd_pipe_size": 32 << 20,
            "plugins": "print",
            "aggregate": "dst_port,in_iface,out_iface",
            "print_output": "json",
            "print_output_file": self._flows,
            "print_output_file_append": "true",
            "print_refresh_time": "1",
        }
        written = folder / "sfacctd.conf"
        written.write_text("".join(f"{name}: {value}\n" for name, value in settings.items()))
        log = folder / "sfacctd.log"
        process = space.start(["sfacctd", "-f", str(written)], log)
        eventually(lambda: "waiting for sFlow" in log.read_text(), "sfacctd starts", START_BUDGET)
        return process

    def _start_sfcapd(self, space: Namespace, folder: Path, port: int) -> subprocess.Popen[bytes]:
        log = folder / "sfcapd.log"
        command = ["sfcapd", "-w", str(self._files), "-t", "3600", "-B", "4000000"]
        process = space.start([*command, "-b", "127.0.0.1", "-p", str(port)], log)
        eventually(lambda: "Startup" in log.read_text(), "sfcapd starts", START_BUDGET)
        return process

    def stop(self) -> None:
        """End both; they write down what they have then."""
        for process in self._processes:
            stop(process)

    def sfacctd(self) -> Counter[tuple[int, int, int]]:
        """Add up packets by port, input and output."""
        totals: Counter[tuple[int, int, int]] = Counter()
        lines = self._flows.read_text().splitlines() if self._flows.exists() else []
        for line in lines:
            entry = json.loads(line)
            key = entry["port_dst"], entry["iface_in"], entry["iface_out"]
            totals[key] += entry["packets"]
        return totals

    def sfcapd(self) -> Counter[tuple[int, int, int]]:
        """The same."""
        listing = run("nfdump", "-R", str(self._files), "-q", "-N", "-o", "fmt:%dp,%in,%out,%pkt")
        totals: Counter[tuple[int, int, int]] = Counter()
        for line in filter(lambda line: "," in line, listing.splitlines()):
            port, entry, leave, packets = (int(float(cell)) for cell in line.split(","))
            totals[port, entry, leave] += packets
        return totals


class Lab:
    """The near end of a link samples, and the far end sends or receives."""

    def __init__(self, pair: Link, folder: Path, backend: str = "auto") -> None:
        self.pair = pair
        self.near, self.far = pair.near, pair.far
        self.folder = folder
        self.judges = Judges(self.near, folder)
        self.backend = backend
        self._next_port = 20_000
        self.stood_for: Counter[tuple[int, int, int]] = Counter()
        """What all samples so far stood for: packets by port, input and output."""
        with self.near.entered():
            self.receiver = Receiver()
        self.receiver.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
        self.daemon: Daemon | None = None
        self.session: Netconf | None = None

    # -- the daemon

    def start(self) -> None:
        """Start flowexportd, or start it again after it was killed."""
        self._leave()
        command = ["ip", "netns", "exec", self.near.name, str(FLOWEXPORTD)]
        self.daemon = Daemon(self.folder / "state", command=command, init=_ONLY_THE_SOCKET)
        eventually(self._answers, "flowexportd answers", START_BUDGET)

    def stop(self) -> None:
        """End everything."""
        self._leave()
        self.receiver.close()
        self.judges.stop()

    def _answers(self) -> bool:
        """Open a session, if there is somebody to open it with."""
        assert self.daemon is not None
        assert self.daemon.process.poll() is None, self.daemon.output
        with contextlib.suppress(FileNotFoundError, ConnectionError):
            self.session = Netconf(self.daemon.socket, START_BUDGET)
            return True
        return False

    def _leave(self) -> None:
        if self.session is not None:
            self.session.__exit__()
        if self.daemon is not None:
            self.daemon.__exit__()

    def commit(self, inner: str) -> None:
        """Merge something into flow-export and commit."""
        assert self.session is not None
        self.session.edit(f'<flow-export xmlns="{FE}">{inner}</flow-export>')
        self.session.commit()

    def set_collectors(self, *, enabled: bool = True) -> None:
        ports = {"strict": self.receiver.port}
        ports |= dict(zip(("sfacctd", "sfcapd"), self.judges.ports, strict=True))
        entries = (
            f"<collector><name>{name}</name><address>127.0.0.1</address><port>{port}</port>"
            f"<protocol>sflow</protocol><polling-interval>3600</polling-interval>"
            f"<sub-agent-id>{number}</sub-agent-id><enabled>{str(enabled).lower()}</enabled>"
            "</collector>"
            for number, (name, port) in enumerate(ports.items())
        )
        self.commit("".join(entries))

    def sample(self, *interfaces: Sampled, status: str = "up") -> None:
        """Sample these interfaces and no others, and wait until they are."""
        replaced = 'xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="replace"'
        entries = "".join(one.xml() for one in interfaces)
        backend = f"<backend>{self.backend}</backend>"
        self.commit(f"<sampling {replaced}>{backend}{entries}</sampling>")
        for one in interfaces:
            self.await_status(one.name, status)

    def await_status(self, name: str, status: str) -> dict[str, str]:
        """Wait until an interface fares so; give its statistics."""

        def reached() -> dict[str, str] | None:
            found = self.statistics(name)
            is_settled = found.get("oper-reason") != "it is being set up"
            return found if is_settled and found.get("oper-status") == status else None

        found = eventually(reached, f"{name} is {status}", START_BUDGET)
        assert found is not None
        return found

    def statistics(self, name: str) -> dict[str, str]:
        """Read the statistics of an interface."""
        for entry in self._read("sampling/interface"):
            if entry.findtext(f"{{{FE}}}name") == name:
                statistics = entry.find(f"{{{FE}}}statistics")
                return {} if statistics is None else _leaves(statistics)
        return {}

    def overall(self) -> dict[str, str]:
        """Read the state of sampling as a whole."""
        found = self._read("sampling")
        return _leaves(found[0]) if found else {}

    def count(self, name: str, leaf: str) -> int:
        return int(self.statistics(name).get(leaf, "0"))

    def _read(self, path: str) -> list[Any]:
        assert self.session is not None
        reply = self.session.get(f'<flow-export xmlns="{FE}"><sampling/></flow-export>')
        return reply.findall(".//" + "/".join(f"{{{FE}}}{step}" for step in path.split("/")))

    # -- traffic

    def new_port(self) -> int:
        """Take a UDP port that no trial had."""
        self._next_port += 1
        return self._next_port

    def send(self, count: int, size: int, *, port: int, outward: bool = False) -> None:
        """Send UDP datagrams of ``size`` octets across, and see all of them arrive."""
        here, there = self.pair.near_address, self.pair.far_address
        if outward:
            deliver(self.near, self.far, (here, there), count=count, size=size, port=port)
        else:
            deliver(self.far, self.near, (there, here), count=count, size=size, port=port)

    def generate(self, count: int, size: int, *, port: int, delay_ns: int = 0) -> None:
        """Send UDP datagrams in frames of ``size`` octets from the far end, as fast as it can.

        They are not received by a socket: it is the interface that they are for. The kernel itself
        sends them where it has pktgen; more than it can take in at the near end are lost there.
        """
        subprocess.run(["modprobe", "pktgen"], capture_output=True, check=False)
        if Path("/proc/net/pktgen").exists():
            self._generate_in_kernel(count, size, port=port, delay_ns=delay_ns)
        else:
            self._generate_here(count, size, port=port, delay_ns=delay_ns)

    @contextlib.contextmanager
    def stream(self, part: int, size: int, *, port: int, delay_ns: int) -> Iterator[list[int]]:
        """Send meanwhile as `generate` does, in parts, the last of them after it is over."""
        is_over = threading.Event()
        sent: list[int] = []

        def send() -> None:
            is_last = False
            while not is_last:
                is_last = is_over.is_set()
                self.generate(part, size, port=port, delay_ns=delay_ns)
                sent.append(part)

        sender = threading.Thread(target=send)
        sender.start()
        try:
            yield sent
        finally:
            is_over.set()
            sender.join()

    def _generate_here(self, count: int, size: int, *, port: int, delay_ns: int) -> None:
        payload = bytes(size - ETHERNET - IPV4 - UDP)
        begin = time.monotonic()
        with self.far.udp(self.pair.far_address) as source:
            for number in range(count):
                ahead = begin + number * delay_ns / 1e9 - time.monotonic()
                if ahead > PACE_S:
                    time.sleep(ahead)
                source.sendto(payload, (self.pair.near_address, port))

    def _generate_in_kernel(self, count: int, size: int, *, port: int, delay_ns: int) -> None:
        station = json.loads(self.near.ip("-json", "link", "show", "wan"))[0]["address"]
        device = [f"count {count}", f"pkt_size {size}", f"delay {delay_ns}", "clone_skb 0"]
        device += [f"dst_mac {station}", f"dst {self.pair.near_address}"]
        device += [f"src_min {self.pair.far_address}", f"src_max {self.pair.far_address}"]
        device += [f"udp_dst_min {port}", f"udp_dst_max {port}"]
        lines = ["echo rem_device_all > /proc/net/pktgen/kpktgend_0"]
        lines += ["echo add_device wan > /proc/net/pktgen/kpktgend_0"]
        lines += [f"echo {line} > /proc/net/pktgen/wan" for line in device]
        lines += ["echo start > /proc/net/pktgen/pgctrl", "cat /proc/net/pktgen/wan"]
        script = " && ".join(lines)
        said = run("ip", "netns", "exec", self.far.name, "bash", "-c", script)
        assert f"pkts-sofar: {count}" in said, said

    # -- what came of it

    def take(self, count: int, port: int, seconds: float = 30.0) -> list[Sample]:
        """Wait for so many samples of packets to a port; there must not be more."""
        found: list[Sample] = []

        def has_enough() -> bool:
            found.extend(self.samples(port))
            return len(found) >= count

        eventually(has_enough, f"{count} samples arrive", seconds)
        assert len(found) == count
        return found

    def take_all(self, name: str, port: int) -> list[Sample]:
        """Wait until all samples that an interface took were received, of packets to a port."""
        found: list[Sample] = []
        received = 0
        before = self.count(name, "samples")

        def is_quiet() -> bool:
            nonlocal before, received
            new = self.samples(port)
            found.extend(new)
            now = self.count(name, "samples")
            quiet = now == before and not new and bool(found)
            before = now
            return quiet

        eventually(is_quiet, "samples have come, and no more come", 60)
        return found

    def samples(self, port: int) -> list[Sample]:
        """Take what has arrived: the samples of packets to a port."""
        taken = []
        for received in self.receiver.waiting():
            for record in received.kinds("flow-sample"):
                fields: Sample = dict(record.fields)
                key = destination_port(fields), fields["input"], fields["output"]
                self.stood_for[key] += fields["samplingRate"]
                taken.append(fields)
        return [fields for fields in taken if destination_port(fields) == port]


def deliver(
    sender: Namespace,
    sink: Namespace,
    addresses: tuple[str, str],
    *,
    count: int,
    size: int,
    port: int,
) -> None:
    """Send UDP datagrams from one namespace to the other, and see all of them arrive."""
    with sender.udp(addresses[0]) as source, sink.udp(addresses[1], port) as target:
        for number in range(count):
            source.sendto(number.to_bytes(4, "big").ljust(size, b"."), (addresses[1], port))
            assert target.recv(65535)[:4] == number.to_bytes(4, "big")


def destination_port(fields: Sample) -> int:
    """Read the UDP or TCP destination port of a sampled packet; 0 where it has none."""
    frame = bytes.fromhex(fields["header"])
    kind = frame[12:14]
    at = 12 + 2
    if kind == b"\x08\x00" and frame[at + 9] in (6, 17):
        at += (frame[at] & 15) * 4
    elif kind == b"\x86\xdd" and frame[at + 6] in (6, 17):
        at += IPV6
    else:
        return 0
    return int.from_bytes(frame[at + 2 : at + 4], "big")


@contextlib.contextmanager
def second_link(
    lab: Lab, name: str, addresses: tuple[str, str], index: int | None = None
) -> Iterator[None]:
    """Join the namespaces by another pair of interfaces; ``index`` is the near one's ifIndex."""
    numbered = () if index is None else ("index", str(index))
    peer = ("peer", "name", name, "netns", lab.far.name)
    lab.near.ip("link", "add", name, *numbered, "type", "veth", *peer)
    for space, address in zip((lab.near, lab.far), addresses, strict=True):
        space.ip("address", "add", f"{address}/24", "dev", name)
        space.ip("link", "set", name, "up")
    try:
        yield
    finally:
        lab.near.ip("link", "delete", name)


def _leaves(element: Any) -> dict[str, str]:
    return {str(leaf.tag).rpartition("}")[2]: leaf.text or "" for leaf in element if not len(leaf)}
