"""What those collectors feel of commits that no commit is about: nothing.

Packets arrive and connections end at known times; one collector gets the packets as samples, one
the connections as flows, and two get the interface counters of every second. Meanwhile another
collector is moved by a commit every 100 ms, in turns with times of no commit, which are the
reference. A datagram is late when it comes more than 50 ms after what is usual without commits.
Needs root, for network namespaces.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from tests.support.conditions import wait_until
from tests.support.conntrack import set_switches
from tests.support.daemon import Daemon, flow_export
from tests.support.namespaces import join, namespaces
from tests.support.netconf import FE, Netconf

from bench.measure import Cost, Result, Skipped
from bench.netconf import Server
from bench.probes import EXPORTER, PEER, PORT, Sink, Traffic, repeating
from flowexport_mgmt.sources.conntrack.sockets import open_netfilter
from flowexport_mgmt.wire.messages import Record

EVERY: Final = 0.1
"""Seconds from one commit to the next."""

LATE: Final = 0.05
TURNS, TURN = 4, 15.0
_QUICK_TURN: Final = 10.0
_POLL: Final = 1.0
_SAME_POLL: Final = int(0.3e9)
_SETTLE: Final = 1.0
_SET_UP: Final = 20.0
_RULES: Final = """
table inet fx {
    chain own { type filter hook output priority raw; oifname lo notrack; }
    chain back { type filter hook prerouting priority raw; iifname lo notrack; }
    chain kept { type filter hook input priority filter; ct state new counter; }
}
"""
_SETTINGS: Final = (
    "<conntrack><enabled>true</enabled><active-timeout>3600</active-timeout></conntrack>"
    "<sampling><interface><name>eth0</name><rate>1</rate></interface></sampling>"
)
_KINDS: Final = ("samples", "flows", "counters")


@dataclass
class _Found:
    """What became of one kind of datagrams: their delays in seconds, and how many never came."""

    delays: list[float] = field(default_factory=list)
    lost: int = 0

    def late(self, usual: float) -> int:
        """Count those that came too late."""
        return sum(delay > usual + LATE for delay in self.delays)

    @property
    def wall(self) -> float:
        """Seconds that 99 of 100 took at most."""
        return statistics.quantiles(self.delays, n=100)[-1]


@dataclass
class _Turns:
    """All turns with commits, or all without."""

    times: list[tuple[int, int]] = field(default_factory=list)
    cpu: float = 0.0
    commits: int = 0

    @property
    def seconds(self) -> float:
        """How long they were together."""
        return sum(end - begin for begin, end in self.times) / 1e9

    def has(self, time: int) -> bool:
        """Tell whether a Unix time in ns is in one of them."""
        return any(begin <= time < end for begin, end in self.times)


def run(*, quick: bool) -> list[Result]:
    """Measure in turns; CPU seconds are the exporter's of one second, wall seconds are delays."""
    if os.geteuid():
        raise Skipped("root is needed to make network namespaces")
    beside, without = _Turns(), _Turns()
    with _bench() as bench:
        bench.warm_up()
        for _ in range(1 if quick else TURNS):
            for turns, commits in ((beside, True), (without, False)):
                bench.take_turn(turns, _QUICK_TURN if quick else TURN, commits=commits)
    wanted = beside.seconds / EVERY
    told = f"{beside.commits} commits in {beside.seconds:.0f} s, {wanted:.0f} wanted"
    kinds = {"samples": bench.samples, "flows": bench.flows, "counters": bench.counters}
    results = [
        _result(kind, find(beside), find(without), beside, without) for kind, find in kinds.items()
    ]
    return [replace(one, also=f"{told}; {one.also}") for one in results]


def _result(kind: str, ours: _Found, theirs: _Found, beside: _Turns, without: _Turns) -> Result:
    usual = statistics.median(theirs.delays)
    late, late_without = ours.late(usual), theirs.late(usual)
    also = (
        f"{ours.lost} lost and {late} of {len(ours.delays)} late beside commits,"
        f" {theirs.lost} and {late_without} of {len(theirs.delays)} without"
    )
    failures = [f"{ours.lost} lost"] * (ours.lost > 0) + [f"{late} late"] * (late > late_without)
    return Result(
        f"hitless commit, {kind}",
        len(ours.delays),
        "no commits",
        Cost(beside.cpu / beside.seconds, ours.wall),
        Cost(without.cpu / without.seconds, theirs.wall),
        judged="failure",
        failure=", ".join(failures),
        also=also,
    )


