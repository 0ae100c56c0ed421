"""Several paths of one prefix, signed sessions, and what samples of sFlow say of routes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from interop import routers
from interop.daemon import collector
from interop.flow_collectors import collecting
from interop.namespaces import Namespace, eventually, run
from interop.route_scenes import PATIENCE, enrichment, scene
from interop.routers import INJECTOR_AS, Announced, Router
from interop.sfacctd import SfacctdProcess

PASSWORD = "the-right-one"
SAMPLING = (
    "<sampling><backend>packet</backend><interface><name>wan</name><rate>1</rate>"
    "<direction>egress</direction></interface></sampling>"
)
HOMES = {
    4: Announced("198.51.100.0/24", "10.9.1.50", (INJECTOR_AS, 64999)),
    6: Announced("2001:db8:ff00::/40", "fd09:1::50", (INJECTOR_AS, 64400, 4_200_000_998)),
}
"""The routes back to what is sampled."""


def home_of(route: Announced) -> Announced:
    """Give the route back that is of the same family."""
    return HOMES[6 if ":" in route.prefix else 4]


def count_tcp(space: Namespace, counter: str) -> int:
    """Read one of the kernel's counters of TCP."""
    lines = run("ip", "netns", "exec", space.name, "cat", "/proc/net/netstat").splitlines()
    names, values = (line.split() for line in lines if line.startswith("TcpExt:"))
    return int(values[names.index(counter)])


@pytest.mark.parametrize("make", [routers.frr, routers.gobgp, routers.bird])
def test_a_session_is_signed(make: Callable[..., Router], tmp_path: Path) -> None:
    routes = routers.make_routes()[:3]
    with scene(make, tmp_path, password=PASSWORD, expected="another") as at:
        at.injector.say(*[route.command() for route in routes])
        eventually(lambda: count_tcp(at.near, "TCPMD5Failure"), "it is refused", PATIENCE)
        assert at.rib()["sources"] == []
        at.exporter.commit(enrichment(PASSWORD))
        at.await_routes(routes)


def paths_of(prefix: str, hops: tuple[str, str], **better: Any) -> tuple[Announced, Announced]:
    """Make two paths of a prefix; the first is better in what is given, the second in nothing."""
    path = (INJECTOR_AS, 64500, 64501)
    worse = Announced(prefix, hops[1], path, med=20, identifier=2)
    return replace(worse, next_hop=hops[0], identifier=1, **better), worse


def test_several_paths_of_a_prefix(tmp_path: Path) -> None:
    """All are kept, the best one counts, and of equal ones one for all flows."""
    decided = [
        paths_of("100.70.0.0/24", ("10.9.1.10", "10.9.1.11"), path=(INJECTOR_AS, 64500)),
        paths_of("100.70.1.0/24", ("10.9.1.13", "10.9.1.12"), med=10),
        paths_of("2001:db8:70::/48", ("fd09:1::11", "fd09:1::10"), path=(INJECTOR_AS, 64502)),
    ]
    equal = paths_of("100.71.0.0/24", ("10.9.1.14", "10.9.1.15"))
    best, worse = ([pair[index] for pair in decided] for index in (0, 1))
    addresses = [f"100.71.0.{number}" for number in range(1, 13)]
    with scene(routers.frr, tmp_path, add_path=True) as at:
        at.injector.say(*[each.command() for each in (*worse, *best, *equal)])
        at.await_routes([*best, equal[0]])
        eventually(lambda: at.paths() == (6, 2), "all paths are there", PATIENCE)
        at.observe(best, best)
        taken = at.send(addresses)
        (hop,) = {next_hop for _, next_hop, _ in at.lookup(addresses).values()}

        chosen = next(each for each in equal if each.next_hop == hop)
        (other,) = set(equal) - {chosen}
        at.injector.say(*[each.command("withdraw") for each in (*best, chosen)])
        eventually(lambda: at.paths() == (3, 1), "one path of each is left", PATIENCE)
        at.await_routes([*worse, other])
        at.observe([*worse, other], [*worse, other])
    seen = at.seen(taken)
    answer = chosen.next_hop, chosen.next_hop, chosen.mask, chosen.origin
    assert {address: seen[address] for address in addresses} == dict.fromkeys(addresses, answer)


