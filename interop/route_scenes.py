"""A daemon, a router that tells it of routes, and what nfdump has of the flows meanwhile."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interop import routers
from interop.daemon import Daemon, collector, daemon
from interop.judges import Nfcapd
from interop.namespaces import Namespace, eventually, namespace, run
from interop.routers import Announced, Injector, Router
from lxml import etree
from tests.support.conntrack import track

BMP_PORT = 11019
STALE = 20
PATIENCE = 90.0
CONNTRACK = (
    "<conntrack><enabled>true</enabled><active-timeout>1</active-timeout>"
    "<manage-kernel>true</manage-kernel></conntrack>"
)
RIB = "/fe:flow-export/fe:enrichment/fe:rib"

Answer = tuple[str, str, int, int]
"""Next hop, BGP next hop, prefix length and AS of a destination."""
NOTHING = ("", "", 0, 0)


def enrichment(password: str = "") -> str:
    """Write the configuration of both sources of routes, with the key that the router is to use."""
    key = f"<password>{password}</password>" if password else ""
    return (
        "<enrichment><bgp>true</bgp>"
        f"<ibgp><enabled>true</enabled><local-as>{routers.OUR_AS}</local-as>"
        f"<neighbor><address>{routers.ROUTER}</address>{key}</neighbor></ibgp>"
        f"<bmp><enabled>true</enabled><port>{BMP_PORT}</port></bmp>"
        f"<end-of-rib-timeout>3</end-of-rib-timeout><stale-time>{STALE}</stale-time></enrichment>"
    )


@dataclass
class Scene:
    """A daemon, a router, and what was seen of the flows."""

    near: Namespace
    exporter: Daemon
    injector: Injector
    router: Router
    nfcapd: Nfcapd
    phases: dict[int, dict[str, Answer]]
    _next_port: int = 40_000

    def rib(self) -> dict[str, Any]:
        """Read the counts of routes, and of the paths of every source."""
        with self.exporter.session() as session:
            names = {"fe": "urn:flowexport:flow-export"}
            found = session.get(filter=("xpath", (names, RIB))).data_ele.find(".//{*}rib")
        counts = {leaf.tag.rpartition("}")[2]: leaf.text or "" for leaf in found if not len(leaf)}
        return {
            **counts,
            "sources": [
                {leaf.tag.rpartition("}")[2]: leaf.text or "" for leaf in source}
                for source in found.findall("{*}source")
            ],
        }

    def paths(self) -> tuple[int, int]:
        """Count the paths of all sources: of IPv4, and of IPv6."""
        sources = self.rib()["sources"]
        four, six = (
            sum(int(each[f"ipv{version}-paths"]) for each in sources) for version in (4, 6)
        )
        return four, six

    def refresh(self, routes: list[Announced]) -> None:
        """Ask for all routes, whose paths all differ, and wait until so many UPDATEs have come."""
        before = self._updates()
        self._call("<refresh-routes xmlns='urn:flowexport:flow-export'/>")
        wanted = before + len(routes)
        eventually(lambda: self._updates() >= wanted, "all is told again", PATIENCE)

    def lookup(self, addresses: list[str]) -> dict[str, tuple[str, ...]]:
        """Ask for prefix, next hop and AS path of addresses."""
        asked = "".join(f"<address>{address}</address>" for address in addresses)
        found = self._call(
            f"<lookup-routes xmlns='urn:flowexport:flow-export'>{asked}</lookup-routes>"
        )
        names = ("prefix", "next-hop", "as-path")
        return {
            route.findtext("{*}address"): tuple(route.findtext(f"{{*}}{name}") for name in names)
            for route in found.iter("{*}route")
        }

    def compare_paths(self, routes: list[Announced]) -> None:
        """Look up an address of each route: prefix, next hop, and the whole AS path."""
        told = self.lookup([route.address for route in routes])
        wanted = {
            route.address: (
                str(ipaddress.ip_network(route.prefix)),
                route.next_hop,
                " ".join(map(str, route.path)),
            )
            for route in routes
        }
        assert told == wanted, [each for each in wanted.items() if each not in told.items()]

    def _updates(self) -> int:
        return sum(int(source["updates"]) for source in self.rib()["sources"])

    def _call(self, operation: str) -> Any:
        with self.exporter.session() as session:
            return etree.fromstring(session.dispatch(etree.fromstring(operation)).xml.encode())

    def await_routes(self, routes: list[Announced]) -> None:
        """Wait until as many prefixes have a route, and every source is connected."""
        wanted = [sum(is_6(route.prefix) is six for route in routes) for six in (False, True)]

        def is_there() -> bool:
            said = self.rib()
            is_up = all(source["connected"] == "true" for source in said["sources"])
            counts = [int(said[f"ipv{version}-routes"]) for version in (4, 6)]
            return is_up and bool(said["sources"]) and counts == wanted

        eventually(is_there, f"{wanted} routes are used", PATIENCE)

    def observe(self, routes: list[Announced], asked: list[Announced]) -> None:
        """Send to an address of each route, from a port of its own, and note what is expected."""
        wanted = {route.address: expect(routes, route.address) for route in asked}
        port = self.send(list(wanted))
        self.phases[port] = wanted
        if routes:
            self._compare_origins(port)

    def send(self, addresses: list[str]) -> int:
        """Send to addresses from a port of its own, and wait until the flows are exported."""
        port = self._next_port
        self._next_port += 1
        for is_6, source in ((False, routers.OURS), (True, routers.OURS6)):
            with self.near.udp(source, port) as sender:
                for address in addresses:
                    if (":" in address) is is_6:
                        sender.sendto(b"x", (address, 9))

        def is_exported() -> bool:
            recent = self.exporter.show("show flow recent")
            seen = {flow["dst-address"] for flow in recent if flow.get("src-port") == port}
            return seen >= set(addresses)

        eventually(is_exported, "the flows are exported", PATIENCE)
        return port

    def _compare_origins(self, port: int) -> None:
        """Ask the daemon's own command line for the AS of each destination."""
        flows = self.exporter.show("show flow recent | origin")
        seen = {
            flow["dst-address"]: flow.get("dst-address-origin-as", 0)
            for flow in flows
            if flow.get("src-port") == port
        }
        wanted = {address: answer[3] for address, answer in self.phases[port].items()}
        assert {address: seen[address] for address in wanted} == wanted

    def judge(self) -> None:
        """Compare what nfdump has with what was expected."""
        for port, wanted in self.phases.items():
            seen = self.seen(port)
            assert {each: seen.get(each) for each in wanted} == wanted, port

    def seen(self, port: int) -> dict[str, Answer]:
        """Read what nfdump has of the flows from a port, once nfcapd has ended."""
        form = "fmt:%da,%nh,%nhb,%dmk,%das"
        files = str(self.nfcapd.log.parent / "files")
        shown = run("nfdump", "-R", files, "-q", "-N", "-6", "-o", form, f"src port {port}")
        rows = (line.replace(" ", "").split(",") for line in shown.splitlines())
        return {
            row[0]: (known(row[1]), known(row[2]), int(row[3]), int(row[4]))
            for row in rows
            if len(row) == 5
        }