class _Bench:
    """A daemon between its traffic and its collectors."""

    def __init__(self, daemon: Daemon, traffic: Traffic, sinks: dict[str, Sink]) -> None:
        self._daemon = daemon
        self._traffic = traffic
        self._sinks = sinks
        self._moves = itertools.cycle(("one", "other"))

    def warm_up(self) -> None:
        """Configure everything, and wait until all of it exports."""
        sinks = self._sinks
        collectors = (
            _collector("samples", "sflow", sinks["samples"], 3600),
            _collector("flows", "ipfix", sinks["flows"], 3600),
            _collector("counters", "netflow9", sinks["counters"], int(_POLL)),
            _collector("moved", "ipfix", sinks["one"], 1),
        )
        self._daemon.commit(flow_export(*collectors, _SETTINGS))
        self._await_sampling()
        wait_until(lambda: all(sinks[kind].arrived for kind in _KINDS), 20, "datagrams of all")

    def _await_sampling(self) -> None:
        """Wait until packets are sampled.

        Raises:
            Skipped: they are not.
        """
        end = time.monotonic() + _SET_UP
        while (status := self._sampling()) != "up":
            if time.monotonic() > end:
                raise Skipped(f"packets cannot be sampled here: {status}")
            time.sleep(EVERY)

    def _sampling(self) -> str:
        """Give up, or why nothing is sampled."""
        with self._daemon.netconf() as session:
            reply = session.get(f'<flow-export xmlns="{FE}"><sampling/></flow-export>')
        place = f".//{{{FE}}}interface/{{{FE}}}statistics/{{{FE}}}"
        status = reply.findtext(f"{place}oper-status", "")
        return status if status == "up" else reply.findtext(f"{place}oper-reason", status)

    def take_turn(self, turns: _Turns, seconds: float, *, commits: bool) -> None:
        """Let time pass, with commits or without."""
        exporter = Server(self._daemon.child("exporter"), 0)
        cpu, begin = exporter.cpu, time.time_ns()
        with self._daemon.netconf() as session:
            end = time.monotonic() + seconds
            while (now := time.monotonic()) < end:
                if commits:
                    self._commit(session)
                    turns.commits += 1
                time.sleep(max(0.0, now + EVERY - time.monotonic()))
        turns.cpu += exporter.cpu - cpu
        turns.times.append((begin, time.time_ns()))
        time.sleep(_SETTLE)

    def _commit(self, session: Netconf) -> None:
        session.edit(flow_export(_collector("moved", "ipfix", self._sinks[next(self._moves)], 1)))
        session.commit()

    def samples(self, turns: _Turns) -> _Found:
        """Find what became of the packets of some turns."""
        came, found = {}, self._lost("samples", turns)
        for arrived, message in self._sinks["samples"].decode():
            for record in message.records:
                if record.kind == "flow-sample":
                    came[_source_port(str(record.fields["header"]))] = arrived
        return _match(found, self._traffic.sent, came, turns)

    def flows(self, turns: _Turns) -> _Found:
        """Find what became of the connections that ended in some turns."""
        came, found = {}, self._lost("flows", turns)
        for arrived, message in self._sinks["flows"].decode():
            for record in message.records:
                if str(record.fields.get("sourceIPv4Address")) == PEER:
                    came[int(str(record.fields["sourceTransportPort"]))] = arrived
        return _match(found, self._traffic.ended, came, turns)

    def counters(self, turns: _Turns) -> _Found:
        """Find how much later than the one before the counters of each second came."""
        found = self._lost("counters", turns)
        messages = self._sinks["counters"].decode()
        times = [at for at, message in messages if any(map(_counts, message.records))]
        for before, after in itertools.pairwise(times):
            if turns.has(after) and after - before > _SAME_POLL:
                found.delays.append((after - before) / 1e9 - _POLL)
        return found

    def _lost(self, kind: str, turns: _Turns) -> _Found:
        """Count what the numbers of the protocol say was lost."""
        messages = self._sinks[kind].decode()
        return _Found(lost=sum(message.lost for at, message in messages if turns.has(at)))


def _counts(record: Record) -> bool:
    """Tell a record of an interface's counters from one of a flow."""
    return record.kind == "data" and "sourceIPv4Address" not in record.fields


def _source_port(header: str) -> int:
    """Read the port from the octets of a sampled UDP packet, in hexadecimal."""
    return int.from_bytes(bytes.fromhex(header)[34:36], "big")


def _match(found: _Found, begun: dict[int, int], came: dict[int, int], turns: _Turns) -> _Found:
    """Add the delays of what came, and how much did not come."""
    for port, time_ns in begun.items():
        if turns.has(time_ns) and port in came:
            found.delays.append((came[port] - time_ns) / 1e9)
        elif turns.has(time_ns):
            found.lost += 1
    return found


def _collector(name: str, protocol: str, sink: Sink, polling: int) -> str:
    return (
        f"<collector><name>{name}</name><address>127.0.0.1</address><port>{sink.port}</port>"
        f"<protocol>{protocol}</protocol><polling-interval>{polling}</polling-interval></collector>"
    )


@contextmanager
def _bench() -> Iterator[_Bench]:
    """Build two namespaces and have packets, ends and datagrams flow."""
    with contextlib.ExitStack() as stack:
        near, far = stack.enter_context(namespaces(2))
        join(near, "eth0", far, "eth0")
        near.ip("address", "add", f"{EXPORTER}/24", "dev", "eth0")
        far.ip("address", "add", f"{PEER}/24", "dev", "eth0")
        with far.inside():
            raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
            stack.callback(raw.close)
        with near.inside():
            set_switches()
            subprocess.run(["nft", "-f", "-"], input=_RULES, text=True, check=True)
            target = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            stack.callback(target.close)
            target.bind((EXPORTER, PORT))
            sinks = {name: Sink.open() for name in (*_KINDS, "one", "other")}
            for sink in sinks.values():
                stack.callback(sink.socket.close)
            link = stack.enter_context(open_netfilter())
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            daemon = stack.enter_context(Daemon(folder / "state"))
        daemon.wait_started()
        traffic = Traffic(raw, link)
        works = (traffic.send, traffic.end, *(sinks[kind].receive for kind in _KINDS))
        with repeating(*works):
            yield _Bench(daemon, traffic, sinks)
