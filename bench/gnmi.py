"""gNMI: subscribers to a thousand counters a second, and a Get and a Set of one leaf.

What is measured is the server's process; the reference is a grpc.aio server with canned octets, so
that the difference is what readings, messages and the transaction cost. A stream's cost is that of
one message that arrived.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.support.gnmi import path, update
from tests.support.gnmi_load import LIST, Reader, Served, client, served

from bench.measure import Cost, Result
from flowexport_mgmt.north.gnmi import messages as m

REFERENCE = Path(__file__).parent / "reference" / "gnmi.py"
SIZES = (1, 10, 100)
STREAM_TARGET, GET_TARGET, SET_TARGET = 1.5, 2.0, 3.0
ROUNDS = 3
UPDATES = 1000
WHERE = f"{LIST}[name=x0]/dscp"


def run(*, quick: bool) -> list[Result]:
    """Measure both servers alternately."""
    seconds, requests = (3.0, 300) if quick else (8.0, 1500)
    with ExitStack() as stack:
        ours = stack.enter_context(served(UPDATES))
        size = asyncio.run(_size(ours))
        theirs = stack.enter_context(_reference(ours.leaves // _PER_MESSAGE, size))
        results = [
            _compare("gNMI STREAM", size, (ours, theirs), _stream(size, seconds), STREAM_TARGET)
            for size in SIZES
        ]
        get = m.GetRequest(path=[path(WHERE)], type=1, encoding=2).SerializeToString()
        results.append(
            _compare(
                "gNMI Get", 1, (ours, theirs), _ask("Get", lambda _: get, requests), GET_TARGET
            )
        )
        few = requests // 10
        results.append(_compare("gNMI Set", 1, (ours, theirs), _ask("Set", _set, few), SET_TARGET))
        return results


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


Work = Callable[[Served], Awaitable[int]]
"""Does something, and gives how often."""


def _stream(subscribers: int, seconds: float) -> Work:
    async def work(server: Served) -> int:
        readers = [Reader() for _ in range(subscribers)]
        tasks = [asyncio.create_task(reader.run(server.port)) for reader in readers]
        await asyncio.sleep(seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return max(1, sum(reader.messages for reader in readers))

    return work


def _ask(method: str, request: Callable[[int], bytes], count: int) -> Work:
    async def work(server: Served) -> int:
        async with client(server.port) as one:
            call: Any = one.channel.unary_unary(f"/gnmi.gNMI/{method}")
            for number in range(count):
                await call(request(number), metadata=one.metadata)
        return count

    return work


def _compare(
    case: str, size: int, servers: tuple[Served, Served], work: Work, target: float
) -> Result:
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    for _ in range(ROUNDS):
        for server, found in zip(servers, costs, strict=True):
            cpu, wall = server.cpu, time.perf_counter()
            count = asyncio.run(_wait(work(server)))
            spent = max(server.cpu - cpu, 0.001)
            found.append(Cost(spent / count, (time.perf_counter() - wall) / count))
    ours, theirs = (
        Cost(statistics.median(c.cpu for c in each), statistics.median(c.wall for c in each))
        for each in costs
    )
    return Result(case, size, "grpc.aio", ours, theirs, target=target)


async def _wait(work: Awaitable[int]) -> int:
    return await work
