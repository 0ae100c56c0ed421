"""Load for the gNMI server: subscribers to a thousand counters a second, one that reads nothing.

``python -m tests.support.gnmi_load serve`` is the server, a process of its own; ``soak`` starts it,
subscribes, and says whether memory stays flat and everybody got what is due. Exit 1: not.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from grpc import aio
from tests.support.gnmi import (
    ANN,
    HOST,
    Client,
    collector,
    flow_export,
    path,
    running_server,
    update,
)

LIST: Final = "/flow-export/collector"
COUNTERS: Final = (
    "datagrams-sent",
    "bytes-sent",
    "errors",
    "records-sent",
    "dropped-records",
    "skipped-records",
    "templates-sent",
    "queue-depth",
    "sequence",
)
"""Leaves that each entry has; those that the model does not know are left out."""

GROWTH_MB: Final = 12
_TICK: Final = 1 / os.sysconf("SC_CLK_TCK")


class Counting:
    """Reports counters that go on with each reading."""

    paths: Sequence[str] = ("/flow-export",)

    def __init__(self, entries: int, leaves: Sequence[str]) -> None:
        self._entries = entries
        self._leaves = leaves
        self._value = 0

    async def state(self, _: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        self._value += 1
        counters = {
            leaf: self._value if leaf in _SMALL else str(self._value) for leaf in self._leaves
        }
        entries = [{"name": f"x{n}", "statistics": counters} for n in range(self._entries)]
        return {"flow-export:flow-export": {"collector": entries}}


_SMALL: Final = frozenset(("queue-depth",))


async def serve(updates: int, patience: float) -> None:
    """Serve until ended; print the port and how many leaves there are."""
    with tempfile.TemporaryDirectory() as folder:
        gnmi = {"max-sessions": 1024, "max-subscriptions": 1024}
        async with running_server(Path(folder), gnmi=gnmi, patience=patience) as server:
            schema = server.datastore.schema.resolve(
                "/flow-export:flow-export/collector/statistics"
            )
            leaves = [name for name in COUNTERS if name in schema[-1].by_json_name]
            entries = max(1, updates // len(leaves))
            more = flow_export(*(collector(f"x{n}") for n in range(entries)))
            client = server.client()
            await client.set(update=[update("/", more)])
            server.datastore.register_state(Counting(entries, leaves))
            print(server.port, entries * len(leaves), flush=True)  # noqa: T201 - its output
            await asyncio.Event().wait()


class Served:
    """The server's process."""

    def __init__(self, process: int, port: int, leaves: int) -> None:
        self.process = process
        self.port = port
        self.leaves = leaves

    @property
    def cpu(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * _TICK

    @property
    def memory(self) -> float:
        """MB that are resident."""
        fields = Path(f"/proc/{self.process}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextlib.contextmanager
def served(updates: int, patience: float = 60.0) -> Iterator[Served]:
    """Start a server, and end it."""
    command = [sys.executable, "-m", "tests.support.gnmi_load", "serve"]
    options = ["--updates", str(updates), "--patience", str(patience)]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            port, leaves = process.stdout.readline().split()
            yield Served(process.pid, int(port), int(leaves))
        finally:
            process.kill()


@contextlib.asynccontextmanager
async def client(port: int) -> AsyncIterator[Client]:
    """Connect, with a connection of its own whose window does not grow."""
    options = (
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_retries", 0),
        ("grpc.http2.bdp_probe", 0),
    )
    channel = aio.insecure_channel(f"{HOST}:{port}", options=options)
    try:
        yield Client(channel, ANN)
    finally:
        await channel.close()


class Reader:
    """A subscriber that counts the octets that it gets."""

    def __init__(self) -> None:
        self.octets = 0

    async def run(self, port: int) -> None:
        async with client(port) as one:
            wanted = {"path": path(f"{LIST}/statistics"), "mode": 2, "sample_interval": 10**9}
            stream = await one.subscribe(wanted)
            while (message := await stream.call.read()) is not aio.EOF:
                self.octets += len(message)


async def _lazy(port: int, until: asyncio.Event) -> str:
    """Subscribe to everything, read nothing, and give the code that it ends with."""
    async with client(port) as one:
        wanted = {"path": path(LIST), "mode": 2, "sample_interval": 10**9}
        stream = await one.subscribe(wanted, encoding=4)
        await until.wait()
        return (await stream.status())[0]


async def soak(subscribers: int, updates: int, seconds: float) -> list[str]:
    """Run the load; give what was not as it should be."""
    patience = min(60.0, seconds / 4)
    with served(updates, patience) as server:
        readers = [Reader() for _ in range(subscribers)]
        tasks = [asyncio.create_task(reader.run(server.port)) for reader in readers]
        over = asyncio.Event()
        lazy = asyncio.create_task(_lazy(server.port, over))
        await asyncio.sleep(seconds * 0.4)
        before, cpu, began = server.memory, server.cpu, time.monotonic()
        counts = [reader.octets for reader in readers]
        await asyncio.sleep(seconds * 0.6)
        spent = (server.cpu - cpu) / (time.monotonic() - began)
        grown = server.memory - before
        rates = [(r.octets - c) / (seconds * 0.6) for r, c in zip(readers, counts, strict=True)]
        over.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        code = await asyncio.wait_for(lazy, 60)
    print(  # noqa: T201 - the program's output
        f"{subscribers} subscribers, {server.leaves} updates/s, {seconds:g} s:"
        f" {spent:.2f} of a core, {before:.0f} MB, grown by {grown:.1f} MB;"
        f" {min(rates) / 1e3:.0f} to {max(rates) / 1e3:.0f} kB/s per subscriber;"
        f" the lazy one: {code}"
    )
    complaints = []
    if grown > GROWTH_MB:
        complaints.append(f"memory grew by {grown:.1f} MB")
    if min(rates) < max(rates) / 2 or not max(rates):
        complaints.append("a subscriber was sent less than others, or nothing")
    if code != "RESOURCE_EXHAUSTED":
        complaints.append(f"the client that read nothing ended with {code}")
    return complaints


def main() -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("serve", "soak"))
    parser.add_argument("--subscribers", type=int, default=100)
    parser.add_argument("--updates", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--patience", type=float, default=60)
    options = parser.parse_args()
    if options.what == "serve":
        asyncio.run(serve(options.updates, options.patience))
        return 0
    complaints = asyncio.run(soak(options.subscribers, options.updates, options.seconds))
    for complaint in complaints:
        print(complaint, file=sys.stderr)  # noqa: T201 - as above
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
