"""The Subscribe RPC: one stream of messages in, one out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final, Protocol

from flowexport_mgmt.datastore import Datastore, Session
from flowexport_mgmt.datastore.events import Subscription as Events
from flowexport_mgmt.north.gnmi.clients import Client
from flowexport_mgmt.north.gnmi.messages import ListMode, SubscribeRequest
from flowexport_mgmt.north.gnmi.reading import Reader
from flowexport_mgmt.north.gnmi.refusals import Refusals
from flowexport_mgmt.north.gnmi.requests import parse
from flowexport_mgmt.north.gnmi.status import Code, RpcError, invalid
from flowexport_mgmt.north.gnmi.subscribe.backlog import CAP, Backlog
from flowexport_mgmt.north.gnmi.subscribe.group import Group
from flowexport_mgmt.north.gnmi.subscribe.rows import SYNC, Batch, Told, Writer, read_rows, time_of
from flowexport_mgmt.north.gnmi.subscribe.terms import Terms, read_terms

PATIENCE: Final = 60.0
"""Seconds that a client may take to read one message."""


class Channel(Protocol):
    """The two streams of an RPC, in octets."""

    async def read(self) -> bytes | None:
        """Give the next message of the client; None after the last."""

    async def write(self, message: bytes) -> None:
        """Send a message, and wait while the client does not read."""


class Stream:
    """One Subscribe RPC in the mode STREAM: its backlog, and what ends it."""

    def __init__(self, client: Client, writer: Writer, refusals: Refusals) -> None:
        self.client = client
        self._refusals = refusals
        self.backlog = Backlog(writer)
        self.failure: RpcError | None = None
        self.writing_since = 0.0
        self._ready = asyncio.Event()
        self._task = asyncio.current_task()

    @property
    def session(self) -> Session:
        """By whose rights is read."""
        return self.client.session

    def put(self, source: int, told: Told) -> None:
        """Queue a message."""
        if self.failure is not None:
            return
        before = self.backlog.coalesced
        self.backlog.put(source, told)
        self.client.coalesced += self.backlog.coalesced - before
        self._ready.set()
        if self.backlog.is_full:
            self._refusals.slow_clients += 1
            message = f"more than {CAP} octets wait for the client to read"
            self.end(RpcError(Code.RESOURCE_EXHAUSTED, message))

    def end(self, failure: RpcError) -> None:
        """End the RPC, even while it waits for the client to read."""
        if self.failure is None and self._task is not None:
            self.failure = failure
            self.backlog.clear()
            self._task.cancel()

    async def wait(self) -> None:
        """Wait until something is queued."""
        while not len(self.backlog):
            self._ready.clear()
            await self._ready.wait()


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
        self._streams: set[Stream] = set()
        self._events: Events | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._open = 0
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
        """End every stream."""
        if self._events is not None:
            self._events.close()
        for task in self._tasks:
            task.cancel()
        self.end_all(RpcError(Code.UNAVAILABLE, "the server is stopping"))
        for group in tuple(self._groups.values()):
            group.stop()

    def end_all(self, failure: RpcError) -> None:
        """End every stream."""
        for stream in tuple(self._streams):
            stream.end(failure)

    def end_client(self, client: Client, failure: RpcError) -> None:
        """End the streams of a client."""
        for stream in tuple(self._streams):
            if stream.client is client:
                stream.end(failure)

    async def serve(self, client: Client, channel: Channel) -> None:
        """Serve one RPC to its end.

        Raises:
            RpcError: it ends with a code.
        """
        if self._open >= self.limit:
            self._refusals.subscriptions += 1
            message = f"there are {self._open} subscriptions, as many as may be"
            raise RpcError(Code.RESOURCE_EXHAUSTED, message)
        self._open += 1
        client.subscriptions += 1
        try:
            await self._serve(client, channel)
        finally:
            self._open -= 1
            client.subscriptions -= 1

    async def _serve(self, client: Client, channel: Channel) -> None:
        first = await channel.read()
        if first is None:
            return
        request = parse(SubscribeRequest, first)
        if request.WhichOneof("request") != "subscribe":
            raise invalid("the first message of the RPC is no subscription list")
        session = client.session
        terms = read_terms(
            self._datastore.schema,
            request,
            session.user,
            recovery=session.recovery,
            shortest=self.shortest,
        )
        updates_only = bool(request.subscribe.updates_only)
        if terms.mode is ListMode.STREAM:
            await self._stream(client, channel, terms, updates_only=updates_only)
            return
        if terms.mode is ListMode.ONCE:
            await self._send_once(client, channel, terms, updates_only=updates_only)
            return
        while (message := await channel.read()) is not None:
            if parse(SubscribeRequest, message).WhichOneof("request") != "poll":
                raise invalid("after its subscription list a client in mode POLL only polls")
            await self._send_once(client, channel, terms, updates_only=updates_only)

    # -- once

    async def _send_once(
        self, client: Client, channel: Channel, terms: Terms, *, updates_only: bool
    ) -> None:
        """Send everything once."""
        if not updates_only:
            for message in await self._read_once(client, terms):
                await self._write(client, channel, message)
        await channel.write(SYNC)

    async def _read_once(self, client: Client, terms: Terms) -> Sequence[bytes]:
        paths = dict.fromkeys(p for one in terms.wanted if one.has_state for p in one.paths)
        if paths:
            whole = any(one.has_configuration for one in terms.wanted)
            reading = await self._reader.operational(client.session, tuple(paths), whole=whole)
        else:
            reading = self._reader.configuration(client.session)
        writer = Writer(terms)
        batch = Batch(
            writer.update(key, leaves, time_of(key, reading))
            for wanted in terms.wanted
            for key, leaves in read_rows(self._datastore.schema, terms, wanted, reading).items()
        )
        return [chunk.message for chunk in batch.chunks]

    async def _write(self, client: Client, channel: Channel, message: bytes) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await channel.write(message)
        except TimeoutError:
            raise self._slow() from None
        client.count(message)

    def _slow(self) -> RpcError:
        self._refusals.slow_clients += 1
        message = f"the client has read nothing for {self._patience:g} seconds"
        return RpcError(Code.RESOURCE_EXHAUSTED, message)

    # -- stream

    async def _stream(
        self, client: Client, channel: Channel, terms: Terms, *, updates_only: bool
    ) -> None:
        group = self._group(terms)
        stream = Stream(client, group.writer, self._refusals)
        self._streams.add(stream)
        client.backlogs.add(stream.backlog)
        listener = asyncio.create_task(self._listen(channel, stream))
        try:
            await self._send(channel, stream, group, updates_only=updates_only)
        except asyncio.CancelledError:
            if stream.failure is None:
                raise  # the client has gone
            raise stream.failure from None
        finally:
            self._streams.discard(stream)
            client.backlogs.discard(stream.backlog)
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
        loop, client = asyncio.get_running_loop(), stream.client
        for message in () if updates_only else initial:
            stream.writing_since = loop.time()
            await channel.write(message)
            client.count(message)
        del initial
        stream.writing_since = loop.time()
        await channel.write(SYNC)
        while True:
            stream.writing_since = 0.0
            await stream.wait()
            while len(stream.backlog):
                message = stream.backlog.take()
                stream.writing_since = loop.time()
                await channel.write(message)
                client.count(message)

    async def _listen(self, channel: Channel, stream: Stream) -> None:
        """Read what the client still says, which ought to be nothing."""
        while await channel.read() is not None:
            stream.end(invalid("a subscription list is followed by no other message"))

    async def _watch(self) -> None:
        """End the streams whose clients do not read."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(1.0, self._patience / 4))
            since = loop.time() - self._patience
            for stream in tuple(self._streams):
                if 0 < stream.writing_since < since and stream.failure is None:
                    stream.end(self._slow())

    async def _follow(self, events: Events) -> None:
        async for event in events:
            for group in tuple(self._groups.values()):
                group.note(event)
