"""Routers that speak BGP, and the routes that exabgp tells them; each in a namespace of a test."""

from __future__ import annotations

import contextlib
import ipaddress
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from interop.namespaces import Namespace, run, stop

OUR_AS, ROUTER_AS, INJECTOR_AS = 65001, 65001, 65002
LOCAL_PREF = 321
"""What FRR prefers all that it hears from the injector with."""
OURS, ROUTER, INJECTOR = "10.9.0.1", "10.9.0.2", "10.9.0.3"
OURS6, ROUTER6 = "fd09::1", "fd09::2"
INSTALLED = Path("/usr/lib/frr")


@dataclass(frozen=True)
class Announced:
    """A route as it is told."""

    prefix: str
    next_hop: str
    path: tuple[int, ...]
    community: str = ""
    med: int | None = None
    identifier: int = 0
    """What tells it from other paths of its prefix, if there are such."""

    @property
    def address(self) -> str:
        """An address that has no longer prefix among those of `make_routes`."""
        network = ipaddress.ip_network(self.prefix)
        return str(network[-2] if network.num_addresses > 2 else network[0])

    @property
    def origin(self) -> int:
        """The AS that it begins in."""
        return self.path[-1]

    @property
    def mask(self) -> int:
        """The length of the prefix."""
        return int(self.prefix.partition("/")[2])

    def command(self, verb: str = "announce") -> str:
        """Write what exabgp is told."""
        path = " ".join(map(str, self.path))
        more = f" community [{self.community}]" if self.community else ""
        more += "" if self.med is None else f" med {self.med}"
        more += f" path-information 0.0.0.{self.identifier}" if self.identifier else ""
        return f"{verb} route {self.prefix} next-hop {self.next_hop} as-path [{path}]{more}\n"


def make_routes() -> list[Announced]:
    """Make 50 routes: both families, longer ones inside of others, long AS numbers."""
    routes = []
    path: tuple[int, ...]
    for number in range(20):
        path = (INJECTOR_AS, 64500 + number, 4_200_000_000 + number)
        hop = f"10.9.1.{10 + number % 5}"
        routes.append(Announced(f"100.64.{number}.0/24", hop, path, f"{INJECTOR_AS}:{number}"))
    for number in range(5):
        path = (INJECTOR_AS, 64600 + number)
        routes.append(Announced(f"100.64.{number}.64/26", f"10.9.1.{20 + number}", path))
        routes.append(Announced(f"100.64.{number}.77/32", f"10.9.1.{30 + number}", path))
    routes.append(Announced("100.64.0.0/10", "10.9.1.40", (INJECTOR_AS, 64700)))
    routes.append(Announced("203.0.0.0/9", "10.9.1.41", (INJECTOR_AS, 64701)))
    for number in range(15):
        path = (INJECTOR_AS, 64800 + number, 4_200_001_000 + number)
        hop = f"fd09:1::{10 + number % 5:x}"
        routes.append(Announced(f"2001:db8:{number:x}::/48", hop, path))
    for number in range(3):
        path = (INJECTOR_AS, 64900 + number)
        routes.append(Announced(f"2001:db8:{number:x}:ff::/64", f"fd09:1::{32 + number:x}", path))
    return routes


class Injector:
    """exabgp, which tells a router of routes and takes them back."""

    def __init__(self, space: Namespace, folder: Path) -> None:
        self._pipe = folder / "routes"
        self._log = folder / "exabgp.log"
        self._space = space
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, add_path: bool = False) -> None:
        """Connect to the router, again and again until it is there."""
        self._pipe.write_text("")
        reader = self._folder / "reader.sh"
        reader.write_text(f"#!/bin/sh\nexec tail -n +1 -f {self._pipe}\n")
        reader.chmod(0o755)
        configuration = self._folder / "exabgp.conf"
        configuration.write_text(
            f"process routes {{ run {reader}; encoder text; }}\n"
            f"neighbor {ROUTER} {{ router-id {INJECTOR}; local-address {INJECTOR};"
            f" local-as {INJECTOR_AS}; peer-as {ROUTER_AS}; hold-time 90;"
            f" {'capability { add-path send; }' if add_path else ''}"
            " family { ipv4 unicast; ipv6 unicast; } api { processes [ routes ]; } }\n"
        )
        environment = ["env", "exabgp.daemon.user=root", "exabgp.log.level=WARNING"]
        environment += ["exabgp.api.cli=false", "exabgp.api.ack=false", "exabgp.tcp.bind="]
        self._process = self._space.start(
            [*environment, "/usr/sbin/exabgp", str(configuration)], self._log
        )

    def say(self, *commands: str) -> None:
        """Give commands."""
        with self._pipe.open("a") as pipe:
            pipe.write("".join(commands))

    def stop(self) -> None:
        """End it, and with it the session."""
        if self._process is not None:
            stop(self._process)


