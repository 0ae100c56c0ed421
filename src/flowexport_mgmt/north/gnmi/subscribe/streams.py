"""One Subscribe RPC, in whatever mode: whose it is, and what ends it."""

from __future__ import annotations

import asyncio

from flowexport_mgmt.datastore import Session
from flowexport_mgmt.north.gnmi.clients import Client
from flowexport_mgmt.north.gnmi.refusals import Refusals
from flowexport_mgmt.north.gnmi.status import Code, RpcError
from flowexport_mgmt.north.gnmi.subscribe.backlog import CAP, Backlog
from flowexport_mgmt.north.gnmi.subscribe.rows import Told, Writer


class Rpc:
    """A Subscribe RPC that the current task serves."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.failure: RpcError | None = None
        self.writing_since = 0.0
        self._task = asyncio.current_task()

    def end(self, failure: RpcError) -> None:
        """End the RPC, even while it waits for the client to read or to say something."""
        if self.failure is None and self._task is not None:
            self.failure = failure
            self._task.cancel()


class Stream:
    """A Subscribe RPC in the mode STREAM: what waits for it."""

    def __init__(self, rpc: Rpc, writer: Writer, refusals: Refusals) -> None:
        self.rpc = rpc
        self.backlog = Backlog(writer)
        self._refusals = refusals
        self._ready = asyncio.Event()

    @property
    def session(self) -> Session:
        """By whose rights is read."""
        return self.rpc.client.session

    def put(self, source: int, told: Told) -> None:
        """Queue a message."""
        if self.rpc.failure is not None:
            self.backlog.clear()
            return
        before = self.backlog.coalesced
        self.backlog.put(source, told)
        self.rpc.client.coalesced += self.backlog.coalesced - before
        self._ready.set()
        if self.backlog.is_full:
            self._refusals.slow_clients += 1
            message = f"more than {CAP} octets wait for the client to read"
            self.backlog.clear()
            self.rpc.end(RpcError(Code.RESOURCE_EXHAUSTED, message))

    async def wait(self) -> None:
        """Wait until something is queued."""
        while not len(self.backlog):
            self._ready.clear()
            await self._ready.wait()
