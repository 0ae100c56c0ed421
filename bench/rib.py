"""A whole table over a session of BGP, and what the exporter feels of its changes.

A process runs what the rib process runs, another one is its neighbor: it tells a million IPv4 and
200,000 IPv6 routes, then changes, withdraws and tells anew 10,000 of them in a second. This process
maps the tables as the exporter does and looks up batches of addresses all the while. Half of the
address space does not change: what is found there has to be right in every batch; at the end a
sample of all prefixes is compared with a dictionary.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import multiprocessing
import os
import socket
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tests.support.bgp_table import (
    END_OF_RIB,
    Key,
    Known,
    Table,
    make_message,
    make_withdrawal,
    search,
)
from tests.support.conditions import wait_until
from tests.support.direct_broker import DirectBroker
from tests.support.ports import free_port

from bench.delays import Delay, describe, longest, timed
from bench.measure import Cost, Result
from flowexport_mgmt.enrich.prefixes import Version
from flowexport_mgmt.enrich.rib import RibTables
from flowexport_mgmt.enrich.rib_memory import Word, map_memory
from flowexport_mgmt.link.tables import make_tables, open_to_read
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.records.flows import Addresses
from flowexport_mgmt.rib.priority import collect_seldom, yield_to_others
from flowexport_mgmt.rib.service import RibService
from flowexport_mgmt.wire import bgp

_SIZES: Final[dict[Version, int]] = {4: 1_000_000, 6: 200_000}
_QUICK: Final[dict[Version, int]] = {4: 100_000, 6: 20_000}
_SHARES: Final[dict[Version, int]] = {4: 80, 6: 20}
"""Changes of a hundred by family."""
_SECONDS: Final = 60
_QUICK_SECONDS: Final = 10
_STEP_S: Final = 0.01
_PAUSE_S: Final = 0.02
_BATCH: Final[dict[Version, int]] = {4: 8_000, 6: 2_000}
_SETS: Final = 10
_SAMPLE: Final = 5_000
_LOAD_S: Final = 100.0
_STALL_S: Final = 0.010
_AS: Final = 64999
_NICENESS: Final = 10
"""The neighbor is no part of this host, and takes no processor from what is measured."""


_fork = multiprocessing.get_context("fork")


Asked = dict[Version, NDArray[np.int64]]


def run(*, quick: bool) -> list[Result]:
    """Load a table and change it."""
    sizes, seconds = (_QUICK, _QUICK_SECONDS) if quick else (_SIZES, _SECONDS)
    tables = [Table.make(version, size) for version, size in sizes.items()]
    stream = b"".join(itertools.chain.from_iterable(map(_tell, tables)))
    known = {table.version: table.number_all() for table in tables}
    sets = [_ask(tables, number) for number in range(_SETS)]
    begin, made, port = _fork.Event(), make_tables(), free_port()
    reader = RibTables(open_to_read(made))
    with (
        _process(lambda: asyncio.run(_serve(made, port))) as rib,
        _process(lambda: _speak(port, stream, tables, seconds, begin)) as speaker,
    ):
        load = _wait_for_all(made, rib, sizes)
        for _ in range(2):  # what is looked at for the first time costs more
            idle = _look_up(reader, sets, known, seconds=3)
        begin.set()
        churn = _look_up(reader, sets, known, seconds=seconds)
        wait_until(lambda: not speaker.is_alive() or None, 60)
        for table in tables:
            _change(known[table.version], table, seconds)
        wait_until(lambda: not _differ(reader, tables, known) or None, 30)
    os.close(made)
    size = sum(sizes.values())
    print(f"  rib: loaded in {load.wall:.1f} s")
    print("  rib:", describe("nothing changes", idle))
    print("  rib:", describe("churn", churn))
    patience, limit = Cost(_LOAD_S, _LOAD_S), f"{_LOAD_S:.0f} s"
    name = "rib longest look-up of churn"
    return [
        Result("rib whole table over a session", size, limit, load, patience, 1.0, "wall"),
        _judge(f"{name}, but for waits", size, longest(churn, "own"), longest(idle, "own")),
        _judge(f"{name} by the clock", size, longest(churn, "wall"), longest(idle, "wall")),
    ]


def _judge(case: str, size: int, churn: Cost, idle: Cost) -> Result:
    """Allow 10 ms more than there are while nothing changes."""
    most = Cost(idle.cpu + _STALL_S, idle.wall + _STALL_S)
    return Result(case, size, "idle + 10 ms", churn, most, 1.0, "wall")


# -- the two other processes
@contextlib.contextmanager
def _process(work: Callable[[], None]) -> Iterator[BaseProcess]:
    process = _fork.Process(target=work, daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.terminate()
        process.join()


async def _serve(tables: int, port: int) -> None:
    """Run what the rib process runs, and as it does."""
    yield_to_others()
    collect_seldom()
    neighbor = fe.EnrichmentIbgpNeighbor(address="127.0.0.1")
    ibgp = fe.EnrichmentIbgp(
        enabled=True, listen_address="127.0.0.1", port=port, local_as=_AS, neighbor=(neighbor,)
    )
    service = RibService(map_memory(tables, write=True), DirectBroker(), lambda _: None)
    refusals = await service.prepare(1, fe.Enrichment(bgp=True, ibgp=ibgp), strict=True)
    if refusals:
        raise OSError(str(refusals))
    await service.apply(1)
    await service.run()


def _speak(port: int, stream: bytes, tables: list[Table], seconds: int, begin: Event) -> None:
    """Be the neighbor: tell the whole table, and when it is time the changes."""
    os.nice(_NICENESS)
    with contextlib.closing(_connect(port)) as link:
        link.sendall(stream)
        while not begin.wait(10):
            link.sendall(bgp.encode_keepalive())
        steps = [_encode(table, seconds) for table in tables]
        begun = time.monotonic()
        for number, messages in enumerate(zip(*steps, strict=True)):
            time.sleep(max(0.0, begun + number * _STEP_S - time.monotonic()))
            link.sendall(b"".join(messages))
        link.shutdown(socket.SHUT_WR)
        while link.recv(1 << 16):
            pass


def _connect(port: int) -> socket.socket:
    def connect() -> socket.socket | None:
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", port))
        return None

    link = wait_until(connect, 20)
    if link is None:
        raise ConnectionRefusedError
    told = bgp.Open(
        asn=_AS,
        hold_time=0,
        identifier=2,
        families=frozenset((4, 6)),
        four_octets=True,
        restart_time=600,
    )
    link.sendall(bgp.encode_open(told) + bgp.encode_keepalive())
    return link


def _tell(table: Table) -> Iterator[bytes]:
    yield from table.tell()
    yield END_OF_RIB[table.version]


# -- what changes
def _plan(table: Table, seconds: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose prefixes in steps of 10 ms, and the message that tells of each; -1 withdraws it."""
    random = np.random.default_rng(4)
    shape = round(seconds / _STEP_S), _SHARES[table.version]
    rows = random.choice(np.flatnonzero(table.is_changing), shape)
    numbers = random.integers(0, 1 << 16, shape)
    return rows, np.where(random.random(shape) < 0.3, -1, numbers)


