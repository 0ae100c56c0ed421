"""One session over one transport: the hellos, then requests answered one after another."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from flowexport_mgmt.datastore import Datastore, Session
from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.north.netconf.engine import Engine
from flowexport_mgmt.north.netconf.hello import read_hello, render_hello
from flowexport_mgmt.north.netconf.idleness import Idleness
from flowexport_mgmt.north.netconf.notifications.rendering import SessionEnded, SessionStarted
from flowexport_mgmt.north.netconf.refusals import Reason, Refusals
from flowexport_mgmt.north.netconf.statistics import Statistics
from flowexport_mgmt.north.netconf.transport import Transport
from flowexport_mgmt.observe.log import LimitedLogger
from flowexport_mgmt.wire.netconf import Decoder, Framing, encode

_log = LimitedLogger(logging.getLogger(__name__))

_LINGER: Final = 5.0
"""Seconds that a client has to read its last replies."""

_BACKLOG: Final = 64
_BACKLOG_OCTETS: Final = 8 * 1024 * 1024
"""Requests, and their octets, that may wait in a session before it is read no further."""

_REASONS: Final = {"hello": Reason.BAD_HELLO, "message-size": Reason.OVERSIZED}


class Peer:
    """The server's side of a session; a transport drives it with what happens to it.

    Requests are carried out one at a time and in order, whatever the client sends ahead. A request
    that runs when the client goes away is finished, never torn: it may be a commit.
    """

    def __init__(
        self,
        transport: Transport,
        datastore: Datastore,
        engine: Engine,
        statistics: Statistics,
        *,
        refusals: Refusals,
        on_end: Callable[[Peer], None],
    ) -> None:
        self._transport = transport
        self._datastore = datastore
        self._engine = engine
        self._statistics = statistics
        self._refusals = refusals
        self._on_end = on_end
        self._decoder = Decoder()
        self._framing = Framing.END_OF_MESSAGE
        self._requests: deque[bytes] = deque()
        self._waiting = 0
        self._wake = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._paused = False
        self._ending = False
        self._at_end = False
        self._lost = False
        self._worker: asyncio.Task[None] | None = None
        self._hello_timer: asyncio.TimerHandle | None = None
        self._linger_timer: asyncio.TimerHandle | None = None
        self._answering = False
        self._then: list[Callable[[], None]] = []
        self._started = False
        self._reason = "dropped"
        self._idleness = Idleness(self._is_busy, self._is_idle)
        self.session: Session

    def open(
        self,
        user: str,
        door: str,
        source: str,
        capabilities: Iterable[str],
        hello_by: float,
        *,
        recovery: bool,
    ) -> None:
        """Open the session and send our hello; the client's must come by ``hello_by``.

        That is a time of the event loop's clock.
        """
        self.session = self._datastore.open_session(
            user, door, source, self._killed, recovery=recovery
        )
        self._statistics.in_sessions += 1
        loop = asyncio.get_running_loop()
        self._hello_timer = loop.call_at(hello_by, self._hello_is_late)
        hello = render_hello(capabilities, self.session.id)
        self._transport.write(encode(hello, Framing.END_OF_MESSAGE))
        self._worker = loop.create_task(self._work(), name=f"netconf session {self.session.id}")

    # -- what happens to the transport

    def data_received(self, data: bytes) -> None:
        """Take what the client sent; requests before a broken frame are answered first."""
        if self._ending or self._at_end:
            return
        messages = self._decoder.feed(data)
        if messages and self._hello_timer is not None:
            try:
                messages = self._hello_received(messages[0])
            except DecodeError as error:
                self._refuse_stream(error)
                return
        self._requests.extend(messages)
        self._at_end = self._decoder.failure is not None
        self._waiting += sum(map(len, messages))
        if self._has_backlog(_BACKLOG, _BACKLOG_OCTETS) and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake.set()

    def eof_received(self) -> None:
        """Answer what has come, then end: the client sends nothing more."""
        self._at_end = True
        self._wake.set()

    def pause_writing(self) -> None:
        """Carry out nothing more while the client does not read its replies."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Go on."""
        self._writable.set()

    def connection_lost(self) -> None:
        """End: there is nobody to answer to."""
        self._end()
        self._lost = True
        if self._linger_timer is not None:
            self._linger_timer.cancel()

    # -- what subscriptions need

    def after_reply(self, begin: Callable[[], None]) -> None:
        """Have something begin once the reply to the request that runs is on its way."""
        self._then.append(begin)

    async def notify(self, message: bytes) -> None:
        """Send a notification when the client has read what was sent before."""
        await self._writable.wait()
        if not self._ending:
            self.session.out_notifications += 1
            self._statistics.out_notifications += 1
            self._write(message)

    def drop(self, reason: str) -> None:
        """End the session."""
        self._drop(reason)

    # -- the life of the session

    def stop(self) -> None:
        """End the session from our side, after the request that runs."""
        self._end("other")

    async def ended(self) -> None:
        """Wait until nothing of the session is left."""
        if self._worker is not None:
            await asyncio.wait([self._worker])

    def _hello_received(self, message: bytes) -> list[bytes]:
        try:
            self._framing = read_hello(message)
        except DecodeError:
            self._statistics.in_bad_hellos += 1
            raise
        if self._hello_timer is not None:
            self._hello_timer.cancel()
            self._hello_timer = None
        self._started = True
        self._datastore.events.publish(SessionStarted(self.session))
        return self._decoder.resume(self._framing)

    def _has_backlog(self, requests: int, octets: int) -> bool:
        return len(self._requests) >= requests or self._waiting >= octets

    def _hello_is_late(self) -> None:
        self._refuse(Reason.LATE_HELLO, "no hello in time")

    def limit_idleness(self, seconds: int) -> None:
        """End the session when it has been without a request for so long; 0 is for ever."""
        self._idleness.limit(seconds)

    def _is_busy(self) -> bool:
        subscribed = self._engine.is_subscribed(self.session)
        return self._answering or bool(self._requests) or subscribed

    def _is_idle(self) -> None:
        self._reason = "timeout"
        self._refuse(Reason.IDLE, "it was idle for too long")

    def _killed(self) -> None:
        self._statistics.dropped_sessions += 1
        self._end("killed")
        self._transport.abort()

    def _refuse_stream(self, error: DecodeError) -> None:
        self._refuse(_REASONS.get(error.code, Reason.MALFORMED), str(error))

    def _refuse(self, reason: Reason, words: str) -> None:
        self._refusals.count(reason)
        self._drop(words)

    def _drop(self, reason: str) -> None:
        session = self.session
        dropped = "session %d of %s at %s was dropped: %s"
        place = (session.id, session.user, session.source)
        _log.log(logging.WARNING, session.user, dropped, *place, reason)
        self._statistics.dropped_sessions += 1
        self._end()

    def _end(self, reason: str = "") -> None:
        """Take nothing more; ``reason`` is for those who watch sessions (RFC 6470)."""
        if reason and not self._ending:
            self._reason = reason
        self._ending = True
        self._requests.clear()
        self._waiting = 0
        self._wake.set()
        self._writable.set()

    async def _work(self) -> None:
        try:
            while await self._next():
                await self._answer_next()
            if self._decoder.failure is not None and not self._ending:
                self._refuse_stream(self._decoder.failure)
        finally:
            self._idleness.stop()
            if self._hello_timer is not None:
                self._hello_timer.cancel()
            self._datastore.close_session(self.session)
            self._close()
            self._on_end(self)
            if self._started:
                self._datastore.events.publish(SessionEnded(self.session, self._reason))

    def _close(self) -> None:
        """Close the transport, and do not wait for ever for a client that does not read."""
        if not self._lost:
            loop = asyncio.get_running_loop()
            self._linger_timer = loop.call_later(_LINGER, self._transport.abort)
            self._transport.close()

    async def _next(self) -> bool:
        """Wait for a request that may be answered; False at the end of the session."""
        await self._writable.wait()
        while not self._requests and not self._ending and not self._at_end:
            self._wake.clear()
            await self._wake.wait()
        return bool(self._requests) and not self._ending

    async def _answer_next(self) -> None:
        request = self._requests.popleft()
        self._waiting = max(0, self._waiting - len(request))
        self._answering = True
        try:
            await self._answer(request)
        finally:
            self._answering = False
            self._idleness.used()

    async def _answer(self, request: bytes) -> None:
        self._then.clear()
        answer = await self._engine.answer(self, request)
        if self._ending:
            return
        if answer.malformed and self._framing is Framing.END_OF_MESSAGE:
            self._refuse(Reason.MALFORMED, "a message that is no rpc")
            return
        if not self._write(answer.message):
            return
        for begin in self._then:
            begin()
        if answer.ends_session:
            self._end("closed")
        elif self._paused and not self._has_backlog(_BACKLOG // 2, _BACKLOG_OCTETS // 2):
            self._paused = False
            self._transport.resume_reading()

    def _write(self, message: bytes) -> bool:
        try:
            self._transport.write(encode(message, self._framing))
        except OSError as error:  # an SSH channel that closes takes nothing more
            self._drop(str(error))
            return False
        return True
