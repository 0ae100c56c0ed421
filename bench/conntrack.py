"""Tracked connections against plain C: reading the table, whole cycles, deltas, ends.

Needs root: the table is that of a network namespace of its own, filled by real packets.
"""

from __future__ import annotations

import ctypes
import os
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from tests.support.conditions import wait_until
from tests.support.conntrack import count_entries, flush, set_switches
from tests.support.namespaces import namespaces
from tests.support.packets import send_each

from bench.compiler import build
from bench.measure import ROUNDS, Cost, Result, Skipped, amount
from flowexport_mgmt.enrich import Fib
from flowexport_mgmt.export import open_sender
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.pipeline import Lane, read_clock
from flowexport_mgmt.records import FlowBatch
from flowexport_mgmt.sources.conntrack.accounting import Accounting
from flowexport_mgmt.sources.conntrack.sockets import DumpSocket, EventSocket, open_netfilter
from flowexport_mgmt.sources.conntrack.table import FlowTable
from flowexport_mgmt.wire.conntrack import Decoder

SIZES: Final = (10_000, 100_000, 240_000)
DELTA_SIZES: Final = (100_000, 300_000, 1_000_000)
BURST: Final = 100_000
DUMP_TARGET, CYCLE_TARGET, DELTA_TARGET, DESTROY_TARGET = 1.35, 2.0, 6.0, 2.0
OCTETS_PER_FLOW: Final = 60
CHANGED: Final = 5  # one flow in so many grows between two cycles
CHURN: Final = 20
_FLOW: Final = 96  # octets of the reference's struct flow, at most
_KNOWN: Final = 48  # and of its struct known
_PIECE: Final = 14_000
_SOURCE, _TARGET = "10.1.0.1", "127.0.0.1"
_RULES: Final = """
table inet fx {
    chain own { type filter hook output priority raw; ip saddr 127.0.0.1 notrack; }
    chain kept { type filter hook output priority filter; ct state new counter; }
}
"""
_UDP_TIMEOUT: Final = Path("/proc/sys/net/netfilter/nf_conntrack_udp_timeout")
_MAX: Final = Path("/proc/sys/net/netfilter/nf_conntrack_max")


def run(*, quick: bool) -> list[Result]:
    """Measure dumps, cycles, deltas and ends at each size."""
    if os.geteuid():
        raise Skipped("root is needed to make a network namespace")
    with tempfile.TemporaryDirectory() as folder:
        library = build("conntrack", Path(folder))
    for name in ("dump", "drain", "delta"):
        getattr(library, name).restype = ctypes.c_long
    sizes, deltas = (SIZES[1:2], DELTA_SIZES[:1]) if quick else (SIZES, DELTA_SIZES)
    groups = [_measure_table(library, size) for size in sizes]
    results = [result for case in zip(*groups, strict=True) for result in case]
    for size in deltas:
        results += _measure_delta(library, size)
    return [*results, _measure_ends(library)]


