"""gNMI: subscribers to a thousand counters a second, and a Get and a Set of one leaf.

What is measured is the server's process; the reference is a grpc.aio server with canned octets, so
that the difference is what readings, messages and the transaction cost. A stream's cost is that of
the octets of one entry with its counters, which the reference writes as a message and our server
together with others of the same moment. From the cost of a Set that of its commit is taken, which
is measured in this process, on the same configuration.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.support.conditions import until
from tests.support.gnmi import collector, flow_export, path, running_server, update
from tests.support.gnmi_load import LIST, Reader, Served, client, served

from bench.measure import Cost, Result, amount
from flowexport_mgmt.north.gnmi import messages as m
from flowexport_mgmt.north.gnmi.edits import Write, locate
from flowexport_mgmt.north.gnmi.paths import read_path

REFERENCE = Path(__file__).parent / "reference" / "gnmi.py"
SIZES = (1, 10, 100)
STREAM_TARGET, GET_TARGET, SET_TARGET = 1.5, 2.0, 3.0
CORE, MEMORY_KB = 0.35, 60.0
"""What the most subscribers may take: of a core, and of memory each."""
ROUNDS = 3
UPDATES = 1000
WHERE = f"{LIST}[name=x0]/dscp"


def run(*, quick: bool) -> list[Result]:
    """Measure both servers alternately."""
    seconds, requests = (3.0, 300) if quick else (8.0, 1500)
    return [*_streams(seconds), *_requests(requests)]


def _streams(seconds: float) -> Iterator[Result]:
    with ExitStack() as stack:
        ours = stack.enter_context(served(UPDATES))
        size = asyncio.run(_size(ours))
        theirs = stack.enter_context(_reference(ours.leaves // _PER_MESSAGE, size))
        weighed = asyncio.run(_weigh(ours, SIZES[-1], seconds))  # in memory that nobody had yet
        for number in SIZES:
            work = _stream(number, seconds, size)
            yield _compare("gNMI STREAM", number, (ours, theirs), work, STREAM_TARGET)
        yield from weighed


async def _weigh(server: Served, number: int, seconds: float) -> list[Result]:
    """Look at what that many subscribers take of a core, and of memory each."""
    async with _subscribed(server, 1):
        await asyncio.sleep(seconds)
        before = server.memory
        async with _subscribed(server, number):
            await asyncio.sleep(seconds)
            cpu, wall = server.cpu, time.perf_counter()
            await asyncio.sleep(seconds)
            core = (server.cpu - cpu) / (time.perf_counter() - wall)
            each = (server.memory - before) * 1e3 / number
    return [
        amount("gNMI STREAM, share of a core", number, "%", 100 * core, 100 * CORE),
        amount("gNMI STREAM, memory of each", number, "kB", each, MEMORY_KB),
    ]


def _requests(count: int) -> Iterator[Result]:
    """Ask of a server with one collector: what many cost is the commit's affair."""
    with ExitStack() as stack:
        ours = stack.enter_context(served(_PER_MESSAGE))
        theirs = stack.enter_context(_reference(1, 1))
        get = m.GetRequest(path=[path(WHERE)], type=1, encoding=2).SerializeToString()
        ask = _ask("Get", lambda _: get, count)
        yield _compare("gNMI Get", 1, (ours, theirs), ask, GET_TARGET)
        few = count // 2
        whole = _compare("gNMI Set", 1, (ours, theirs), _ask("Set", _set, few), SET_TARGET)
        commit = asyncio.run(_commit(few))
        rest = Cost(whole.ours.cpu - commit.cpu, whole.ours.wall - commit.wall)
        also = f"{whole.ours.cpu * 1e3:.2f} ms with it, the commit {commit.cpu * 1e3:.2f} ms"
        yield replace(whole, case="gNMI Set without its commit", ours=rest, also=also)


async def _commit(count: int) -> Cost:
    """Give what the commit of one leaf costs, by the same user, on the same configuration."""
    with tempfile.TemporaryDirectory() as folder:
        async with running_server(Path(folder), more=flow_export(collector("x0"))) as server:
            store = server.datastore
            session = store.open_session("ann", "gnmi", "127.0.0.1:1", lambda: None)
            where = locate(store.schema, read_path(store.schema, m.Path(), path(WHERE)))
            costs = []
            for _ in range(ROUNDS):
                cpu, wall = time.process_time(), time.perf_counter()
                for number in range(count):
                    step = Write(store.schema, where, number % 64)
                    await store.transact(session, [step])
                spent = time.process_time() - cpu, time.perf_counter() - wall
                costs.append(Cost(spent[0] / count, spent[1] / count))
    return _median(costs)


_PER_MESSAGE = 9
"""Counters of an entry, which one message tells."""


def _set(number: int) -> bytes:
    return bytes(m.SetRequest(update=[update(WHERE, number % 64)]).SerializeToString())


async def _size(server: Served) -> int:
    """Give the size of a message."""
    async with client(server.port) as one:
        stream = await one.subscribe(f"{LIST}[name=x0]/statistics", mode=1)
        (told,) = await stream.initial()
        return int(told.ByteSize())


@contextmanager
def _reference(count: int, size: int) -> Iterator[Served]:
    command = [sys.executable, str(REFERENCE), str(count), str(size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Served(process.pid, int(process.stdout.readline()), 0)
        finally:
            process.kill()


Work = Callable[[Served], Awaitable[Cost]]
"""Does something many times, and gives what it costs the server once."""


class _Watch:
    """Measures what a server spends from now on."""

    def __init__(self, server: Served) -> None:
        self._server = server
        self._cpu, self._wall = server.cpu, time.perf_counter()

    def cost(self, count: int) -> Cost:
        """Give the cost of each of so many."""
        spent = max(self._server.cpu - self._cpu, 0.001)
        return Cost(spent / count, (time.perf_counter() - self._wall) / count)


@asynccontextmanager
async def _subscribed(server: Served, number: int) -> AsyncIterator[list[Reader]]:
    readers = [Reader() for _ in range(number)]
    tasks = [asyncio.create_task(reader.run(server.port)) for reader in readers]
    try:
        yield readers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _stream(subscribers: int, seconds: float, size: int) -> Work:
    async def work(server: Served) -> Cost:
        async with _subscribed(server, subscribers) as readers:
            await until(lambda: all(reader.octets for reader in readers), 60)
            watch, before = _Watch(server), sum(reader.octets for reader in readers)
            await asyncio.sleep(seconds)
            got = sum(reader.octets for reader in readers) - before
            return watch.cost(max(1, got // size))

    return work


def _ask(method: str, request: Callable[[int], bytes], count: int) -> Work:
    async def work(server: Served) -> Cost:
        async with client(server.port) as one:
            call: Any = one.channel.unary_unary(f"/gnmi.gNMI/{method}")
            await call(request(count), metadata=one.metadata)  # the connection, and the password
            watch = _Watch(server)
            for number in range(count):
                await call(request(number), metadata=one.metadata)
            return watch.cost(count)

    return work


def _compare(
    case: str, size: int, servers: tuple[Served, Served], work: Work, target: float
) -> Result:
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    for _ in range(ROUNDS):
        for server, found in zip(servers, costs, strict=True):
            found.append(asyncio.run(_wait(work(server))))
    ours, theirs = map(_median, costs)
    return Result(case, size, "grpc.aio", ours, theirs, target=target)


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(
        statistics.median(one.cpu for one in costs), statistics.median(one.wall for one in costs)
    )


async def _wait(work: Awaitable[Cost]) -> Cost:
    return await work
