"""The real NETCONF server in a thread of its own, for a command line that blocks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.support.netconf_server import Server, running_server

T = TypeVar("T")


@dataclass(frozen=True)
class Served:
    """A server that runs elsewhere."""

    server: Server
    loop: asyncio.AbstractEventLoop

    @property
    def socket(self) -> Path:
        return self.server.socket

    def run(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run something in the server's loop."""
        return asyncio.run_coroutine_threadsafe(make(), self.loop).result(30)


@contextmanager
def served(folder: Path, **options: Any) -> Iterator[Served]:
    """Start a server as `running_server` does, and stop it."""
    ready: list[Served] = []
    started, stopped = threading.Event(), asyncio.Event()
    failures: list[BaseException] = []

    async def serve() -> None:
        async with running_server(folder, **options) as server:
            ready.append(Served(server, asyncio.get_running_loop()))
            started.set()
            await stopped.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except Exception as error:  # noqa: BLE001 - raised in the other thread
            failures.append(error)
        finally:
            started.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(60)
    if failures:
        raise failures[0]
    try:
        yield ready[0]
    finally:
        ready[0].loop.call_soon_threadsafe(stopped.set)
        thread.join(30)
    if failures:
        raise failures[0]
