"""The link between two processes: a stream of messages with requests, replies and events.

A message travels in one or more frames, so that no single one is large::

    0      4           8    9
    | size | exchange | MORE | size octets of MessagePack ...

``exchange`` joins a reply to its request; 0 marks a message that expects none. Frames of one
message follow each other without others between them. Replies overtake events that wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import msgspec

from flowexport_mgmt.errors import LinkError
from flowexport_mgmt.link.messages import Failed

_HEADER = struct.Struct("!II?")
_MAX_FRAME = 256 * 1024
_MAX_MESSAGE = 64 * 1024 * 1024
_MAX_EXCHANGES = 256
_EXCHANGE_MASK = 0xFFFF_FFFF

_logger = logging.getLogger(__name__)
_encode = msgspec.msgpack.Encoder().encode

M = TypeVar("M", bound=msgspec.Struct)
"""What the peer sends."""


class NoAnswerError(LinkError):
    """The peer is there and did not answer in time."""


class EventQueue:
    """Messages that wait to be sent, without a reply; the oldest is dropped when it is full.

    It outlives the links that drain it. Only for the thread of the event loop.
    """

    def __init__(self, limit: int = 1024) -> None:
        self._waiting: deque[msgspec.Struct] = deque()
        self._limit = limit
        self.dropped = 0
        """Events dropped because nobody read them in time."""
        self.on_post: Callable[[], None] | None = None
        """Called when there is something to send."""

    def post(self, event: msgspec.Struct) -> None:
        """Queue an event; never blocks."""
        if len(self._waiting) >= self._limit:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(event)
        if self.on_post is not None:
            self.on_post()

    def take(self) -> msgspec.Struct | None:
        """Return the oldest event, or None."""
        return self._waiting.popleft() if self._waiting else None


class Channel(Generic[M]):
    """One end of a link.

    ``decoder`` knows what the peer sends, ``on_message`` takes messages that expect no reply,
    ``on_request`` answers the others, one after the other in the order in which they came.
    ``peer`` is what errors call the process at the other end.
    """

    def __init__(
        self,
        decoder: msgspec.msgpack.Decoder[M],
        *,
        peer: str,
        on_message: Callable[[M], None] | None = None,
        on_request: Callable[[M], Awaitable[msgspec.Struct]] | None = None,
        events: EventQueue | None = None,
    ) -> None:
        self._decoder = decoder
        self._peer = peer
        self._on_message = on_message
        self._on_request = on_request
        self._events = events or EventQueue()
        self._outgoing: deque[bytes | memoryview] = deque()
        self._work = asyncio.Event()
        self._waiters: dict[int, asyncio.Future[M]] = {}
        self._last_exchange = 0
        self._writer: asyncio.StreamWriter | None = None
        self._closed = False

    async def run(self, sock: socket.socket) -> None:
        """Serve the link on a connected stream socket until either end closes it.

        Returns when the link is closed; whoever waits for a reply then gets LinkError. A peer
        that breaks the framing or sends what the decoder refuses is closed and logged.
        """
        try:
            reader, self._writer = await asyncio.open_connection(sock=sock)
        except OSError as error:
            sock.close()
            self._fail(f"the link could not be opened: {error.strerror}")
            return
        if self._closed:
            self._writer.close()
            return
        self._events.on_post = self._work.set
        sender = asyncio.create_task(self._send_all(self._writer))
        try:
            await self._receive_all(reader)
        except LinkError as error:
            _logger.error("the link was closed: %s", error)  # noqa: TRY400 - the reason is all
        except (OSError, asyncio.IncompleteReadError):
            pass  # the other process went away; its supervisor says why
        finally:
            if self._events.on_post == self._work.set:  # a newer link may have taken over
                self._events.on_post = None
            sender.cancel()
            self.close()

    def close(self) -> None:
        """Close this end; safe to call at any time, also twice."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._fail(f"the link to {self._peer} is closed")

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._closed

    def send(self, message: msgspec.Struct) -> None:
        """Send a message that expects no reply, before all waiting events.

        Raises:
            LinkError: the link is closed or the message too large.
        """
        self._put(0, message)

    async def request(self, message: msgspec.Struct, patience: float) -> M:
        """Send a request and wait up to ``patience`` seconds for its reply.

        Raises:
            NoAnswerError: the peer did not answer in time.
            LinkError: the link is or was closed, or the message is too large.
        """
        if len(self._waiters) >= _MAX_EXCHANGES:
            raise LinkError(f"too many requests wait for {self._peer}")
        exchange = self._next_exchange()
        self._put(exchange, message)
        waiter: asyncio.Future[M] = asyncio.get_running_loop().create_future()
        self._waiters[exchange] = waiter
        try:
            async with asyncio.timeout(patience):
                return await waiter
        except TimeoutError:
            raise NoAnswerError(f"{self._peer} did not answer in {patience:g} s") from None
        finally:
            self._waiters.pop(exchange, None)

    def _next_exchange(self) -> int:
        while True:
            self._last_exchange = (self._last_exchange + 1) & _EXCHANGE_MASK
            if self._last_exchange and self._last_exchange not in self._waiters:
                return self._last_exchange

    def _put(self, exchange: int, message: msgspec.Struct) -> None:
        if self._closed:
            raise LinkError(f"the link to {self._peer} is closed")
        body = memoryview(_encode(message))
        if len(body) > _MAX_MESSAGE:
            raise LinkError(f"a message of {len(body)} octets is too large for the link")
        for start in range(0, len(body), _MAX_FRAME):
            frame = body[start : start + _MAX_FRAME]
            more = start + _MAX_FRAME < len(body)
            self._outgoing.append(_HEADER.pack(len(frame), exchange, more))
            self._outgoing.append(frame)
        self._work.set()

    def _fail(self, reason: str) -> None:
        self._closed = True
        for waiter in self._waiters.values():
            if not waiter.done():
                waiter.set_exception(LinkError(reason))
        self._waiters.clear()

    async def _send_all(self, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, LinkError):  # the reading side notices and cleans up
            while True:
                await self._work.wait()
                self._work.clear()
                while self._next_outgoing():
                    writer.write(self._outgoing.popleft())
                    await writer.drain()

    def _next_outgoing(self) -> bool:
        """Turn the oldest event into frames when nothing else waits."""
        if not self._outgoing:
            event = self._events.take()
            if event is not None:
                self._put(0, event)
        return bool(self._outgoing)

    async def _receive_all(self, reader: asyncio.StreamReader) -> None:
        while True:
            exchange, body = await self._receive(reader)
            try:
                message = self._decoder.decode(body)
            except msgspec.MsgspecError as error:
                raise LinkError(f"{self._peer} sent a strange message: {error}") from error
            await self._dispatch(exchange, message)

    async def _receive(self, reader: asyncio.StreamReader) -> tuple[int, bytearray]:
        body = bytearray()
        first: int | None = None
        more = True
        while more:
            size, exchange, more = _HEADER.unpack(await reader.readexactly(_HEADER.size))
            if size > _MAX_FRAME or len(body) + size > _MAX_MESSAGE:
                raise LinkError(f"{self._peer} sent a frame of {size} octets")
            if first not in (None, exchange):
                raise LinkError(f"{self._peer} mixed up two messages")
            first = exchange
            body += await reader.readexactly(size)
        return exchange, body

    async def _dispatch(self, exchange: int, message: M) -> None:
        if not exchange:
            if self._on_message is not None:
                self._on_message(message)
        elif self._on_request is not None:
            await self._answer(exchange, message, self._on_request)
        elif (waiter := self._waiters.get(exchange)) is not None and not waiter.done():
            waiter.set_result(message)

    async def _answer(
        self, exchange: int, message: M, on_request: Callable[[M], Awaitable[msgspec.Struct]]
    ) -> None:
        try:
            reply = await on_request(message)
        except Exception as error:  # the requester must learn of every failure
            _logger.exception("a request of %s failed", self._peer)
            reply = Failed(message=f"{type(error).__name__}: {error}")
        try:
            self._put(exchange, reply)
        except LinkError as error:
            if not self._closed:
                self._put(exchange, Failed(message=str(error)))
