"""The exporter process: the data plane, led over the link by whichever manager there is.

It goes on exporting while there is no manager. A link that closes between prepare and apply means
abort; a new link replaces the one before.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from flowexport_mgmt.app import privilege
from flowexport_mgmt.app.limits import raise_descriptor_limit
from flowexport_mgmt.app.process import End, run_child
from flowexport_mgmt.app.settings import ChildSettings
from flowexport_mgmt.errors import LinkError
from flowexport_mgmt.link import messages as m
from flowexport_mgmt.link.channel import Channel, EventQueue
from flowexport_mgmt.link.control_client import Control
from flowexport_mgmt.link.sockets import SocketClient
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.observe import crash, log

if TYPE_CHECKING:
    from flowexport_mgmt.export import Facilities
    from flowexport_mgmt.runtime import Runtime

_BEFORE_PREPARE = crash.declare("exporter.prepare.before")
_AFTER_PREPARE = crash.declare("exporter.prepare.after")
_BEFORE_APPLY = crash.declare("exporter.apply.before")
_AFTER_APPLY = crash.declare("exporter.apply.after")
_BEFORE_ABORT = crash.declare("exporter.abort.before")
_AFTER_ABORT = crash.declare("exporter.abort.after")

_EXPORTER = "/flow-export/exporter"

_FINISH_S = 2.5
"""Seconds in which what is known is sent when the end is in order."""
_BEAT_S = 1.0
_STILL_S = 10.0
"""Seconds after which a thread of the pipeline that did not go on is taken to stand still."""

_logger = logging.getLogger(f"{log.ROOT}.app.exporter")  # __name__ is __main__ here


class Exporter:
    """Joins the data plane to one link at a time."""

    def __init__(self, runtime: Runtime, events: EventQueue) -> None:
        self._runtime = runtime
        self._events = events
        self._started = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._prepared: int | None = None
        self._channel: Channel[m.Request] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def open_link(self, sock: socket.socket, _exporter_restarts: int) -> None:
        """Serve a new link and forget the one before."""
        self.close_link()
        decoder: msgspec.msgpack.Decoder[m.Request] = msgspec.msgpack.Decoder(m.Request)
        self._channel = Channel(
            decoder, peer="the manager", on_request=self._answer, events=self._events
        )
        self._channel.send(m.Hello(commit=self._runtime.commit, started=self._started))
        _logger.info("management is here")
        task = asyncio.get_running_loop().create_task(self._serve(self._channel, sock))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close_link(self) -> None:
        """Close the link, if there is one."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
            self._abandon()

    async def _serve(self, channel: Channel[m.Request], sock: socket.socket) -> None:
        await channel.run(sock)
        if channel is self._channel:
            _logger.info("management is away; exporting goes on")
            self.close_link()

    def _abandon(self) -> None:
        if self._prepared is not None:
            self._runtime.abort(self._prepared)
            self._prepared = None

    async def _answer(self, request: m.Request) -> msgspec.Struct:
        match request:
            case m.Prepare():
                return self._prepare(request)
            case m.Apply(commit=commit):
                return self._apply(commit)
            case m.Abort(commit=commit):
                return self._abort(commit)
            case m.ClearStatistics(collector=name):
                return self._act(self._runtime.collectors.clear_statistics, name)
            case m.ExportNow(collector=name):
                return self._act(self._runtime.collectors.export_now, name)
            case _:
                return await self._tell(request)

    async def _tell(
        self, request: m.GetState | m.GetRecentFlows | m.GetDevices | m.LookupRoutes | m.Diagnose
    ) -> msgspec.Struct:
        match request:
            case m.GetState(paths=paths):
                return self._state(paths)
            case m.GetRecentFlows(destination_prefix=prefix):
                return self._recent_flows(prefix)
            case m.LookupRoutes(addresses=addresses):
                return self._lookup_routes(addresses)
            case m.Diagnose():
                return await self._diagnose()
            case m.GetDevices():
                return self._devices(request)

    def _prepare(self, request: m.Prepare) -> m.Prepared:
        crash.point(_BEFORE_PREPARE)
        self._abandon()
        refusals = self._runtime.prepare(
            request.commit, request.flow_export, request.simulation, strict=request.strict
        )
        if not refusals:
            self._prepared = request.commit
        crash.point(_AFTER_PREPARE)
        return m.Prepared(refusals=refusals)

    def _apply(self, commit: int) -> m.Reply:
        if commit != self._prepared:
            return m.Failed(message=f"commit {commit} was not prepared by this process")
        crash.point(_BEFORE_APPLY)
        self._prepared = None
        try:
            self._runtime.apply(commit)
        except Exception:
            # Half applied is no state to go on in: the next process starts from nothing.
            _logger.exception("commit %d could not be applied", commit)
            os.abort()
        crash.point(_AFTER_APPLY)
        return m.Done()

    def _abort(self, commit: int) -> m.Done:
        crash.point(_BEFORE_ABORT)
        if commit == self._prepared:
            self._abandon()
        crash.point(_AFTER_ABORT)
        return m.Done()

    def _recent_flows(self, prefix: str | None) -> m.Reply:
        try:
            return m.RecentFlows(flows=self._runtime.recent_flows(prefix))
        except ValueError as error:
            return m.Failed(message=str(error))

    def _lookup_routes(self, addresses: Sequence[str]) -> m.Reply:
        try:
            return m.FoundRoutes(routes=self._runtime.lookup_routes(addresses))
        except ValueError as error:
            return m.Failed(message=str(error))

    @staticmethod
    def _act(act: Callable[[str], None], name: str) -> m.Reply:
        try:
            act(name)
        except LookupError as error:
            return m.Failed(message=str(error))
        return m.Done()

    async def _diagnose(self) -> m.Diagnosis:
        """Try sockets beside the event loop: the supervisor may take its time to open one."""
        from flowexport_mgmt.runtime.doctor import diagnose  # noqa: PLC0415 - numpy comes with it

        findings = await asyncio.to_thread(diagnose, self._runtime.evidence())
        return m.Diagnosis(findings=findings)

    def _devices(self, request: m.GetDevices) -> m.Reply:
        try:
            return self._runtime.devices(request)
        except ValueError as error:
            return m.Failed(message=str(error))

    def _state(self, paths: Sequence[str]) -> m.State:
        from flowexport_mgmt.runtime.paths import is_asked  # noqa: PLC0415 - numpy comes with it

        state = self._runtime.state(paths)
        if not is_asked(_EXPORTER, paths):
            return state
        exporter = fe.Exporter(
            commit=self._runtime.commit, started=self._started, events_dropped=self._events.dropped
        )
        flow_export = state.flow_export or fe.FlowExportState()
        return msgspec.structs.replace(
            state, flow_export=msgspec.structs.replace(flow_export, exporter=exporter)
        )


