"""A storm of kill -9: commits go on while one process after another is killed at random.

After each kill the daemon must come back with the configuration of before or of after the commit
that was under way, the exporter must run that commit, and datagrams must flow. Every other round is
a confirmed commit, bound to its session or with a token, and then there is one right answer: what
waits to be confirmed is there only if it has a token and flowexportd itself lived on. Run it alone
with ``python -m tests.support.crash_storm --kills 200``.
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
from tests.support.netconf import FE, FXS, Netconf, RpcError

_VICTIMS = ("supervisor", "manager", "exporter")
_LONGEST_DELAY = 0.08
"""Seconds; a commit takes less, so that some kills hit between two commits."""


class Storm:
    """A daemon on ``state`` that is killed again and again."""

    def __init__(self, state: Path, seed: int) -> None:
        self.kills: Counter[str] = Counter()
        self.rolled_back = 0
        """Confirmed commits that were gone back from."""
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
        self._random.choice((self._plain_round, self._confirmed_round))()
        self._collector.drain()
        self._collector.receive()

    def _plain_round(self) -> None:
        """Kill in the middle of a commit."""
        victim = self._random.choice(_VICTIMS)
        before, after = self._number, self._number + 1
        killer = self._kill_soon(victim)
        confirmed = self._commit(after)
        killer.join()
        self._number = self._come_back(victim)
        allowed = {after} if confirmed else {before, after}
        assert self._number in allowed, f"{self._number} is none of {allowed}; {self._report()}"
        self.lost += self._number == before

    def _confirmed_round(self) -> None:
        """Kill while a confirmed commit begins or waits; then confirm it, if it is still there."""
        victim, token = self._random.choice(_VICTIMS), self._random.choice((None, "storm"))
        before, after = self._number, self._number + 1
        persist = f"<persist>{token}</persist>" if token else ""
        lives_on = token is not None and victim != "supervisor"
        done = False
        killer = self._kill_soon(victim)
        with contextlib.suppress(OSError, AssertionError), self._daemon.netconf() as session:
            done = self._try(session, after, f"<commit><confirmed/>{persist}</commit>")
            killer.join()
        killer.join()
        found = self._come_back(victim, settled=not lives_on)
        allowed = ({after} if done else {before, after}) if lives_on else {before}
        assert found in allowed, f"{found} is none of {allowed}; {self._report()}"
        self.rolled_back += found == before
        if found == after:
            with self._daemon.netconf() as session:
                session.rpc(f"<commit><persist-id>{token}</persist-id></commit>")
        self._number = found

    def _kill_soon(self, victim: str) -> threading.Timer:
        delay = self._random.uniform(0, _LONGEST_DELAY)
        killer = threading.Timer(delay, self._kill, (self._pid(victim),))
        killer.start()
        self.kills[victim] += 1
        return killer

    def _come_back(self, victim: str, *, settled: bool = True) -> int:
        """Start the daemon again if it was killed, and return the number that runs everywhere.

        ``settled``: nothing may go on waiting to be confirmed.
        """
        if victim == "supervisor":
            self._daemon.__exit__()
            self._daemon = Daemon(self._state)
        if settled:
            wait_until(lambda: not self._is_pending(), 30, "the rollback")
        return self._settle()

    def _is_pending(self) -> bool:
        with contextlib.suppress(OSError), self._daemon.netconf() as session:
            reply = session.get(f'<server xmlns="{FXS}"><pending-confirm/></server>')
            return reply.find(f".//{{{FXS}}}pending-confirm/{{{FXS}}}commit") is not None
        return True

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
        with contextlib.suppress(OSError, AssertionError), self._daemon.netconf() as session:
            return self._try(session, number, "<commit/>")
        return False

    def _try(self, session: Netconf, number: int, commit: str) -> bool:
        config = flow_export(
            *(
                self._collector.entry(name, sub_agent_id=sub_agent, rate_limit=number + 1000)
                for sub_agent, name in enumerate(("a", "b"))
            )
        )
        with contextlib.suppress(OSError, RpcError):
            session.edit(config)
            session.rpc(commit)
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
        f"{time.monotonic() - begin:.0f} s; {storm.lost} commits under way were undone and "
        f"{storm.rolled_back} confirmed commits rolled back, every other one is there\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
