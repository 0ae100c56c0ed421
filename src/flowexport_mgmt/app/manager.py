"""The manager process: the datastore, its doors, and the exporter at the other end of the link."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from collections.abc import Coroutine
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from flowexport_mgmt.app.exporter_link import (
    ExporterCalls,
    ExporterComponent,
    ExporterState,
    ProcessLink,
)
from flowexport_mgmt.app.logging_component import LoggingComponent
from flowexport_mgmt.app.process import End, run_child
from flowexport_mgmt.app.rib_link import RibCalls, RibComponent, RibState
from flowexport_mgmt.app.settings import ChildSettings
from flowexport_mgmt.app.status_line import StatusLine
from flowexport_mgmt.credentials import KeyFolders
from flowexport_mgmt.errors import ExitCode, LinkError, StartError
from flowexport_mgmt.link.control_client import Control
from flowexport_mgmt.link.messages import SampleLoss
from flowexport_mgmt.observe import log

if TYPE_CHECKING:
    from flowexport_mgmt.app.later import LaterComponent
    from flowexport_mgmt.datastore import Datastore
    from flowexport_mgmt.link.messages import CollectorStateChange, Event, SourceStateChange
    from flowexport_mgmt.north.gnmi.door import GnmiDoor
    from flowexport_mgmt.north.http.door import HttpDoor
    from flowexport_mgmt.north.netconf.door import NetconfDoor

_logger = logging.getLogger(f"{log.ROOT}.app.manager")  # __name__ is __main__ here


class Manager:
    """Joins the datastore, the doors and the exporter, and leads them from start to end."""

    def __init__(self, settings: ChildSettings, control_socket: socket.socket) -> None:
        self._settings = settings
        self._end = End()
        self._tasks: set[asyncio.Task[None]] = set()
        self._link = ProcessLink(
            on_hello=lambda: self._spawn(self._reconcile()),
            on_event=self._publish,
            on_lost=self._report_lost,
        )
        self._exporter = ExporterComponent(self._link)
        self._rib_link = ProcessLink(
            "rib",
            on_hello=lambda: self._spawn(self._reconcile_rib()),
            on_event=self._publish,
            on_lost=self._report_rib_lost,
        )
        self._control = Control(
            control_socket,
            on_link=self._link.open,
            on_rib_link=self._rib_link.open,
            on_stop=self._end.ask,
            on_closed=self._end.force,
            on_reload=lambda: self._spawn(self._reload()),
        )
        self._rib = RibComponent(self._rib_link, self._control)
        self._datastore: Datastore | None = None
        self._started = False
        self._limited = log.LimitedLogger(_logger)

    async def run(self) -> None:
        """Start, serve until told to end, and stop.

        Raises:
            StartError: the configuration cannot be loaded, or the local socket not be opened.
        """
        self._control.start()
        try:
            await self._start()
            await self._end.wait()
        finally:
            await self._stop()

    async def _start(self) -> None:
        """Start what works first: the exporter, then NETCONF, then HTTP, then gNMI.

        The imports are late so that privileges are given up before anything large is imported;
        those of the doors are slow and run beside the event loop, which serves the link meanwhile.
        """
        datastore = self._load()
        datastore.register(LoggingComponent(self._adjust_logging))
        datastore.register(self._exporter)
        state = ExporterState(self._link, lambda: datastore.configuration.flow_export is not None)
        datastore.register_state(state)
        calls = ExporterCalls(self._link)
        datastore.register_call("flow-export:recent-flows", calls.recent_flows)
        datastore.register_call("flow-export:lookup-routes", calls.lookup_routes)
        datastore.register_call("flow-export-simulation:devices", calls.devices)
        datastore.register_call("/flow-export/collector/clear-statistics", calls.clear_statistics)
        datastore.register_call("/flow-export/collector/export-now", calls.export_now)
        datastore.register(self._rib)
        datastore.register_state(RibState(self._rib_link, lambda: datastore.configuration))
        refresh_routes = RibCalls(self._rib_link).refresh_routes
        datastore.register_call("flow-export:refresh-routes", refresh_routes)
        self._employ_doctor(datastore)
        await datastore.start()
        self._started = True
        await self._reconcile()
        http, gnmi = self._expect(datastore), self._expect(datastore)
        await self._open_netconf(datastore)
        await self._open_http(datastore, http, state)
        await self._open_gnmi(datastore, gnmi)
        # A commit that has come waits for both, and these for its end: so not before both are here.
        await datastore.restore(http, gnmi)
        self._control.ready()
        self._spawn(StatusLine(datastore, self._control.set_status).run())

    def _load(self) -> Datastore:
        from flowexport_mgmt.datastore import Datastore  # noqa: PLC0415 - see _start
        from flowexport_mgmt.schema.context import SchemaContext  # noqa: PLC0415 - see _start

        try:
            schema = SchemaContext()
        except FileNotFoundError as error:
            raise StartError(str(error), ExitCode.RESOURCE_MISSING) from error
        datastore = Datastore(schema, self._settings.folders.state, life=self._settings.life)
        datastore.load(*self._read_init())
        self._datastore = datastore
        return datastore

    def _employ_doctor(self, datastore: Datastore) -> None:
        from flowexport_mgmt.app.doctor import Doctor  # noqa: PLC0415 - see _start

        doctor = Doctor(datastore, self._link, self._settings.folders)
        datastore.register_call("flow-export-management:doctor", doctor.examine)

    async def _open_netconf(self, datastore: Datastore) -> None:
        module = await asyncio.to_thread(import_module, "flowexport_mgmt.north.netconf.door")
        folders = self._settings.folders
        door: NetconfDoor = module.NetconfDoor(
            datastore,
            self._control,
            state_folder=folders.state,
            local_socket=folders.socket,
            keys=KeyFolders(folders.keys),
        )
        door.register()
        await datastore.restore(door)
        try:
            await door.open_local()
        except OSError as error:
            raise StartError(
                f"{folders.socket}: {error.strerror}", ExitCode.RESOURCE_MISSING
            ) from error

    def _expect(self, datastore: Datastore) -> LaterComponent:
        """Keep commits that come over NETCONF from passing a door by that is not there yet."""
        from flowexport_mgmt.app.later import LaterComponent  # noqa: PLC0415 - see _start

        later = LaterComponent()
        datastore.register(later)
        return later

    async def _open_http(
        self, datastore: Datastore, http: LaterComponent, state: ExporterState
    ) -> None:
        module = await asyncio.to_thread(import_module, "flowexport_mgmt.north.http.door")
        door: HttpDoor = module.HttpDoor(
            datastore, self._control, uncleared=lambda: state.uncleared
        )
        datastore.register_state(door)
        http.arrive(door)

    async def _open_gnmi(self, datastore: Datastore, gnmi: LaterComponent) -> None:
        module = await asyncio.to_thread(import_module, "flowexport_mgmt.north.gnmi.door")
        folders = self._settings.folders
        door: GnmiDoor = module.GnmiDoor(
            datastore, keys=KeyFolders(folders.keys), own_folder=folders.state / "tls"
        )
        datastore.register_state(door)
        gnmi.arrive(door)

    def _read_init(self) -> tuple[Path | None, bytes | None]:
        """Read the first configuration from the descriptor that the supervisor opened, if any."""
        from flowexport_mgmt.datastore.documents import LIMIT  # noqa: PLC0415 - see _start

        if self._settings.init is None:
            return None, None
        path = Path(self._settings.init_name)
        try:
            with open(self._settings.init, "rb") as file:  # noqa: PTH123 - a descriptor
                return path, file.read(LIMIT + 1)
        except OSError as error:
            raise StartError(f"{path}: {error.strerror}", ExitCode.RESOURCE_MISSING) from error

    async def _stop(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        if self._datastore is not None:
            await self._datastore.stop()
        self._link.close()
        self._rib_link.close()
        self._control.close()

    async def _reconcile(self) -> None:
        """Bring an exporter that runs another commit up to date; one that runs ours is let be."""
        datastore, commit = self._datastore, self._link.commit
        if datastore is None or not self._started or commit in (None, datastore.record.id):
            return
        _logger.info("the exporter runs commit %d and gets commit %d", commit, datastore.record.id)
        await datastore.restore(self._exporter)

    async def _reconcile_rib(self) -> None:
        """Let a rib process that has just begun run what it is there for."""
        if self._datastore is not None and self._started and self._rib_link.commit == 0:
            await self._datastore.restore(self._rib)

    async def _reload(self) -> None:
        """Prepare every component again with the running configuration."""
        try:
            if self._datastore is not None and self._started:
                self._exporter.again = True
                await self._datastore.restore()
        finally:
            self._control.reloaded()

    def _adjust_logging(self, level: str, form: str) -> None:
        log.adjust(level, form)
        self._control.set_logging(level, form)

    def _report_lost(self, stuck: bool) -> None:
        with contextlib.suppress(LinkError):  # then the supervisor is gone, and so are we
            self._control.link_lost(stuck=stuck)

    def _report_rib_lost(self, stuck: bool) -> None:
        with contextlib.suppress(LinkError):  # as above
            self._control.rib_link_lost(stuck=stuck)

    def _publish(self, event: Event) -> None:
        if isinstance(event, SampleLoss):
            key = f"loss at {event.interface}"
            self._limited.log(
                logging.WARNING, key, "%d samples of %s were lost", event.drops, event.interface
            )
        else:
            self._log_change(event)
        if self._datastore is not None:
            self._datastore.events.publish(event)

    def _log_change(self, event: CollectorStateChange | SourceStateChange) -> None:
        level = logging.INFO if event.oper_status == "up" else logging.WARNING
        kind = type(event).__name__.removesuffix("StateChange").lower()
        text = f"{kind} {event.name} is {event.oper_status}"
        reason = f": {event.oper_reason}" if event.oper_reason else ""
        self._limited.log(level, text, "%s%s", text, reason)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._take_result)

    def _take_result(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _logger.error("a task of the manager failed", exc_info=error)


async def _main(settings: ChildSettings, control_socket: socket.socket) -> None:
    await Manager(settings, control_socket).run()


def main() -> int:
    """Run the manager process, without any capability."""
    return run_child("manager", _main)


if __name__ == "__main__":
    sys.exit(main())