def is_6(prefix: str) -> bool:
    return ":" in prefix


def known(address: str) -> str:
    return "" if address in {"0.0.0.0", "::"} else str(ipaddress.ip_address(address))


def expect(routes: list[Announced], address: str) -> Answer:
    """Find the longest prefix; without any the kernel's default route is what there is."""
    found = [
        route
        for route in routes
        if ipaddress.ip_address(address) in ipaddress.ip_network(route.prefix)
    ]
    if not found:
        return (routers.ROUTER6 if is_6(address) else routers.ROUTER, *NOTHING[1:])
    best = max(found, key=lambda route: route.mask)
    return best.next_hop, best.next_hop, best.mask, best.origin


@contextlib.contextmanager
def scene(
    make: Callable[..., Router],
    folder: Path,
    *,
    bmp: bool = False,
    add_path: bool = False,
    password: str = "",
    expected: str = "",
) -> Iterator[Scene]:
    """Run all of it; the router signs with ``password``, where another one may be ``expected``."""
    with namespace() as near, namespace() as far, routers.world(near, far):
        with near.entered():
            track("chain sent { type filter hook output priority filter; ct state new counter; }")
        injector = Injector(far, folder)
        router = make(far, folder, BMP_PORT if bmp else None, password)
        with daemon(near, folder) as exporter:
            nfcapd = Nfcapd(near, folder / "nfcapd")
            judge = collector("judge", "ipfix", nfcapd.port)
            exporter.commit(enrichment(expected), CONNTRACK, judge)
            router.start()
            injector.start(add_path=add_path)
            made = Scene(near, exporter, injector, router, nfcapd, {})
            try:
                yield made
            finally:
                nfcapd.stop()
                router.stop()
                injector.stop()
            made.judge()