@dataclass
class Router:
    """A routing daemon that can be stopped and started again."""

    name: str
    begin: Callable[[], list[subprocess.Popen[bytes]]]
    reset: Callable[[], None]
    processes: list[subprocess.Popen[bytes]]

    def start(self) -> None:
        """Start it."""
        self.processes = self.begin()

    def stop(self) -> None:
        """Kill it."""
        for process in self.processes:
            process.kill()
            process.wait(10)
        self.processes = []


def _ask(space: Namespace, *words: str) -> str:
    return run("ip", "netns", "exec", space.name, *words)


def frr(space: Namespace, folder: Path, bmp_port: int | None = None, password: str = "") -> Router:
    """Make an FRR, whose bgpd tells us of everything it hears from the injector."""
    own = folder / "frr"
    own.mkdir(exist_ok=True)
    configuration = own / "bgpd.conf"
    configuration.write_text(_frr_configuration(bmp_port, password))

    def begin() -> list[subprocess.Popen[bytes]]:
        pid = own / "bgpd.pid"
        pid.unlink(missing_ok=True)
        command = [str(INSTALLED / "bgpd"), "-S", "-Z", "-f", str(configuration), "-i", str(pid)]
        command += ["-P", "0", "--vty_socket", str(own)]
        command += [] if bmp_port is None else ["-M", "bgpd_bmp"]
        return [space.start(command, folder / "bgpd.log")]

    def reset() -> None:
        vty = ["vtysh", "--vty_socket", str(own), "-d", "bgpd", "-c"]
        _ask(space, *vty, f"clear bgp {OURS if bmp_port is None else INJECTOR}")

    return Router("frr", begin, reset, [])


def _frr_configuration(bmp_port: int | None, password: str) -> str:
    lines = [
        f"router bgp {ROUTER_AS}",
        f" bgp router-id {ROUTER}",
        " no bgp ebgp-requires-policy",
        f" bgp default local-preference {LOCAL_PREF}",
        f" neighbor {INJECTOR} remote-as {INJECTOR_AS}",
        f" neighbor {INJECTOR} passive",
        f" neighbor {INJECTOR} ebgp-multihop 5",
        f" neighbor {INJECTOR} disable-connected-check",
    ]
    families = [f"  neighbor {INJECTOR} activate"]
    families += [f"  neighbor {INJECTOR} soft-reconfiguration inbound"]
    if bmp_port is None:
        lines += [f" neighbor {OURS} remote-as {OUR_AS}", f" neighbor {OURS} timers connect 1"]
        lines += [f" neighbor {OURS} password {password}"] if password else []
        families += [f"  neighbor {OURS} activate", f"  neighbor {OURS} addpath-tx-all-paths"]
    else:
        lines += [
            " bmp targets us",
            f"  bmp connect {OURS} port {bmp_port} min-retry 100 max-retry 200",
        ]
        for family in ("ipv4", "ipv6"):
            for policy in ("pre", "post"):
                lines.append(f"  bmp monitor {family} unicast {policy}-policy")
        lines.append(" exit")
    for family in ("ipv4", "ipv6"):
        lines += [f" address-family {family} unicast", *families, " exit-address-family"]
    return "\n".join([*lines, ""])


def gobgp(
    space: Namespace, folder: Path, bmp_port: int | None = None, password: str = ""
) -> Router:
    """Make a GoBGP."""
    own = folder / "gobgpd.toml"
    own.write_text(_gobgp_configuration(bmp_port, password))

    def begin() -> list[subprocess.Popen[bytes]]:
        return [space.start(["gobgpd", "-f", str(own)], folder / "gobgpd.log")]

    def reset() -> None:
        for verb in ("disable", "enable"):
            _ask(space, "gobgp", "neighbor", OURS if bmp_port is None else INJECTOR, verb)

    return Router("gobgp", begin, reset, [])


