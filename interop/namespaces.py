"""Network namespaces, links between them and programs in them, all gone when the test is."""

from __future__ import annotations

import contextlib
import json
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pyroute2 import netns

T = TypeVar("T")
Counters = dict[str, dict[str, int]]

# Ports of which tshark believes nothing: on others it sees a traceroute or another's protocol.
QUIET_PORTS = "50000 53999"


def run(*command: str) -> str:
    """Run a command that must succeed and return what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr or done.stdout}"
    return done.stdout


def eventually(condition: Callable[[], T], what: str, seconds: float = 15.0) -> T:
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)
    return found


@dataclass(frozen=True)
class Namespace:
    """A network namespace with loopback up and IPv6 on loopback only.

    Nothing in it sends by itself, so that counters grow by what a test sends and nothing else.
    """

    name: str

    def ip(self, *arguments: str) -> str:
        """Run ip(8) inside."""
        return run("ip", "-netns", self.name, *arguments)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Sockets that this thread makes meanwhile belong to the namespace."""
        netns.pushns(self.name)
        try:
            yield
        finally:
            netns.popns()

    def udp(self, address: str, port: int = 0) -> socket.socket:
        """Make a bound UDP socket inside."""
        with self.entered():
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            endpoint = socket.socket(family, socket.SOCK_DGRAM)
        endpoint.bind((address, port))
        endpoint.settimeout(10)
        return endpoint

    def free_udp_port(self) -> int:
        """Find a UDP port of 127.0.0.1 that nothing uses."""
        with self.udp("127.0.0.1") as endpoint:
            return int(endpoint.getsockname()[1])

    def start(self, command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        """Start a program inside; its output goes to ``log``."""
        with log.open("ab") as output:
            return subprocess.Popen(
                ["ip", "netns", "exec", self.name, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def counters(self) -> Counters:
        """Read ``ip -s link``: octets and packets of each interface, in and out."""
        links: list[dict[str, Any]] = json.loads(self.ip("-s", "-json", "link", "show"))
        return {
            link["ifname"]: {
                "in-octets": link["stats64"]["rx"]["bytes"],
                "in-packets": link["stats64"]["rx"]["packets"],
                "out-octets": link["stats64"]["tx"]["bytes"],
                "out-packets": link["stats64"]["tx"]["packets"],
            }
            for link in links
        }

    def index(self, interface: str) -> int:
        """Look up the number of an interface."""
        return int(json.loads(self.ip("-json", "link", "show", interface))[0]["ifindex"])


@contextlib.contextmanager
def namespace() -> Iterator[Namespace]:
    """Make a namespace; processes that are left in it are killed with it."""
    name = f"fx{secrets.token_hex(4)}"
    run("ip", "netns", "add", name)
    try:
        made = Namespace(name)
        for scope, off in (("all", 1), ("default", 1), ("lo", 0)):
            setting = f"net.ipv6.conf.{scope}.disable_ipv6={off}"
            run("ip", "netns", "exec", name, "sysctl", "-q", "-w", setting)
        # What the exporter hands over in one piece is cut up before a capture sees it, as it is
        # before a collector does.
        made.ip("link", "set", "lo", "up", "gso_max_segs", "1")
        ports = f"net.ipv4.ip_local_port_range={QUIET_PORTS}"
        run("ip", "netns", "exec", name, "sysctl", "-q", "-w", ports)
        yield made
    finally:
        for process in run("ip", "netns", "pids", name).split():
            subprocess.run(["kill", "-9", process], check=False)
        run("ip", "netns", "delete", name)


@dataclass(frozen=True)
class Link:
    """Two namespaces joined by a veth pair called ``wan`` at both ends."""

    near: Namespace
    far: Namespace

    near_address = "192.0.2.1"
    far_address = "192.0.2.2"

    def send(self, outward: int, inward: int, size: int = 1000) -> None:
        """Send UDP datagrams of ``size`` octets across and back, and see each of them arrive."""
        with self.near.udp(self.near_address) as here, self.far.udp(self.far_address) as there:
            for source, sink, count in ((here, there, outward), (there, here, inward)):
                for _ in range(count):
                    source.sendto(bytes(size), sink.getsockname())
                    assert len(sink.recv(65535)) == size


@contextlib.contextmanager
def link() -> Iterator[Link]:
    """Make two namespaces with a link between them on which nothing happens by itself."""
    with namespace() as near, namespace() as far:
        near.ip("link", "add", "wan", "type", "veth", "peer", "name", "wan", "netns", far.name)
        ends = ((near, Link.near_address, far), (far, Link.far_address, near))
        for here, address, _ in ends:
            here.ip("address", "add", f"{address}/24", "dev", "wan")
            here.ip("link", "set", "wan", "up")
        for here, address, there in ends:  # no ARP: it would count as traffic
            station = json.loads(here.ip("-json", "link", "show", "wan"))[0]["address"]
            there.ip("neigh", "replace", address, "lladdr", station, "dev", "wan")
        yield Link(near, far)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a program that a namespace runs; one that has ended already stays as it is."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)
