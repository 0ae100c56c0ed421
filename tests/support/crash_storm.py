"""A storm of kill -9: commits go on while one process after another is killed at random.

After each kill the daemon must come back with the configuration of before or of after the commit
that was under way, the exporter must run that commit, and datagrams must flow. Run it alone with
``python -m tests.support.crash_storm --kills 200``.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from lxml import etree
from tests.support.conditions import wait_until
from tests.support.daemon import Collector, Daemon, flow_export
from tests.support.netconf import FE, RpcError

_VICTIMS = ("supervisor", "manager", "exporter")
_LONGEST_DELAY = 0.08
"""Seconds; a commit takes less, so that some kills hit between two commits."""


class Storm:
    """A daemon on ``state`` that is killed again and again."""

    def __init__(self, state: Path, seed: int) -> None:
        self.kills: Counter[str] = Counter()
        self.lost = 0
        """Commits that were under way and are not there after the kill."""
        self._state = state
        self._random = random.Random(seed)  # - a storm must be repeatable, not secret
        self._collector = Collector()
        self._number = 0
        self._daemon = Daemon(state)

    def run(self, kills: int, tell: Callable[[str], object] = str) -> None:
        """Kill so many times, and tell how far that is; AssertionError says what did not hold."""
        try:
            assert self._commit(0), self._report()
            for number in range(1, kills + 1):
                self._round()
                if number % 10 == 0:
                    tell(f"  {number} of {kills}\n")
        finally:
            self._daemon.__exit__()
            self._collector.socket.close()

    def _round(self) -> None:
        victim = self._random.choice(_VICTIMS)
        killer = threading.Timer(
            self._random.uniform(0, _LONGEST_DELAY), self._kill, (self._pid(victim),)
        )
        before, after = self._number, self._number + 1
        killer.start()
        confirmed = self._commit(after)
        killer.join()
        self.kills[victim] += 1
        if victim == "supervisor":
            self._daemon.__exit__()
            self._daemon = Daemon(self._state)
        self._number = self._settle()
        allowed = {after} if confirmed else {before, after}
        assert self._number in allowed, f"{self._number} is none of {allowed}; {self._report()}"
        self.lost += self._number == before
        self._collector.drain()
        self._collector.receive()

    def _pid(self, victim: str) -> int:
        if victim == "supervisor":
            return self._daemon.process.pid
        return wait_until(lambda: self._daemon.child(victim))

    @staticmethod
    def _kill(pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def _commit(self, number: int) -> bool:
        """Set one number in two collectors with one commit; whether that was confirmed."""
        config = flow_export(
            *(
                self._collector.entry(name, sub_agent_id=sub_agent, rate_limit=number + 1000)
                for sub_agent, name in enumerate(("a", "b"))
            )
        )
        with contextlib.suppress(OSError, RpcError, AssertionError):
            self._daemon.commit(config)
            return True
        return False

    def _settle(self) -> int:
        """Wait until the exporter runs what the manager holds; return the number set there."""
        wait_until(self._agree, 30, "manager and exporter run one commit")
        with self._daemon.netconf() as session:
            reply = session.get_config()
        numbers = {
            int(leaf.text or "0") - 1000 for leaf in reply.iterfind(f".//{{{FE}}}rate-limit")
        }
        assert len(numbers) == 1, f"a mixture of {numbers}; {etree.tostring(reply).decode()}"
        return numbers.pop()

    def _agree(self) -> bool:
        with contextlib.suppress(OSError):
            return self._daemon.exporter().get("commit") == str(self._daemon.running_commit())
        return False

    def _report(self) -> str:
        return f"kills so far {dict(self.kills)}; log:\n{self._daemon.output}"


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def main() -> int:
    """Run a storm and say how it went."""
    parser = argparse.ArgumentParser(description="Kill flowexportd's processes at random.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=None)
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(1 << 32)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fx-storm-") as folder:
        storm = Storm(Path(folder) / "state", seed)
        _say(f"seed {seed}, {given.kills} kills\n")
        storm.run(given.kills, _say)
    _say(
        f"survived {storm.kills.total()} kills {dict(storm.kills)} in "
        f"{time.monotonic() - begin:.0f} s; {storm.lost} commits under way were undone, every "
        "other one is there\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
