"""A child's end of its control socket."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import NamedTuple

from flowexport_mgmt.errors import LinkError
from flowexport_mgmt.link.broker import Endpoint, TcpEndpoint, UnixEndpoint
from flowexport_mgmt.link.control import (
    Beat,
    Bound,
    LinkLost,
    Listen,
    NewLink,
    NewRibLink,
    NewTables,
    Passed,
    PassedFile,
    Ready,
    Release,
    Reload,
    Reloaded,
    SetLogging,
    Status,
    Stop,
    ToChild,
    WantRib,
    receive,
    send,
    to_child,
)

_PATIENCE = 10.0


class _Request(NamedTuple):
    """A Listen that waits for its answer."""

    endpoint: Endpoint
    waiter: asyncio.Future[socket.socket]


class Control:
    """A child's end of its control socket, and its broker (`link.broker.Broker`).

    The callbacks are called on the event loop that `start` was called on; ``on_closed`` means that
    the supervisor is gone and nothing is left to wait for.
    """

    def __init__(
        self,
        control: socket.socket,
        *,
        on_link: Callable[[socket.socket, int], None],
        on_stop: Callable[[], None],
        on_closed: Callable[[], None],
        on_reload: Callable[[], None] = lambda: None,
        on_logging: Callable[[str, str], None] = lambda _level, _format: None,
        on_rib_link: Callable[[socket.socket, int], None] = lambda sock, _restarts: sock.close(),
        on_tables: Callable[[int | None], None] | None = None,
    ) -> None:
        self._control = control
        self._on_link = on_link
        self._on_stop = on_stop
        self._on_closed = on_closed
        self._on_reload = on_reload
        self._on_logging = on_logging
        self._on_rib_link = on_rib_link
        self._on_tables = on_tables
        self._requests: dict[int, _Request] = {}
        self._last_request = 0

    def start(self) -> None:
        """Begin to read."""
        self._control.setblocking(False)
        asyncio.get_running_loop().add_reader(self._control, self._read)

    def close(self) -> None:
        """Stop reading and close the socket."""
        if self._control.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._control)
            self._control.close()
        for request in self._requests.values():
            if not request.waiter.done():
                request.waiter.set_exception(LinkError("the supervisor is gone"))
        self._requests.clear()

    def ready(self) -> None:
        """Tell the supervisor that this child does its work."""
        send(self._control, Ready())

    def reloaded(self) -> None:
        """Tell the supervisor that a reload is done."""
        send(self._control, Reloaded())

    def link_lost(self, *, stuck: bool) -> None:
        """Tell the supervisor that the link to the exporter is of no use any more."""
        send(self._control, LinkLost(stuck))

    def rib_link_lost(self, *, stuck: bool) -> None:
        """Tell the supervisor that the link to the rib process is of no use any more."""
        send(self._control, LinkLost(stuck, rib=True))

    def want_rib(self, *, wanted: bool) -> None:
        """Tell the supervisor whether there has to be a rib process."""
        send(self._control, WantRib(wanted))

    def set_logging(self, level: str, form: str) -> None:
        """Ask the supervisor to tell every other process how to log."""
        send(self._control, SetLogging(level, form))

    def beat(self) -> None:
        """Tell the supervisor that the data plane goes on."""
        send(self._control, Beat())

    def set_status(self, text: str) -> None:
        """Tell the supervisor how the daemon fares, in one line."""
        send(self._control, Status(text))

    async def listen_tcp(self, address: str, port: int) -> socket.socket:
        """See `link.broker.Broker`."""
        return await self._listen(TcpEndpoint(address, port))

    async def listen_unix(self, path: str) -> socket.socket:
        """See `link.broker.Broker`."""
        return await self._listen(UnixEndpoint(path))

    async def release_tcp(self, address: str, port: int) -> None:
        """See `link.broker.Broker`."""
        send(self._control, Release(TcpEndpoint(address, port)))

    async def release_unix(self, path: str) -> None:
        """See `link.broker.Broker`."""
        send(self._control, Release(UnixEndpoint(path)))

    async def _listen(self, endpoint: Endpoint) -> socket.socket:
        self._last_request += 1
        request = _Request(endpoint, asyncio.get_running_loop().create_future())
        send(self._control, Listen(self._last_request, endpoint))
        self._requests[self._last_request] = request
        try:
            async with asyncio.timeout(_PATIENCE):
                return await request.waiter
        except TimeoutError:
            raise LinkError(f"the supervisor did not answer in {_PATIENCE:g} s") from None

    def _read(self) -> None:
        try:
            while (received := receive(self._control, to_child)) is not None:
                self._dispatch(*received)
        except LinkError:
            self.close()
            self._on_closed()

    def _dispatch(self, message: ToChild, passed: Passed | None) -> None:
        match message:
            case NewLink(exporter_restarts=restarts) if isinstance(passed, socket.socket):
                self._on_link(passed, restarts)
            case NewRibLink(rib_restarts=restarts) if isinstance(passed, socket.socket):
                self._on_rib_link(passed, restarts)
            case NewTables():
                self._take_tables(passed)
            case Bound() if not isinstance(passed, PassedFile):
                self._settle(message, passed)
            case Reload():
                self._on_reload()
            case Stop():
                self._on_stop()
            case SetLogging():
                self._on_logging(message.level, message.format)

    def _take_tables(self, passed: Passed | None) -> None:
        if self._on_tables is not None:
            self._on_tables(passed.detach() if isinstance(passed, PassedFile) else None)
        elif passed is not None:
            passed.close()

    def _settle(self, message: Bound, passed: socket.socket | None) -> None:
        request = self._requests.pop(message.request, None)
        if request is None:
            return
        if passed is None:
            if not request.waiter.done():
                error = OSError(message.error, os.strerror(message.error))
                request.waiter.set_exception(error)
        elif request.waiter.done():  # whoever asked has given up
            passed.close()
            send(self._control, Release(request.endpoint))
        else:
            request.waiter.set_result(passed)
