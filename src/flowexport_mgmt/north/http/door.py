"""The HTTP server as a part of the transaction and as a provider of state."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from flowexport_mgmt.datastore import Datastore, Refusal, StateSnapshot
from flowexport_mgmt.link import messages
from flowexport_mgmt.link.broker import Broker, TcpEndpoint
from flowexport_mgmt.model.configuration import Configuration
from flowexport_mgmt.model.flow_export import CollectorStatistics
from flowexport_mgmt.model.server import HttpState, ServerState
from flowexport_mgmt.north.acceptor import Acceptor
from flowexport_mgmt.north.http import health, metrics
from flowexport_mgmt.north.http.simulator import SimulatorApi
from flowexport_mgmt.north.listener import RETRY_AFTER, Listener, Stop

_PORT: Final = "/fxs:server/fxs:http/fxs:port"

_MAX_CONNECTIONS: Final = 64
_MAX_BODY: Final = 16_384
_MAX_LINE: Final = 4096
LIFETIME: Final = 15.0
"""Seconds that a connection may last: it serves one request."""

_STATE_WAIT: Final = 5.0
"""Seconds that a request waits for the state."""


class HttpDoor:
    """Metrics and health over HTTP, and simulated devices where the configuration says so.

    Each connection serves one request and is bounded in time as a whole, so that a client that
    writes or reads slowly holds nothing for long.
    """

    paths = ("/server/http",)

    def __init__(
        self,
        datastore: Datastore,
        broker: Broker,
        *,
        retry_after: float = RETRY_AFTER,
        lifetime: float = LIFETIME,
        uncleared: Callable[[], Mapping[str, CollectorStatistics]] = dict,
    ) -> None:
        self._lifetime = lifetime
        self._uncleared = uncleared
        self._datastore = datastore
        self._listener = Listener("HTTP", broker, self._serve, retry_after=retry_after)
        application = web.Application(client_max_size=_MAX_BODY, middlewares=[_one_response])
        application.router.add_get("/metrics", self._metrics)
        application.router.add_get("/healthz", self._healthz)
        SimulatorApi(datastore).add_to(application)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=1.0,
            max_line_size=_MAX_LINE,
            max_field_size=_MAX_LINE,
        )

    def register(self) -> None:
        """Take part in commits and report state."""
        self._datastore.register(self)
        self._datastore.register_state(self)

    # -- the transaction

    async def prepare(
        self,
        old: Configuration | None,  # noqa: ARG002 - what is open now is known here
        new: Configuration,
        *,
        commit: int,  # noqa: ARG002 - a door does not ask which commit it is
        strict: bool,
    ) -> Sequence[Refusal]:
        """Open the port that is wanted."""
        http = new.server.http
        wanted = TcpEndpoint(http.address, http.port) if http.enabled else None
        reason = await self._listener.prepare(wanted, strict=strict)
        return [messages.Refusal(path=_PORT, message=reason)] if reason else []

    async def apply(self) -> None:
        """Move to the new port."""
        if self._runner.server is None:
            await self._runner.setup()
        await self._listener.apply()

    async def abort(self) -> None:
        """Close the new port again."""
        await self._listener.abort()

    async def stop(self) -> None:
        """Close everything."""
        await self._listener.stop()
        await self._runner.cleanup()

    # -- state

    async def state(self, _: Sequence[str]) -> Mapping[str, msgspec.Struct]:
        """Report how the server fares."""
        http = HttpState(
            oper_status=self._listener.status, oper_reason=self._listener.reason or None
        )
        return {"flow-export-server:server": ServerState(http=http)}

    # -- connections and requests

    async def _serve(self, listener: socket.socket) -> Stop:
        return Acceptor(listener, self._accepted).stop

    async def _accepted(self, connection: socket.socket, _: Any) -> None:
        server = self._runner.server
        if server is None or len(server.connections) >= _MAX_CONNECTIONS:
            connection.close()
            return
        loop = asyncio.get_running_loop()
        transport, _protocol = await loop.connect_accepted_socket(server, connection)
        loop.call_later(self._lifetime, transport.abort)

    async def _metrics(self, request: web.Request) -> web.Response:
        snapshot = await self._state(metrics.STATE_PATHS)
        datastore = self._datastore
        management = metrics.Management(
            commits=datastore.record.id,
            sessions=len(datastore.sessions),
            rejected_sessions=datastore.rejected_sessions,
            uncleared=self._uncleared(),
        )
        accept = request.headers.get("Accept", "")
        body, content_type = metrics.render(accept, datastore.configuration, snapshot, management)
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _healthz(self, _: web.Request) -> web.Response:
        found = health.judge(await self._state(health.STATE_PATHS))
        return web.Response(
            status=200 if found.is_well else 503,
            body=msgspec.json.encode(found) + b"\n",
            content_type="application/json",
        )

    async def _state(self, paths: Sequence[str]) -> StateSnapshot:
        try:
            async with asyncio.timeout(_STATE_WAIT):
                return await self._datastore.state(paths)
        except TimeoutError:
            message = f"no state within {_STATE_WAIT:g} seconds\n"
            raise web.HTTPServiceUnavailable(text=message) from None


@web.middleware
async def _one_response(request: web.Request, handler: Any) -> web.StreamResponse:
    """Close the connection after the response; say what is served to whoever asks for more."""
    response: web.StreamResponse
    try:
        response = await handler(request)
    except web.HTTPNotFound:
        text = "404: not found; /metrics and /healthz are served here\n"
        response = web.Response(status=404, text=text)
    except web.HTTPException as error:
        error.force_close()
        raise
    response.force_close()
    return response
