"""The rib process: BGP and BMP, led over the link by whichever manager there is.

It holds no capability, and what it learns leaves it only as look-up tables in memory.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from flowexport_mgmt.app.process import End, run_child
from flowexport_mgmt.app.settings import ChildSettings
from flowexport_mgmt.errors import ExitCode, LinkError, StartError
from flowexport_mgmt.link import messages as m
from flowexport_mgmt.link.channel import Channel, EventQueue
from flowexport_mgmt.link.control_client import Control
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.observe import log
from flowexport_mgmt.rib.priority import collect_seldom, yield_to_others

if TYPE_CHECKING:
    from flowexport_mgmt.rib.service import RibService

_logger = logging.getLogger(f"{log.ROOT}.app.rib")  # __name__ is __main__ here


class RibProcess:
    """Joins the service to one link at a time.

    ``ready`` is called once the first commit runs: who went before may have left sockets with
    connections that wait, and what was not asked for until then is closed.
    """

    def __init__(self, service: RibService, events: EventQueue, ready: Callable[[], None]) -> None:
        self._service = service
        self._events = events
        self._ready = ready
        self._is_ready = False
        self._started = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._channel: Channel[m.RibRequest] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def open_link(self, sock: socket.socket, _restarts: int) -> None:
        """Serve a new link and forget the one before."""
        self.close_link()
        decoder: msgspec.msgpack.Decoder[m.RibRequest] = msgspec.msgpack.Decoder(m.RibRequest)
        self._channel = Channel(
            decoder, peer="the manager", on_request=self._answer, events=self._events
        )
        self._channel.send(m.Hello(commit=self._service.commit, started=self._started))
        task = asyncio.get_running_loop().create_task(self._serve(self._channel, sock))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close_link(self) -> None:
        """Close the link, if there is one."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    async def _serve(self, channel: Channel[m.RibRequest], sock: socket.socket) -> None:
        await channel.run(sock)
        if channel is self._channel:
            self._channel = None
            await self._service.abort(0)

    async def _answer(self, request: m.RibRequest) -> msgspec.Struct:
        match request:
            case m.Prepare():
                return await self._prepare(request)
            case m.Apply(commit=commit):
                return await self._apply(commit)
            case m.Abort(commit=commit):
                await self._service.abort(commit)
                return m.Done()
            case m.GetState():
                return m.State(flow_export=fe.FlowExportState(enrichment=self._service.state()))
            case m.RefreshRoutes(neighbor=neighbor):
                refusal = self._service.refresh(neighbor)
                return m.Done() if refusal is None else m.Failed(message=refusal)

    async def _prepare(self, request: m.Prepare) -> m.Prepared:
        wanted = request.flow_export
        enrichment = fe.Enrichment() if wanted is None else wanted.enrichment
        refusals = await self._service.prepare(request.commit, enrichment, strict=request.strict)
        return m.Prepared(refusals=refusals)

    async def _apply(self, commit: int) -> m.Reply:
        try:
            await self._service.apply(commit)
        except LinkError as error:
            return m.Failed(message=str(error))
        if not self._is_ready:
            self._is_ready = True
            self._ready()
        return m.Done()


async def _main(settings: ChildSettings, control_socket: socket.socket) -> None:
    from flowexport_mgmt.enrich.rib_memory import map_memory  # noqa: PLC0415 - numpy, see run_child
    from flowexport_mgmt.rib.service import RibService  # noqa: PLC0415 - the same

    if settings.tables is None:
        raise StartError("the rib process has no memory for its tables", ExitCode.USAGE)
    yield_to_others()
    end, events = End(), EventQueue()
    control = Control(
        control_socket,
        on_link=lambda sock, restarts: process.open_link(sock, restarts),  # noqa: PLW0108 - below
        on_stop=end.ask,
        on_closed=end.force,
        on_logging=log.adjust,
    )
    service = RibService(map_memory(settings.tables, write=True), control, events.post)
    process = RibProcess(service, events, control.ready)
    collect_seldom()
    control.start()
    work = asyncio.get_running_loop().create_task(service.run())
    ended = asyncio.get_running_loop().create_task(end.wait())
    try:
        await asyncio.wait((work, ended), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()  # raises what it failed with
    finally:
        work.cancel()
        process.close_link()
        await service.stop()
        control.close()


def main() -> int:
    """Run the rib process, without any capability."""
    return run_child("rib", _main)


if __name__ == "__main__":
    sys.exit(main())
