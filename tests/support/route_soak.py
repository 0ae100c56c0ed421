"""A daemon, a neighbor with a whole table, and everything that happens to the two for a while.

``python -m tests.support.route_soak --seconds N``: routes change 10,000 times a second, flap, the
session breaks, stays away for longer than the stale time, the process of routes is killed. What
does not change is looked up all the while, and has to be right whenever there is a table; after
each of these all the rest is compared with a dictionary. Memory and descriptors stay flat. Exit 1:
something did not hold.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Final

import numpy as np
from tests.support.bgp_table import Key, Table, origin_of, search
from tests.support.conditions import wait_until
from tests.support.daemon import Daemon
from tests.support.netconf import FE, Netconf, RpcError
from tests.support.ports import free_port
from tests.support.route_neighbor import AS, HOLD_TIME, Neighbor
from tests.support.soak.measure import descriptors

from flowexport_mgmt.enrich.prefixes import Version

VERSIONS: Final[tuple[Version, Version]] = (4, 6)
STALE: Final = 8
CHURN: Final = 10_000
_CHURN_S: Final = 5
_FLAPPING: Final = 20_000
_ASKED: Final = 250
"""Addresses of each family and kind that are compared at a time."""

_PATIENCE: Final = 240.0
_GROWTH: Final = 0.10
_GROWTH_KIB: Final = 16 << 10
_REPEAT_S: Final = 0.1


class Watcher:
    """Looks up what does not change, in a session of its own, until told to stop."""

    def __init__(self, soak: Soak) -> None:
        self._soak = soak
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.may_be_absent = True
        self.batches = self.absent = 0
        self.faults: list[str] = []
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        self._thread.join(60)

    def _run(self) -> None:
        rng = np.random.default_rng(1)
        with self._soak.daemon.netconf() as session:
            while not self._ending.wait(_REPEAT_S):
                allowed = self.may_be_absent
                asked = self._soak.choose(rng, changing=False)
                wrong, absent = self._soak.compare(session, asked)
                self.batches += 1
                self.absent += bool(absent)
                if absent and not (allowed or self.may_be_absent):
                    self.faults.append(f"{len(absent)} without a route, as {absent[0]}")
                if wrong:
                    self.faults.append(f"{len(wrong)} wrong, as {wrong[0]}")


class Soak:
    """The daemon, what its neighbor told, and what was found."""

    def __init__(self, folder: Path, sizes: dict[Version, int], seed: int) -> None:
        self.rng = random.Random(seed)
        self._random = np.random.default_rng(seed)
        self.tables = [Table.make(version, sizes[version]) for version in VERSIONS]
        self.known = {table.version: table.number_all() for table in self.tables}
        self.port = free_port()
        self.daemon = Daemon(folder / "state", init={"flow-export:flow-export": self._document()})
        self.neighbor = Neighbor(self.port, self.tables, self.known)
        self.done: Counter[str] = Counter()
        self.memory: dict[str, list[int]] = {"rib": [], "exporter": []}
        self.descriptors: dict[str, list[int]] = {"rib": [], "exporter": []}
        self.slowest = 0.0
        """Seconds that it took from the last message until all was right."""

    def _document(self) -> dict[str, object]:
        ibgp = {
            "enabled": True,
            "listen-address": "127.0.0.1",
            "port": self.port,
            "local-as": AS,
            "neighbor": [{"address": "127.0.0.1"}],
        }
        return {"enrichment": {"bgp": True, "ibgp": ibgp, "stale-time": STALE}}

    # -- what is asked
    def choose(self, random: np.random.Generator, *, changing: bool) -> list[tuple[Table, int]]:
        """Choose addresses in prefixes that change, or in such as nothing changes in."""
        return [
            (table, address)
            for table in self.tables
            for address in table.choose_addresses(random, _ASKED, changing=changing)
        ]

    def compare(
        self, session: Netconf, asked: list[tuple[Table, int]]
    ) -> tuple[list[str], list[str]]:
        """Look addresses up; say which have another route than the dictionary, and which none."""
        texts = [_text(table, address) for table, address in asked]
        told = _look_up(session, texts)
        wrong: list[str] = []
        absent: list[str] = []
        for (table, address), text in zip(asked, texts, strict=True):
            wanted = search(self.known[table.version], table.version, address)
            found = told.get(text, (0, 0))
            if found != wanted:
                (absent if found == (0, 0) else wrong).append(f"{text}: {found} for {wanted}")
        return wrong, absent

    def settle(self, watcher: Watcher) -> None:
        """Wait until all is right, and take note of memory and descriptors."""
        asked = self.choose(self._random, changing=True)
        begun = time.monotonic()
        with self.daemon.netconf() as session:
            wait_until(
                lambda: not any(self.compare(session, asked)) or None,
                _PATIENCE,
                "what changes is as in the dictionary",
            )
        self.slowest = max(self.slowest, time.monotonic() - begun)
        watcher.may_be_absent = False
        for name in self.memory:
            pid = self.daemon.child(name)
            self.memory[name].append(_resident(pid))
            self.descriptors[name].append(descriptors(pid))

    # -- what happens
    def churn(self, watcher: Watcher) -> None:
        """Change, withdraw and announce routes, as many in a second as there may be."""
        del watcher
        self.neighbor.churn(self._random, CHURN, _CHURN_S)

    def flap(self, watcher: Watcher) -> None:
        """Withdraw many routes, and announce them again."""
        del watcher
        self.neighbor.flap(self._random, _FLAPPING)

    def reset(self, watcher: Watcher) -> None:
        """Break the session; it comes back at once."""
        del watcher
        self.neighbor.disconnect()
        self.neighbor.connect()

    def expire(self, watcher: Watcher) -> None:
        """Stay away for so long that all routes go."""
        watcher.may_be_absent = True
        self.neighbor.disconnect()
        asked = [_text(*each) for each in self.choose(self._random, changing=False)]
        with self.daemon.netconf() as session:
            wait_until(
                lambda: not _look_up(session, asked) or None, STALE + _PATIENCE, "no route is left"
            )
        self.neighbor.connect()

    def kill(self, watcher: Watcher) -> None:
        """Kill the process of routes, half of the time while it loads."""
        watcher.may_be_absent = True
        if self.rng.random() < 0.5:
            self.neighbor.disconnect()
            self.neighbor.connect(wait=False)
            time.sleep(self.rng.random())
        before = self.daemon.child("rib")
        os.kill(before, signal.SIGKILL)
        self.neighbor.disconnect()
        wait_until(lambda: self.daemon.child("rib") not in (0, before) or None, 60)
        self.neighbor.connect()

    def run(self, seconds: float) -> list[str]:
        """Do all of it in some order, again and again; give what did not hold."""
        self.daemon.wait_started()
        self.neighbor.connect()
        watcher = Watcher(self)
        until = time.monotonic() + seconds
        try:
            self.settle(watcher)
            waiting: list[Callable[[Watcher], None]] = []
            while time.monotonic() < until:
                if not waiting:
                    waiting = [self.churn, self.flap, self.reset, self.kill, self.expire]
                    self.rng.shuffle(waiting)
                act = waiting.pop()
                act(watcher)
                self.done[act.__name__] += 1
                self.settle(watcher)
        finally:
            watcher.stop()
            self.neighbor.disconnect()
        self.batches, self.absent = watcher.batches, watcher.absent
        return [*watcher.faults[:5], *self.judge()]

    def judge(self) -> list[str]:
        """Say what grew, and whether the neighbor ever heard nothing for too long."""
        faults: list[str] = []
        for name, sizes in self.memory.items():
            first, last = _peaks(sizes)
            if last > first * (1 + _GROWTH) + _GROWTH_KIB:
                faults.append(f"the {name} process grew from {first} to {last} KiB")
            before, after = _halves(self.descriptors[name])
            if min(after, default=0) > max(before):
                faults.append(f"the {name} process has {after} descriptors after {before}")
        if self.neighbor.silence > HOLD_TIME:
            faults.append(f"the neighbor heard nothing for {self.neighbor.silence:.1f} s")
        return faults

    def render(self, seconds: float) -> str:
        """Write what was done as a table."""
        rows = [
            ("seconds", f"{seconds:.0f}"),
            *((name, str(count)) for name, count in sorted(self.done.items())),
            ("messages told", str(self.neighbor.messages)),
            ("batches looked up meanwhile", str(self.batches)),
            ("of these without routes", str(self.absent)),
            ("until all was right, longest", f"{self.slowest:.1f} s"),
            ("silence of the daemon, longest", f"{self.neighbor.silence:.1f} s"),
            *(
                (f"{name}: memory, descriptors", _render(self.memory[name], self.descriptors[name]))
                for name in self.memory
            ),
        ]
        return "\n".join(f"| {name} | {value} |" for name, value in rows)


def _render(memory: list[int], opened: list[int]) -> str:
    first, last = _peaks(memory)
    return f"{first / 1024:.0f} to {last / 1024:.0f} MiB, {opened[0]} to {opened[-1]}"


def _peaks(values: list[int]) -> tuple[int, int]:
    """Give the most of the first half and of the second."""
    before, after = _halves(values)
    return max(before), max(after, default=0)


def _halves(values: list[int]) -> tuple[list[int], list[int]]:
    middle = (len(values) + 1) // 2
    return values[:middle], values[middle:]


def _text(table: Table, address: int) -> str:
    return str(IPv4Address(address) if table.version == 4 else IPv6Address(address << 64))


def _look_up(session: Netconf, addresses: list[str]) -> dict[str, Key]:
    """Ask for the prefix length and the origin of addresses."""
    asked = "".join(f"<address>{address}</address>" for address in addresses)
    try:
        reply = session.rpc(f'<lookup-routes xmlns="{FE}">{asked}</lookup-routes>')
    except RpcError:  # there are no routes now
        return {}
    return {
        route.findtext("{*}address") or "": (
            int((route.findtext("{*}prefix") or "").partition("/")[2] or 0),
            int(route.findtext("{*}origin-as") or 0),
        )
        for route in reply.iter(f"{{{FE}}}route")
    }


def _resident(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def main() -> int:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--ipv4", type=int, default=1_000_000)
    parser.add_argument("--ipv6", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    given = parser.parse_args()
    say = sys.stdout.write
    say(f"{given.ipv4} + {given.ipv6} routes, seed {given.seed}, {origin_of(0)} is the first AS\n")
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), {4: given.ipv4, 6: given.ipv6}, given.seed)
        with soak.daemon:
            faults = soak.run(given.seconds)
    say(soak.render(given.seconds) + "\n")
    say("\n".join(faults) + "\n" if faults else "all right, nothing grew\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