def _gobgp_configuration(bmp_port: int | None, password: str) -> str:
    families = "".join(
        "[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\n"
        f'afi-safi-name = "{family}-unicast"\n'
        "[neighbors.afi-safis.add-paths.config]\nsend-max = 8\n"
        for family in ("ipv4", "ipv6")
    )
    ibgp = (
        f'[[neighbors]]\n[neighbors.config]\nneighbor-address = "{OURS}"\npeer-as = {OUR_AS}\n'
        f'auth-password = "{password}"\n'
        "[neighbors.timers.config]\nconnect-retry = 2\nidle-hold-time-after-reset = 1\n" + families
    )
    bmp = (
        f'[[bmp-servers]]\n[bmp-servers.config]\naddress = "{OURS}"\nport = {bmp_port}\n'
        'route-monitoring-policy = "all"\n'
    )
    return (
        f'[global.config]\nas = {ROUTER_AS}\nrouter-id = "{ROUTER}"\n'
        f'[[neighbors]]\n[neighbors.config]\nneighbor-address = "{INJECTOR}"\n'
        f"peer-as = {INJECTOR_AS}\n[neighbors.transport.config]\npassive-mode = true\n"
        "[neighbors.ebgp-multihop.config]\nenabled = true\nmultihop-ttl = 5\n"
        "[neighbors.timers.config]\nidle-hold-time-after-reset = 1\n"
        + families.replace("[neighbors.afi-safis.add-paths.config]\nsend-max = 8\n", "")
        + (ibgp if bmp_port is None else bmp)
    )


def bird(space: Namespace, folder: Path, bmp_port: int | None = None, password: str = "") -> Router:
    """Make a BIRD, which knows nothing of BMP."""
    assert bmp_port is None
    own = folder / "bird.conf"
    talk = folder / "bird.ctl"
    taken = "{ import all; export none; }"
    given = "{ import none; export all; add paths tx; next hop keep; }"
    signed = f'password "{password}";' if password else ""
    own.write_text(
        f"router id {ROUTER};\nprotocol device {{ }}\nprotocol direct {{ ipv4; ipv6; }}\n"
        f"protocol bgp injector {{ local {ROUTER} as {ROUTER_AS};"
        f" neighbor {INJECTOR} as {INJECTOR_AS}; multihop; passive;"
        f" ipv4 {taken}; ipv6 {taken}; }}\n"
        f"protocol bgp exporter {{ local {ROUTER} as {ROUTER_AS}; neighbor {OURS} as {OUR_AS};"
        f" {signed} connect delay time 1; connect retry time 1; error wait time 1, 2;"
        f" ipv4 {given}; ipv6 {given}; }}\n".replace("export all", "export where source = RTS_BGP")
    )

    def begin() -> list[subprocess.Popen[bytes]]:
        return [space.start(["bird", "-f", "-c", str(own), "-s", str(talk)], folder / "bird.log")]

    def reset() -> None:
        _ask(space, "birdc", "-s", str(talk), "restart", "exporter")

    return Router("bird", begin, reset, [])


@contextlib.contextmanager
def world(near: Namespace, far: Namespace) -> Iterator[None]:
    """Join the exporter's namespace and the router's, and give the injector an address."""
    near.ip("link", "add", "wan", "type", "veth", "peer", "name", "wan", "netns", far.name)
    for space, four, six in ((near, OURS, OURS6), (far, ROUTER, ROUTER6)):
        for setting in ("all", "default", "wan"):
            run(
                "ip",
                "netns",
                "exec",
                space.name,
                "sysctl",
                "-q",
                "-w",
                f"net.ipv6.conf.{setting}.disable_ipv6=0",
                f"net.ipv6.conf.{setting}.accept_dad=0",
            )
        space.ip("link", "set", "wan", "up")
        space.ip("address", "add", f"{four}/24", "dev", "wan")
        space.ip("address", "add", f"{six}/64", "dev", "wan", "nodad")
    far.ip("address", "add", f"{INJECTOR}/32", "dev", "lo")
    far.ip("address", "add", "10.9.1.1/24", "dev", "lo")
    far.ip("address", "add", "fd09:1::1/64", "dev", "lo")
    near.ip("route", "add", "default", "via", ROUTER)
    near.ip("-6", "route", "add", "default", "via", ROUTER6)
    yield
