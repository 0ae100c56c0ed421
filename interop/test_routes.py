"""Flows carry what a router's best route says: next hop, prefix length, AS, judged by nfdump.

FRR, GoBGP and BIRD hear routes from exabgp, and tell them over BGP or BMP.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from interop import routers
from interop.daemon import Daemon, collector, daemon
from interop.judges import Nfcapd
from interop.namespaces import Namespace, eventually, namespace, run
from interop.routers import Announced, Injector, Router
from tests.support.conntrack import track

BMP_PORT = 11019
STALE = 20
PATIENCE = 90.0
ENRICHMENT = (
    "<enrichment><bgp>true</bgp>"
    f"<ibgp><enabled>true</enabled><local-as>{routers.OUR_AS}</local-as>"
    f"<neighbor><address>{routers.ROUTER}</address></neighbor></ibgp>"
    f"<bmp><enabled>true</enabled><port>{BMP_PORT}</port></bmp>"
    f"<end-of-rib-timeout>3</end-of-rib-timeout><stale-time>{STALE}</stale-time></enrichment>"
)
CONNTRACK = (
    "<conntrack><enabled>true</enabled><active-timeout>1</active-timeout>"
    "<manage-kernel>true</manage-kernel></conntrack>"
)
RIB = "/fe:flow-export/fe:enrichment/fe:rib"

Answer = tuple[str, str, int, int]
"""Next hop, BGP next hop, prefix length and AS of a destination."""
NOTHING = ("", "", 0, 0)


@dataclass
class Scene:
    """A daemon, a router, and what was seen of the flows."""

    near: Namespace
    exporter: Daemon
    injector: Injector
    router: Router
    nfcapd: Nfcapd
    phases: dict[int, dict[str, Answer]]

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
        port = 40_000 + len(self.phases)
        self.phases[port] = {route.address: expect(routes, route.address) for route in asked}
        for family, source in (("", routers.OURS), (":", routers.OURS6)):
            with self.near.udp(source, port) as sender:
                for address in self.phases[port]:
                    if (":" in address) is bool(family):
                        sender.sendto(b"x", (address, 9))
        eventually(lambda: self._is_exported(port), "the flows are exported", PATIENCE)
        if routes:
            self._compare_origins(port)

    def _is_exported(self, port: int) -> bool:
        recent = self.exporter.show("show flow recent")
        seen = {flow["dst-address"] for flow in recent if flow.get("src-port") == port}
        return seen >= set(self.phases[port])

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
        form = "fmt:%sp,%da,%nh,%nhb,%dmk,%das"
        files = str(self.nfcapd.log.parent / "files")
        seen: dict[int, dict[str, Answer]] = {port: {} for port in self.phases}
        for line in run("nfdump", "-R", files, "-q", "-N", "-6", "-o", form).splitlines():
            words = [word.strip() for word in line.split(",")]
            if len(words) == 6 and words[0].isdigit() and int(words[0]) in seen:
                answer = (known(words[2]), known(words[3]), int(words[4]), int(words[5]))
                seen[int(words[0])][words[1]] = answer
        for port, wanted in self.phases.items():
            assert {each: seen[port].get(each) for each in wanted} == wanted, port


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
def scene(make: Callable[..., Router], folder: Path, *, bmp: bool) -> Iterator[Scene]:
    with namespace() as near, namespace() as far, routers.world(near, far):
        with near.entered():
            track("chain sent { type filter hook output priority filter; ct state new counter; }")
        injector = Injector(far, folder)
        router = make(far, folder, BMP_PORT if bmp else None)
        with daemon(near, folder) as exporter:
            nfcapd = Nfcapd(near, folder / "nfcapd")
            exporter.commit(ENRICHMENT, CONNTRACK, collector("judge", "ipfix", nfcapd.port))
            router.start()
            injector.start()
            made = Scene(near, exporter, injector, router, nfcapd, {})
            try:
                yield made
                nfcapd.stop()
                made.judge()
            finally:
                router.stop()
                injector.stop()


@pytest.mark.parametrize(
    ("make", "bmp"),
    [
        pytest.param(routers.frr, False, id="frr-ibgp"),
        pytest.param(routers.gobgp, False, id="gobgp-ibgp"),
        pytest.param(routers.bird, False, id="bird-ibgp"),
        pytest.param(routers.frr, True, id="frr-bmp"),
        pytest.param(routers.gobgp, True, id="gobgp-bmp"),
    ],
)
def test_flows_know_their_route(
    make: Callable[..., Router],
    bmp: bool,
    tmp_path: Path,
) -> None:
    routes = routers.make_routes()
    with scene(make, tmp_path, bmp=bmp) as at:
        at.injector.say(*[route.command() for route in routes])
        at.await_routes(routes)
        at.observe(routes, routes)

        gone = routes[:3] + routes[20:24] + routes[32:35]
        left = [route for route in routes if route not in gone]
        at.injector.say(*[route.command("withdraw") for route in gone])
        at.await_routes(left)
        at.observe(left, gone)

        changed = [replace(route, path=(*route.path, 4_200_009_999)) for route in gone]
        at.injector.say(*[route.command() for route in changed])
        at.await_routes(left + changed)
        at.observe(left + changed, changed)

        at.router.reset()
        at.await_routes(left + changed)
        at.observe(left + changed, left)

        at.router.stop()
        at.observe(left + changed, routes[40:])  # stale, and still the best that is known
        at.router.start()
        at.await_routes(left + changed)
        at.observe(left + changed, left + changed)