def _measure_table(library: Any, size: int) -> tuple[Result, Result]:
    """Measure reading the table, and a whole cycle, against the reference's reading."""
    with namespaces(1) as (space,), space.inside():
        _prepare(size)
        _fill(size)
        out = ctypes.create_string_buffer(2 * size * _FLOW)
        with open_netfilter() as link:

            def theirs() -> None:
                assert library.dump(link.fileno(), out) >= size

            table = _Table(size)
            dump = _alternate(table.read, theirs)
            cycle = _alternate(table.cycle, theirs, before=lambda: table.grow(size // CHANGED))
        table.close()
    return (
        Result("conntrack dump + parse", size, "C reader", *dump, target=DUMP_TARGET),
        Result("conntrack cycle", size, "C reader", *cycle, target=CYCLE_TARGET),
    )


def _prepare(size: int) -> None:
    """Have the namespace track what is sent in it, and keep it."""
    set_switches()
    subprocess.run(["nft", "-f", "-"], input=_RULES, text=True, check=True)
    _UDP_TIMEOUT.write_text("3600")
    if int(_MAX.read_text()) < size:
        raise Skipped(f"nf_conntrack_max is below {size}")


def _fill(size: int) -> None:
    send_each(_SOURCE, _TARGET, size)
    assert count_entries() >= size


class _Table:
    """Our side: a dump alone, or a dump whose growth finds its interfaces and leaves as IPFIX."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._dumps = DumpSocket()
        self._decoder = Decoder()
        self._accounting = Accounting(0, seed=1)
        self._sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sink.bind(("127.0.0.1", 0))
        self._lane = _make_lane(self._sink.getsockname()[1])
        self._fib = Fib(lambda *_: None)
        self._fib.start()
        wait_until(lambda: self._fib.report.status is OperStatus.UP)
        self.cycle()
        held = self._accounting.table
        assert held.memory <= OCTETS_PER_FLOW * len(held), held.memory / len(held)

    def read(self) -> None:
        found = sum(sum(map(len, piece)) for piece in self._dumps.read(self._decoder))
        assert found >= self._size

    def grow(self, count: int) -> None:
        send_each(_SOURCE, _TARGET, count)
        self._expected = self._accounting.exported + count

    def cycle(self) -> None:
        self._accounting.begin(time.time_ns())
        for piece in self._dumps.read(self._decoder):
            for batch in self._accounting.see(piece, time.time_ns()):
                self._send(batch)
        self._accounting.finish(whole=True)

    def close(self) -> None:
        assert self._accounting.exported == self._expected
        assert not self._lane.report().dropped_records
        self._fib.stop(1.0)
        self._lane.close()
        self._sink.close()
        self._dumps.close()

    def _send(self, batch: FlowBatch) -> None:
        self._lane.offer(self._fib.flows(batch))
        while self._lane.step(now := read_clock()) < now.monotonic + 1.0:
            pass


def _make_lane(port: int) -> Lane:
    config = fe.Collector(
        name="sink",
        address="127.0.0.1",
        port=port,
        protocol=fe.Protocol.IPFIX,
        rate_limit=(1 << 32) - 1,
    )
    lane = Lane(config, read_clock(), changed=lambda *_: None, recovered=lambda _: None)
    lane.configure(config, open_sender(config), read_clock())
    return lane


def _measure_delta(library: Any, size: int) -> list[Result]:
    """Measure comparing flows of which one in twenty is new."""
    random = np.random.default_rng(1)
    keys = random.integers(1, 1 << 63, size + 4 * ROUNDS * (size // CHURN)).astype(np.uint64)
    counters = random.integers(0, 1 << 40, (size, 4)).astype(np.uint64)
    grown = np.empty_like(counters)
    table = FlowTable()
    slots = 1 << (2 * size).bit_length()
    places = np.zeros(slots * _KNOWN, np.uint8)
    known = np.zeros(_PIECE, np.bool_)
    step = 0

    def advance() -> None:
        nonlocal step
        step += 1
        counters[random.integers(0, size, size // CHANGED)] += np.uint64(1)

    def window() -> Any:
        begin = step * (size // CHURN)
        return keys[begin : begin + size]

    def ours() -> None:
        table.begin()
        now = window()
        for begin in range(0, size, _PIECE):
            piece = slice(begin, min(begin + _PIECE, size))
            table.update(now[piece], counters[piece], 0, known[: piece.stop - begin])
        table.finish(whole=True)

    def theirs() -> None:
        pointers = (ctypes.c_void_p(one.ctypes.data) for one in (window(), counters))
        library.delta(
            ctypes.c_void_p(places.ctypes.data),
            ctypes.c_uint64(slots - 1),
            *pointers,
            ctypes.c_long(size),
            ctypes.c_uint32(step),
            ctypes.c_void_p(grown.ctypes.data),
        )

    costs = _alternate(ours, theirs, before=advance)
    octets = table.memory / len(table)
    return [
        Result("conntrack delta", size, "C hash", *costs, target=DELTA_TARGET),
        amount("memory of a tracked flow", size, "octets", octets, OCTETS_PER_FLOW),
    ]


def _measure_ends(library: Any) -> Result:
    """Measure reading the ends of connections: one burst reaches both."""
    out = ctypes.create_string_buffer(2 * BURST * _FLOW)
    ours: list[Cost] = []
    theirs: list[Cost] = []
    with namespaces(1) as (space,), space.inside():
        decoder = Decoder()
        _prepare(BURST)
        for _ in range(ROUNDS):
            events, other = EventSocket(), EventSocket()
            _fill(BURST)
            flush()
            accounting = Accounting(0, seed=1)
            told = 0

            def read(events: EventSocket = events, accounting: Accounting = accounting) -> None:
                nonlocal told
                while found := events.read(decoder):
                    told += sum(map(len, accounting.end(found, time.time_ns())))

            def drain(other: EventSocket = other) -> None:
                assert library.drain(other.fileno(), out) >= BURST

            ours.append(_time(read))
            theirs.append(_time(drain))
            assert not events.losses
            assert told >= BURST
            events.close()
            other.close()
    costs = _median(ours), _median(theirs)
    return Result("conntrack ends", BURST, "C listener", *costs, target=DESTROY_TARGET)


def _alternate(
    ours: Callable[[], None], theirs: Callable[[], None], before: Callable[[], None] = lambda: None
) -> tuple[Cost, Cost]:
    """Run both in turns, after something that is not measured; give the median cost of each."""
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    for _ in range(ROUNDS + 1):
        before()
        for function, spent in zip((ours, theirs), costs, strict=True):
            spent.append(_time(function))
    return _median(costs[0][1:]), _median(costs[1][1:])  # the first round warms up


def _time(function: Callable[[], None]) -> Cost:
    cpu, wall = time.process_time(), time.perf_counter()
    function()
    return Cost(time.process_time() - cpu, time.perf_counter() - wall)


def _median(costs: list[Cost]) -> Cost:
    return Cost(
        statistics.median(cost.cpu for cost in costs),
        statistics.median(cost.wall for cost in costs),
    )
