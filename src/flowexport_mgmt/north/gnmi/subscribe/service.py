"""The Subscribe RPC: one stream of messages in, one out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Container, Sequence
from typing import Final, Protocol

from flowexport_mgmt.datastore import Datastore
from flowexport_mgmt.datastore.events import Subscription as Events
from flowexport_mgmt.north.gnmi.clients import Client
from flowexport_mgmt.north.gnmi.messages import ListMode, SubscribeRequest
from flowexport_mgmt.north.gnmi.reading import Reader
from flowexport_mgmt.north.gnmi.refusals import Refusals
from flowexport_mgmt.north.gnmi.requests import parse
from flowexport_mgmt.north.gnmi.status import Code, RpcError, invalid
from flowexport_mgmt.north.gnmi.subscribe.group import Group
from flowexport_mgmt.north.gnmi.subscribe.rows import (
    SYNC,
    Batch,
    Writer,
    once_each,
    read_rows,
    time_of,
)
from flowexport_mgmt.north.gnmi.subscribe.streams import Rpc, Stream
from flowexport_mgmt.north.gnmi.subscribe.terms import Terms, read_terms

PATIENCE: Final = 60.0
"""Seconds that a client may take to read one message."""


class Channel(Protocol):
    """The two streams of an RPC, in octets."""

    async def read(self) -> bytes | None:
        """Give the next message of the client; None after the last."""

    async def write(self, message: bytes) -> None:
        """Send a message, and wait while the client does not read."""


class Subscriptions:
    """Serves Subscribe, for as many RPCs at once as `limit`.

    Args:
        datastore: what is subscribed to.
        reader: what reads it.
        refusals: where it is counted what was refused.
        patience: seconds that a client may take to read one message.
    """

    def __init__(
        self,
        datastore: Datastore,
        reader: Reader,
        refusals: Refusals,
        *,
        patience: float = PATIENCE,
    ) -> None:
        self._datastore = datastore
        self._reader = reader
        self._refusals = refusals
        self._patience = patience
        self._groups: dict[Terms, Group] = {}
        self._rpcs: set[Rpc] = set()
        self._events: Events | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.limit = 0
        self.shortest = 0
        """The least interval, in nanoseconds."""

    @property
    def groups(self) -> Sequence[Terms]:
        """The terms of each group."""
        return tuple(self._groups)

    def start(self) -> None:
        """Follow events, and watch those who do not read."""
        self._events = self._datastore.events.subscribe()
        self._tasks = [
            asyncio.create_task(self._follow(self._events)),
            asyncio.create_task(self._watch()),
        ]

    async def stop(self) -> None:
        """End every RPC."""
        if self._events is not None:
            self._events.close()
        for task in self._tasks:
            task.cancel()
        self._end(lambda _: True, RpcError(Code.UNAVAILABLE, "the server is stopping"))
        for group in tuple(self._groups.values()):
            group.stop()

    def end_client(self, client: Client, failure: RpcError) -> None:
        """End the RPCs of a client."""
        self._end(lambda one: one is client, failure)

    def end_others(self, users: Container[str]) -> None:
        """End the RPCs of users that there are no more."""
        failure = RpcError(Code.UNAUTHENTICATED, "the user of this subscription is no more")
        self._end(lambda one: one.session.user not in users, failure)

    def _end(self, wanted: Callable[[Client], bool], failure: RpcError) -> None:
        for rpc in tuple(self._rpcs):
            if wanted(rpc.client):
                rpc.end(failure)

    async def serve(self, client: Client, channel: Channel) -> None:
        """Serve one RPC to its end.

        Raises:
            RpcError: it ends with a code.
        """
        if len(self._rpcs) >= self.limit:
            self._refusals.subscriptions += 1
            message = f"there are {len(self._rpcs)} subscriptions, as many as may be"
            raise RpcError(Code.RESOURCE_EXHAUSTED, message)
        rpc = Rpc(client)
        self._rpcs.add(rpc)
        client.subscriptions += 1
        try:
            await self._serve(rpc, channel)
        except asyncio.CancelledError:
            if rpc.failure is None:
                raise  # the client has gone
            raise rpc.failure from None
        finally:
            self._rpcs.discard(rpc)
            client.subscriptions -= 1

    async def _serve(self, rpc: Rpc, channel: Channel) -> None:
        first = await channel.read()
        if first is None:
            return
        request = parse(SubscribeRequest, first)
        if request.WhichOneof("request") != "subscribe":
            raise invalid("the first message of the RPC is no subscription list")
        session = rpc.client.session
        terms = read_terms(
            self._datastore.schema,
            request,
            session.user,
            recovery=session.recovery,
            shortest=self.shortest,
        )
        updates_only = bool(request.subscribe.updates_only)
        if terms.mode is ListMode.STREAM:
            await self._stream(rpc, channel, terms, updates_only=updates_only)
            return
        if terms.mode is ListMode.ONCE:
            await self._send_once(rpc, channel, terms, updates_only=updates_only)
            return
        while (message := await channel.read()) is not None:
            if parse(SubscribeRequest, message).WhichOneof("request") != "poll":
                raise invalid("after its subscription list a client in mode POLL only polls")
            await self._send_once(rpc, channel, terms, updates_only=updates_only)

    # -- once

    async def _send_once(
        self, rpc: Rpc, channel: Channel, terms: Terms, *, updates_only: bool
    ) -> None:
        """Send everything once."""
        if not updates_only:
            for message in await self._read_once(rpc.client, terms):
                await self._write(rpc, channel, message)
                rpc.client.count(message)
        await self._write(rpc, channel, SYNC)

    async def _read_once(self, client: Client, terms: Terms) -> Sequence[bytes]:
        paths = dict.fromkeys(p for one in terms.wanted if one.has_state for p in one.paths)
        if paths:
            whole = any(one.has_configuration for one in terms.wanted)
            reading = await self._reader.operational(client.session, tuple(paths), whole=whole)
        else:
            reading = self._reader.configuration(client.session)
        writer = Writer(terms)
        rows = (
            (key, leaves, reading)
            for wanted in terms.wanted
            for key, leaves in read_rows(self._datastore.schema, terms, wanted, reading).items()
        )
        batch = Batch(
            writer.update(key, leaves, time_of(key, reading))
            for key, leaves, reading in once_each(rows)
        )
        return [chunk.message for chunk in batch.chunks]

    async def _write(self, rpc: Rpc, channel: Channel, message: bytes) -> None:
        """Send a message; who does not read it is ended by the watch."""
        rpc.writing_since = asyncio.get_running_loop().time()
        await channel.write(message)
        rpc.writing_since = 0.0

    def _slow(self) -> RpcError:
        self._refusals.slow_clients += 1
        message = f"the client has read nothing for {self._patience:g} seconds"
        return RpcError(Code.RESOURCE_EXHAUSTED, message)

    # -- stream

    async def _stream(
        self, rpc: Rpc, channel: Channel, terms: Terms, *, updates_only: bool
    ) -> None:
        group = self._group(terms)
        stream = Stream(rpc, group.writer, self._refusals)
        rpc.client.backlogs.add(stream.backlog)
        listener = asyncio.create_task(self._listen(channel, rpc))
        try:
            await self._send(channel, stream, group, updates_only=updates_only)
        finally:
            rpc.client.backlogs.discard(stream.backlog)
            group.leave(stream)
            listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listener

    def _group(self, terms: Terms) -> Group:
        group = self._groups.get(terms)
        if group is None:
            group = Group(self._datastore, self._reader, terms, lambda: self._forget(terms, group))
            self._groups[terms] = group
        return group

    def _forget(self, terms: Terms, group: Group | None) -> None:
        if self._groups.get(terms) is group:
            del self._groups[terms]

    async def _send(
        self, channel: Channel, stream: Stream, group: Group, *, updates_only: bool
    ) -> None:
        initial = [chunk.message for chunk in (await group.join(stream)).chunks]
        rpc = stream.rpc
        for message in () if updates_only else initial:
            await self._write(rpc, channel, message)
            rpc.client.count(message)
        del initial
        await self._write(rpc, channel, SYNC)
        while True:
            await stream.wait()
            while len(stream.backlog):
                message = stream.backlog.take()
                await self._write(rpc, channel, message)
                rpc.client.count(message)

    async def _listen(self, channel: Channel, rpc: Rpc) -> None:
        """Read what the client still says, which ought to be nothing."""
        while await channel.read() is not None:
            rpc.end(invalid("a subscription list is followed by no other message"))

    async def _watch(self) -> None:
        """End the RPCs whose clients do not read."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(1.0, self._patience / 4))
            since = loop.time() - self._patience
            for rpc in tuple(self._rpcs):
                if 0 < rpc.writing_since < since and rpc.failure is None:
                    rpc.end(self._slow())

    async def _follow(self, events: Events) -> None:
        async for event in events:
            for group in tuple(self._groups.values()):
                group.note(event)