def _facilities(settings: ChildSettings) -> Facilities:
    """Say where keys are, and have the supervisor open what this process may not."""
    from flowexport_mgmt.export import Facilities, KeyFolders  # noqa: PLC0415 - as in _main

    keys = KeyFolders(settings.folders.keys)
    if settings.sockets is None:
        return Facilities(keys)
    link = socket.socket(fileno=settings.sockets)
    link.set_inheritable(False)
    client = SocketClient(link)
    return Facilities(keys, client.open_in_namespace, client.make_namespace)


async def _beat(runtime: Runtime, control: Control) -> None:
    """Tell the supervisor every second that the pipeline goes on, and nothing when it does not."""
    while True:
        if runtime.goes_on(_STILL_S):
            with contextlib.suppress(LinkError):  # then the supervisor is gone, or does not read
                control.beat()
        await asyncio.sleep(_BEAT_S)


async def _main(settings: ChildSettings, control_socket: socket.socket) -> None:
    from flowexport_mgmt.runtime import Runtime  # noqa: PLC0415 - numpy only after privileges

    loop = asyncio.get_running_loop()
    end = End()
    events = EventQueue()

    def post(event: m.Event) -> None:
        loop.call_soon_threadsafe(events.post, event)

    runtime = Runtime(post, facilities=_facilities(settings), state_folder=settings.folders.state)
    exporter = Exporter(runtime, events)
    control = Control(
        control_socket,
        on_link=exporter.open_link,
        on_stop=end.ask,
        on_closed=end.force,
        on_logging=log.adjust,
        on_tables=runtime.use_tables,
    )
    control.start()
    control.ready()
    beating = loop.create_task(_beat(runtime, control))
    try:
        await end.wait()
    finally:
        beating.cancel()
        exporter.close_link()
        if not end.is_forced:
            runtime.finish(_FINISH_S)
        runtime.stop()
        control.close()


def main() -> int:
    """Run the exporter process."""
    raise_descriptor_limit()
    needed = {privilege.CAP_NET_ADMIN, privilege.CAP_NET_RAW}  # the latter for packet sockets
    return run_child("exporter", _main, frozenset(needed))


if __name__ == "__main__":
    sys.exit(main())