def test_several_hops_of_a_route_of_the_kernel(tmp_path: Path) -> None:
    """Flows share them, each with one of them, and a route of BGP goes before them."""
    hops = {routers.ROUTER, routers.INJECTOR}
    spread = [f"192.0.2.{number}" for number in range(1, 25)]
    inside = replace(HOMES[4], prefix="192.0.2.128/25")
    with scene(routers.bird, tmp_path) as at:
        ways = [word for hop in sorted(hops) for word in ("nexthop", "via", hop)]
        at.near.ip("route", "add", "192.0.2.0/24", *ways)
        at.injector.say(inside.command())
        at.await_routes([inside])
        taken = at.send(spread)
        at.observe([inside], [inside])
    seen = at.seen(taken)
    answers = {seen[address] for address in spread}
    assert answers == {(hop, "", 24, 0) for hop in hops}


class Sfacctd(SfacctdProcess):
    """sfacctd, which writes what samples say of routes, by destination."""

    def __init__(self, space: Namespace, folder: Path) -> None:
        aggregate = (
            "src_host,dst_host,src_mask,dst_mask,src_as,dst_as,peer_src_as,peer_dst_as,"
            "peer_dst_ip,as_path,std_comm,local_pref"
        )
        from_samples = {"sfacctd_as": "sflow", "sfacctd_net": "sflow"}
        super().__init__(space, folder, {**from_samples, "aggregate": aggregate})

    def read(self) -> dict[str, dict[str, Any]]:
        """Read what it has of each destination so far."""
        return {entry["ip_dst"]: entry for entry in self.flows()}


@contextlib.contextmanager
def sfacctd(space: Namespace, folder: Path) -> Iterator[Sfacctd]:
    made = Sfacctd(space, folder)
    try:
        yield made
    finally:
        made.stop()


def test_samples_say_their_route(tmp_path: Path) -> None:
    """Next hop, prefix lengths, AS path, communities, preference: as others decode them."""
    prepended = (INJECTOR_AS, INJECTOR_AS, 4_200_000_077)
    communities = f"{INJECTOR_AS}:7 {INJECTOR_AS}:9 no-export"
    further = Announced("100.80.0.0/12", "10.9.1.60", prepended, communities)
    routes = [*routers.make_routes(), further]
    folder = tmp_path / "sfcapd"
    folder.mkdir()
    with (
        scene(routers.frr, tmp_path) as at,
        sfacctd(at.near, tmp_path / "sfacctd") as pmacct,
        collecting("sfcapd", at.near, folder) as sfcapd,
    ):
        for home in HOMES.values():
            at.near.ip("address", "add", home.address, "dev", "lo")
        at.exporter.commit(
            SAMPLING,
            collector("pmacct", "sflow", pmacct.port),
            collector("sfcapd", "sflow", sfcapd.port, sub_agent_id=1),
        )
        at.injector.say(*[route.command() for route in (*routes, *HOMES.values())])
        at.await_routes([*routes, *HOMES.values()])
        wanted = {route.address for route in routes}

        def is_sampled() -> bool:
            for route in routes:
                with at.near.udp(home_of(route).address) as sender:
                    sender.sendto(b"x", (route.address, 9))
            return pmacct.read().keys() >= wanted

        eventually(is_sampled, "packets to all routes are sampled", PATIENCE)
        seen = pmacct.read()
        sfcapd.totals()
    shown = sfcapd.read("%da,%nh,%smk,%dmk,%sas,%das", "-6")
    others = dict(line.split(",", 1) for line in shown)
    for route in routes:
        home = home_of(route)
        said = {
            "ip_src": home.address,
            "mask_src": home.mask,
            "as_src": home.origin,
            "peer_as_src": home.path[0],
            "mask_dst": route.mask,
            "as_dst": route.origin,
            "peer_as_dst": route.path[0],
            "peer_ip_dst": route.next_hop,
            "as_path": "_".join(map(str, route.path)),
            "comms": route.community.replace(" ", "_"),
            "local_pref": routers.LOCAL_PREF,
        }
        assert {name: seen[route.address][name] for name in said} == said
        numbers = f"{home.mask},{route.mask},{home.origin},{route.origin}"
        assert others[route.address] == f"{route.next_hop},{numbers}"
