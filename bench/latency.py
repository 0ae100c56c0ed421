"""How long NETCONF takes to answer while a large table of connections is read every second.

The reference is the same daemon with the same table when it does not follow connections. Half of
the requests are made while it does, half while it does not, in turns; what is compared is the time
that 99 of 100 answers are within. Needs root: the table is that of a namespace of its own.
"""

from __future__ import annotations

import os
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.support.conditions import wait_until
from tests.support.conntrack import count_entries, fill_many, set_switches
from tests.support.daemon import Daemon
from tests.support.namespaces import namespaces
from tests.support.netconf import FE, Netconf

from bench.measure import Cost, Result, Skipped
from bench.netconf import Server

ENTRIES: Final = 240_000
TARGET: Final = 2.0
ROUNDS: Final = 5
_ROUND: Final = 5.0
_QUICK: Final = 2
_GAP: Final = 0.01
"""Seconds between an answer and the next request."""

_RECENT: Final = 2.5
"""Seconds since the latest dump, where there is one every second."""

_MAX: Final = Path("/proc/sys/net/netfilter/nf_conntrack_max")
_REQUEST: Final = (
    f'<get-config><source><running/></source><filter><flow-export xmlns="{FE}"/></filter>'
    "</get-config>"
)


def run(*, quick: bool) -> list[Result]:
    """Measure in turns; times are of one request, CPU seconds those of the manager."""
    if os.geteuid():
        raise Skipped("root is needed to make a network namespace")
    if int(_MAX.read_text()) < ENTRIES:
        raise Skipped(f"nf_conntrack_max is below {ENTRIES}")
    with _daemon() as (daemon, sink):
        ours, theirs = _take_turns(daemon, sink, _QUICK if quick else ROUNDS)
    also = (
        f"of {ours.asked} requests the slowest took {ours.slowest * 1e3:.1f} ms,"
        f" of {theirs.asked} without {theirs.slowest * 1e3:.1f} ms"
    )
    result = Result(
        "NETCONF p99 beside dumps",
        ENTRIES,
        "without dumps",
        ours.cost,
        theirs.cost,
        target=TARGET,
        judged="wall",
        also=also,
    )
    return [result]


@dataclass
class _Answers:
    """What requests took, and what the manager worked for them."""

    walls: list[float] = field(default_factory=list)
    cpu: float = 0.0

    @property
    def asked(self) -> int:
        """How many there were."""
        return len(self.walls)

    @property
    def slowest(self) -> float:
        """Seconds of the slowest."""
        return max(self.walls)

    @property
    def cost(self) -> Cost:
        """CPU seconds of one, and the wall seconds that 99 of 100 are within."""
        return Cost(self.cpu / self.asked, statistics.quantiles(self.walls, n=100)[-1])


@contextmanager
def _daemon() -> Iterator[tuple[Daemon, int]]:
    """Give a daemon in a namespace with a full table, and the port of a collector there."""
    with (
        namespaces(1) as (space,),
        tempfile.TemporaryDirectory() as folder,
        space.inside(),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink,
    ):
        sink.bind(("127.0.0.1", 0))
        set_switches()
        fill_many(ENTRIES)
        assert count_entries() >= ENTRIES
        with Daemon(Path(folder) / "state") as daemon:
            daemon.wait_started()
            yield daemon, sink.getsockname()[1]


def _take_turns(daemon: Daemon, sink: int, rounds: int) -> tuple[_Answers, _Answers]:
    """Give the answers of both kinds."""
    server = Server(daemon.child("manager"), daemon.ssh_port)
    beside, without = _Answers(), _Answers()
    with daemon.netconf() as session:
        for _ in range(rounds):
            daemon.commit(_configuration(sink, dumping=True))
            wait_until(lambda: _is_dumping(session), 30, "a dump of the whole table")
            _ask(session, server, beside)
            assert _is_dumping(session)
            daemon.commit(_configuration(sink, dumping=False))
            _ask(session, server, without)
    return beside, without


def _is_dumping(session: Netconf) -> bool:
    """Tell whether the latest dump was of the whole table, and not long ago."""
    reply = session.get(f'<flow-export xmlns="{FE}"><conntrack/></flow-export>')
    entries = reply.findtext(f".//{{{FE}}}dump-entries", "0")
    last = reply.findtext(f".//{{{FE}}}last-dump", "")
    return int(entries) >= ENTRIES and bool(last) and _age(last) < _RECENT


def _age(time: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(time)).total_seconds()


def _ask(session: Netconf, server: Server, answers: _Answers) -> None:
    """Ask for a turn's time."""
    cpu, end = server.cpu, time.monotonic() + _ROUND
    while time.monotonic() < end:
        begin = time.perf_counter()
        session.rpc(_REQUEST)
        answers.walls.append(time.perf_counter() - begin)
        time.sleep(_GAP)
    answers.cpu += server.cpu - cpu


def _configuration(sink: int, *, dumping: bool) -> str:
    return (
        f'<flow-export xmlns="{FE}"><collector><name>a</name><address>127.0.0.1</address>'
        f"<port>{sink}</port><protocol>ipfix</protocol></collector><conntrack>"
        f"<enabled>{str(dumping).lower()}</enabled><active-timeout>1</active-timeout>"
        "</conntrack></flow-export>"
    )
