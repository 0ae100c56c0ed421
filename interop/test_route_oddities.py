"""What routes may say besides the usual, as exabgp says it, with AS numbers of four octets and two.

Default routes and those of hosts, sets in paths, attributes that nobody knows, IPv4 with next hops
of IPv6 (RFC 8950), paths of reflectors, and paths completed from AS4_PATH (RFC 6793).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.conditions import wait_until
from tests.support.daemon import Daemon
from tests.support.netconf import FE, Netconf, RpcError
from tests.support.ports import free_port

AS = 64999
ROUTES = {
    "0.0.0.0/0": ("192.0.2.1", "as-path [ 65010 65020 ]", "65010 65020"),
    "198.51.100.7/32": ("192.0.2.2", "as-path [ 65010 400000 400001 ]", "65010 400000 400001"),
    "10.0.0.0/8": ("192.0.2.3", "as-path [ 65010 ( 65020 65030 ) ]", "65010 {65020,65030}"),
    "10.1.0.0/16": ("192.0.2.4", "as-path [ 65010 ] attribute [ 0x63 0xc0 0x0102 ]", "65010"),
    "10.2.0.0/16": (
        "192.0.2.5",
        (
            "origin incomplete med 7 local-preference 300 community [ 65000:1 no-export ] "
            "extended-community [ target:65000:5 ] large-community [ 400000:1:2 ] "
            "as-path [ 400000 ]"
        ),
        "400000",
    ),
    "10.3.0.0/16": ("2001:db8::5", "as-path [ 65033 ]", "65033"),
    "10.4.0.0/31": ("192.0.2.6", "", None),
    "10.5.0.0/16": (
        "192.0.2.7",
        "as-path [ 65010 65010 65010 65020 ] aggregator ( 65020:1.1.1.1 ) atomic-aggregate",
        "65010 65010 65010 65020",
    ),
    "10.6.0.0/16": (
        "192.0.2.8",
        "originator-id 7.7.7.7 cluster-list [ 1.1.1.1 2.2.2.2 ] as-path [ 65044 ]",
        "65044",
    ),
    "::/0": ("2001:db8::1", "as-path [ 65010 ]", "65010"),
    "2001:db8:1::1/128": ("2001:db8::2", "as-path [ 400000 65010 ]", "400000 65010"),
}
"""Next hop, what exabgp is to say besides, and the path as it is shown."""

ASKED = {
    "203.0.113.9": "0.0.0.0/0",
    "198.51.100.7": "198.51.100.7/32",
    "198.51.100.6": "0.0.0.0/0",
    "10.200.1.1": "10.0.0.0/8",
    "10.1.1.1": "10.1.0.0/16",
    "10.2.1.1": "10.2.0.0/16",
    "10.3.1.1": "10.3.0.0/16",
    "10.4.0.1": "10.4.0.0/31",
    "10.4.0.2": "10.0.0.0/8",
    "10.5.1.1": "10.5.0.0/16",
    "10.6.1.1": "10.6.0.0/16",
    "2a00::1": "::/0",
    "2001:db8:1::1": "2001:db8:1::1/128",
}


def configuration(four_octets: bool) -> str:
    routes = "".join(
        f"route {prefix} next-hop {hop} {said};\n" for prefix, (hop, said, _) in ROUTES.items()
    )
    return f"""
neighbor 127.0.0.1 {{
  router-id 1.2.3.4; local-address 127.0.0.1; local-as {AS}; peer-as {AS}; hold-time 180;
  capability {{ asn4 {"enable" if four_octets else "disable"}; nexthop enable; }}
  family {{ ipv4 unicast; ipv6 unicast; }}
  nexthop {{ ipv4 unicast ipv6; }}
  static {{ {routes} }}
}}
"""


@contextmanager
def exabgp(folder: Path, port: int, *, four_octets: bool) -> Iterator[None]:
    file = folder / "exabgp.conf"
    file.write_text(configuration(four_octets))
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "exabgp.tcp.port": str(port),
        "exabgp.daemon.user": "root",
        "exabgp.tcp.bind": "",
    }
    with (
        (folder / "exabgp.log").open("w") as log,
        subprocess.Popen(["exabgp", file], env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            yield
        finally:
            process.terminate()


def look_up(session: Netconf) -> dict[str, tuple[str | None, ...]]:
    asked = "".join(f"<address>{address}</address>" for address in ASKED)
    try:
        reply = session.rpc(f'<lookup-routes xmlns="{FE}">{asked}</lookup-routes>')
    except RpcError:  # there are none yet
        return {}
    names = ("prefix", "next-hop", "as-path")
    return {
        str(route.findtext("{*}address")): tuple(route.findtext(f"{{*}}{name}") for name in names)
        for route in reply.iter(f"{{{FE}}}route")
    }


@pytest.mark.parametrize("four_octets", [True, False])
def test_what_routes_may_say(tmp_path: Path, four_octets: bool) -> None:
    port = free_port()
    ibgp = {
        "enabled": True,
        "listen-address": "127.0.0.1",
        "port": port,
        "local-as": AS,
        "router-id": "9.9.9.9",
        "neighbor": [{"address": "127.0.0.1"}],
    }
    enrichment = {"bgp": True, "ibgp": ibgp, "end-of-rib-timeout": 2}
    wanted = {
        address: (prefix, ROUTES[prefix][0], ROUTES[prefix][2]) for address, prefix in ASKED.items()
    }
    init = {"flow-export:flow-export": {"enrichment": enrichment}}
    with Daemon(tmp_path / "state", init=init) as daemon:
        daemon.wait_started()
        with exabgp(tmp_path, port, four_octets=four_octets), daemon.netconf() as session:
            wait_until(lambda: look_up(session) == wanted or None, 60, f"{look_up(session)}")
