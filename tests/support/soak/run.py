"""A soak: faults one after the other, kills in the first third, and the books at the end.

It runs in network and mount namespaces of its own (``unshare --net --mount``), as root.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.support.conditions import wait_until
from tests.support.daemon import flow_export
from tests.support.netconf import FE
from tests.support.soak.faults import FAULTS, ip, kill, listen, mount_state, unmount_state
from tests.support.soak.load import Load, Size
from tests.support.soak.measure import Meter, descriptors
from tests.support.soak.steady import Steady
from tests.support.soak.telemetry import Daemon

LONG = 300.0
"""Seconds of what counts as a long run."""

_SESSIONS = 2100
"""Each session is two notifications, and 4096 of them are kept."""

_PROCESSES = ("manager", "exporter")
_VICTIMS = ("manager", "exporter", "manager", "exporter", "supervisor")


class Soak:
    """A daemon, a steady and a flapping collector, and what happens to them."""

    def __init__(self, folder: Path, seed: int, size: Size) -> None:
        self.random = random.Random(seed)
        self.faults: Counter[str] = Counter()
        self.kills: Counter[str] = Counter()
        self.commits = 0
        self.refused = 0
        self.meter = Meter()
        self.state = folder / "state"
        ip("link", "set", "lo", "up")
        ip("link", "add", "eth0", "type", "veth", "peer", "name", "peer0")
        ip("link", "set", "eth0", "up")
        ip("link", "set", "peer0", "up")
        mount_state(self.state)
        self.load = Load(size)
        self.steady = Steady()
        self.flapping = listen()
        self.flapping_port = int(self.flapping.getsockname()[1])
        self.daemon = Daemon(self.state, init=self._document())
        self.daemon.wait_started(60)
        self.settle()
        self.baseline: dict[str, int] = {}

    def run(self, seconds: float, tell: Callable[[str], object] = str) -> None:
        """Soak for so long; AssertionError says what did not hold."""
        begin = time.monotonic()
        kills_until = begin + seconds / 3
        end = begin + seconds
        told = begin
        while (now := time.monotonic()) < end:
            if now < kills_until:
                self._kill()
            elif not self.baseline:
                self._fill_logs(end - now)
                self.baseline = self._quiet()
            self._fault()
            if now - told > 60:
                told = now
                tell(f"  {(now - begin) / 60:.0f} minutes: {self.steady.received} datagrams\n")
        self._check()

    def small_change(self) -> str:
        """Write a configuration that changes one leaf of the flapping collector."""
        return flow_export(self._flapping_entry(self.random.randrange(1, 60)))

    def commit(self, config: str) -> None:
        """Commit, as often as it takes while something is being started."""
        self.daemon.commit(config)
        self.commits += 1

    def settle(self) -> None:
        """Wait until manager and exporter run one commit and the steady collector hears again."""
        wait_until(self._agree, 60, "manager and exporter run one commit")
        heard = self.steady.received
        wait_until(lambda: self.steady.received > heard, 60, "datagrams after a fault")

    def restart(self) -> None:
        """Start flowexportd again on the same state."""
        self.daemon.__exit__()
        self.daemon = Daemon(self.state, init=self._document())
        self.daemon.wait_started(60)
        self._find_ports()
        self.settle()

    def close(self) -> None:
        """End everything."""
        self.daemon.__exit__()
        self.steady.stop()
        self.flapping.close()
        self.load.close()
        unmount_state(self.state)

    def processes(self) -> dict[str, int]:
        """Give the processes that there are by name."""
        found = {name: self.daemon.child(name) for name in _PROCESSES}
        found["supervisor"] = self.daemon.process.pid
        return {name: pid for name, pid in found.items() if pid}

    def _kill(self) -> None:
        victim = self.random.choice(_VICTIMS)
        kill(self, victim)
        self.kills[victim] += 1

    def _fault(self) -> None:
        fault = self.random.choice(FAULTS)
        with fault(self):
            self.faults[fault.__name__] += 1
            time.sleep(self.random.uniform(0.2, 1.5))
            self.meter.sample(self.processes())
        self.settle()

    def _fill_logs(self, left: float) -> None:
        """In a long run, fill the log of notifications first: it grows up to a bound."""
        if left > LONG:
            for _ in range(_SESSIONS):
                with self.daemon.netconf():
                    pass

    def _quiet(self) -> dict[str, int]:
        """Count descriptors when nothing is going on; the lowest of a few seconds counts."""
        lowest: dict[str, int] = {}
        for _ in range(8):
            for name, pid in self.processes().items():
                lowest[name] = min(lowest.get(name, 1 << 20), descriptors(pid))
            time.sleep(0.25)
        return lowest

    def _check(self) -> None:
        assert self.steady.lost == 0, f"{self.steady.lost} datagrams are missing"
        expected = 1 + self.kills["exporter"] + self.kills["supervisor"]
        assert self.steady.lives <= expected, f"{self.steady.lives} lives, {expected} explained"
        quiet = self._quiet()
        for name, count in quiet.items():
            most = self.baseline.get(name, count) + 2
            assert count <= most, f"the {name} has {count} descriptors, {most - 2} before"
        self._compare_ledgers()
        self._see_load()

    def _see_load(self) -> None:
        """All the work that is meant to go on does."""
        size = self.load.size

        def goes_on() -> bool:
            connections, devices, records = self.load.seen(self.daemon)
            return connections >= size.connections and devices == size.devices and records > 0

        wait_until(goes_on, 90, f"connections and devices: {self.load.seen(self.daemon)}")

    def _compare_ledgers(self) -> None:
        """The exporter's own count of what it sent is what came."""

        def agree() -> bool:
            sent = self._sent()
            return sent == self.steady.since_start

        wait_until(agree, 30, "both ledgers agree")

    def _sent(self) -> int:
        with self.daemon.netconf() as session:
            reply = session.get(
                f'<flow-export xmlns="{FE}"><collector><name>steady</name><statistics>'
                "<datagrams-sent/></statistics></collector></flow-export>"
            )
        return int(reply.findtext(f".//{{{FE}}}datagrams-sent") or 0)

    def _agree(self) -> bool:
        try:
            return self.daemon.exporter().get("commit") == str(self.daemon.running_commit())
        except (OSError, AssertionError):
            return False

    def _find_ports(self) -> None:
        """A daemon that was started again listens where its configuration says."""
        with self.daemon.netconf(60) as session:
            reply = session.get_config()
        self.daemon.ssh_port = int(reply.findtext(".//{*}ssh/{*}port") or 0)
        self.daemon.gnmi_port = int(reply.findtext(".//{*}gnmi/{*}port") or 0)

    def _flapping_entry(self, refresh: int) -> str:
        return (
            "<collector><name>flapping</name><address>127.0.0.1</address>"
            f"<port>{self.flapping_port}</port><protocol>ipfix</protocol>"
            f"<polling-interval>1</polling-interval><template-refresh>{refresh}</template-refresh>"
            "</collector>"
        )

    def _document(self) -> dict[str, object]:
        common = {"address": "127.0.0.1", "polling-interval": 1}
        steady = {"name": "steady", "port": self.steady.port, "protocol": "sflow", **common}
        flapping = {"name": "flapping", "port": self.flapping_port, "protocol": "ipfix", **common}
        collectors = [steady, flapping, self.load.collector]
        return {
            "flow-export:flow-export": {
                "collector": collectors,
                "conntrack": self.load.conntrack,
            },
            "flow-export-simulation:simulation": self.load.simulation,
        }