def _encode(table: Table, seconds: int) -> Iterator[bytes]:
    version = table.version
    for rows, numbers in zip(*_plan(table, seconds), strict=True):
        addresses, lengths = table.addresses[rows].tolist(), table.lengths[rows].tolist()
        yield b"".join(
            make_withdrawal(version, [address], [length])
            if number < 0
            else make_message(version, number, [address], [length])
            for address, length, number in zip(addresses, lengths, numbers.tolist(), strict=True)
        )


def _change(known: dict[Key, int], table: Table, seconds: int) -> None:
    """Do in a dictionary what is told."""
    rows, numbers = (part.reshape(-1) for part in _plan(table, seconds))
    addresses, lengths = table.addresses[rows].tolist(), table.lengths[rows].tolist()
    for address, length, number in zip(addresses, lengths, numbers.tolist(), strict=True):
        if number < 0:
            known.pop((address, length), None)
        else:
            known[address, length] = number


# -- what is looked up
def _wait_for_all(made: int, rib: BaseProcess, sizes: dict[Version, int]) -> Cost:
    header, begun = map_memory(made, write=True).header, time.perf_counter()
    words: dict[Version, Word] = {4: Word.ROUTES4, 6: Word.ROUTES6}
    wait_until(
        lambda: all(header[words[version]] == size for version, size in sizes.items()) or None,
        2 * _LOAD_S,
    )
    with open(f"/proc/{rib.pid}/stat", encoding="ascii") as stat:  # noqa: PTH123 - one line
        ticks = sum(map(int, stat.read().rpartition(")")[2].split()[11:13]))
    return Cost(ticks / os.sysconf("SC_CLK_TCK"), time.perf_counter() - begun)


def _ask(tables: list[Table], number: int) -> Asked:
    """Choose addresses in prefixes that do not change, and in none that does."""
    random = np.random.default_rng(number)
    asked: Asked = {}
    for table in tables:
        rows = random.choice(np.flatnonzero(~table.is_changing), _BATCH[table.version])
        asked[table.version] = table.addresses[rows] | random.integers(0, 256, len(rows))
    return asked


def _columns(version: Version, addresses: NDArray[np.int64]) -> Addresses:
    if version == 4:
        return addresses.astype(np.uint32)
    return np.stack((addresses, addresses), axis=1).astype(np.uint64)


def _look_up(reader: RibTables, sets: list[Asked], known: Known, *, seconds: int) -> list[Delay]:
    """Look up batches for a while; give what each took, and see that it is right."""
    wanted = [
        {version: _search(known[version], version, asked[version]) for version in asked}
        for asked in sets
    ]
    asked = [{version: _columns(version, each[version]) for version in each} for each in sets]
    delays: list[Delay] = []
    until = time.monotonic() + seconds
    for number in itertools.cycle(range(len(sets))):
        if time.monotonic() > until:
            return delays
        batch = asked[number].items()
        found, delay = timed(lambda: {key: reader.find(key, each) for key, each in batch})  # noqa: B023 - called at once
        delays.append(delay)
        for version, routes in found.items():
            told = zip(routes.lengths.tolist(), routes.origin_as.tolist(), strict=True)
            if list(told) != wanted[number][version]:
                raise AssertionError("a route that does not change is not found")
        time.sleep(_PAUSE_S)
    raise AssertionError


def _search(known: dict[Key, int], version: Version, asked: NDArray[np.int64]) -> list[Key]:
    return [search(known, version, address) for address in asked.tolist()]


def _differ(reader: RibTables, tables: list[Table], known: Known) -> bool:
    """Compare a sample of what changes with the dictionary."""
    random = np.random.default_rng(9)
    for table in tables:
        rows = random.choice(np.flatnonzero(table.is_changing), _SAMPLE)
        asked = table.addresses[rows] | random.integers(0, 256, _SAMPLE)
        routes = reader.find(table.version, _columns(table.version, asked))
        told = zip(routes.lengths.tolist(), routes.origin_as.tolist(), strict=True)
        if list(told) != _search(known[table.version], table.version, asked):
            return True
    return False
