"""The manager's side of the link: the exporter as a component and as a provider of state."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from flowexport_mgmt.errors import ErrorTag, LinkError, ManagementError
from flowexport_mgmt.link import messages as m
from flowexport_mgmt.link.channel import Channel, NoAnswerError
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.model import simulation as fes
from flowexport_mgmt.model.configuration import Configuration
from flowexport_mgmt.observe import crash
from flowexport_mgmt.schema.on_request import requests_in

_BEFORE_PREPARE = crash.declare("manager.exporter-prepare.before")
_AFTER_PREPARE = crash.declare("manager.exporter-prepare.after")
_BEFORE_APPLY = crash.declare("manager.exporter-apply.before")
_AFTER_APPLY = crash.declare("manager.exporter-apply.after")
_BEFORE_ABORT = crash.declare("manager.exporter-abort.before")
_AFTER_ABORT = crash.declare("manager.exporter-abort.after")

_COMMIT_PATIENCE = 20.0
_ARRIVAL_PATIENCE = 5.0
"""Seconds that a commit waits for an exporter that is being started."""
_STATE_PATIENCE = 5.0
_MOST_DEVICES = 10_000
_MOST_LISTED = 1000
_DEVICES = "/simulation/device"
_MOST_ADDRESSES = 1024

_logger = logging.getLogger(__name__)


class ProcessLink:
    """The link to the exporter or another process of its kind, one at a time.

    ``name`` is what the process is called. ``on_hello`` is called when one has said what it runs,
    ``on_event`` with each of its events, ``on_lost`` when a link closed (False) or its process did
    not answer (True).
    """

    def __init__(
        self,
        name: str = "exporter",
        *,
        on_hello: Callable[[], None],
        on_event: Callable[[m.Event], None],
        on_lost: Callable[[bool], None],
    ) -> None:
        self._name = name
        self._on_hello = on_hello
        self._on_event = on_event
        self._on_lost = on_lost
        self._channel: Channel[m.FromExporter] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._arrived = asyncio.Event()
        self.commit: int | None = None
        """The commit that the exporter runs, None while that is not known."""
        self.restarts = 0
        """How often the exporter was started again since the daemon started."""

    def open(self, sock: socket.socket, exporter_restarts: int) -> None:
        """Serve a new link and forget the one before."""
        self.close()
        self.restarts = exporter_restarts
        decoder: msgspec.msgpack.Decoder[m.FromExporter] = msgspec.msgpack.Decoder(m.FromExporter)
        self._channel = Channel(decoder, peer=f"the {self._name}", on_message=self._take)
        task = asyncio.get_running_loop().create_task(self._serve(self._channel, sock))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Close the link, if there is one."""
        channel, self._channel = self._channel, None
        self.commit = None
        self._arrived.clear()
        if channel is not None:
            channel.close()

    async def await_arrival(self, patience: float = _ARRIVAL_PATIENCE) -> None:
        """Give a process that is being started a moment; whether it came shows at the request."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._arrived.wait()

    async def request(self, message: m.Request | m.RibRequest, patience: float) -> m.FromExporter:
        """Ask the exporter.

        Raises:
            LinkError: there is no exporter, or it went away or did not answer in time.
        """
        if self._channel is None or self.commit is None:
            raise LinkError(f"the {self._name} process is not running; it is being started again")
        return await self._channel.request(message, patience)

    async def command(self, message: m.Request) -> m.FromExporter:
        """Ask for a step of a commit; an exporter that does not answer is started again.

        Raises:
            LinkError: as `request`, or the exporter failed.
        """
        try:
            reply = await self.request(message, _COMMIT_PATIENCE)
        except NoAnswerError:
            self.close()
            self._on_lost(True)
            raise
        if isinstance(reply, m.Failed):
            raise LinkError(f"the {self._name} failed: {reply.message}")
        return reply

    async def _serve(self, channel: Channel[m.FromExporter], sock: socket.socket) -> None:
        await channel.run(sock)
        if channel is self._channel:
            self.close()
            self._on_lost(False)

    def _take(self, message: m.FromExporter) -> None:
        match message:
            case m.Hello():
                self.commit = message.commit
                self._arrived.set()
                self._on_hello()
            case m.CollectorStateChange() | m.SourceStateChange() | m.SampleLoss():
                self._on_event(message)
            case _:
                _logger.warning("the %s sent %s unasked", self._name, type(message).__name__)


class ExporterComponent:
    """The exporter's part in every commit.

    It takes part in those that do not touch flow export too, so that the exporter always knows the
    id of the commit that runs; only a change of flow export needs it to be there.
    """

    paths: Sequence[str] = ("/",)

    def __init__(self, link: ProcessLink) -> None:
        self._link = link
        self._prepared: int | None = None
        self.again = False
        """Let the exporter prepare once more what it runs already, as a reload wants."""

    async def prepare(
        self, old: Configuration | None, new: Configuration, *, commit: int, strict: bool
    ) -> Sequence[m.Refusal]:
        """Let the exporter prepare; strict: refuse when it cannot, else it is brought up later."""
        self._prepared = None
        again, self.again = self.again, False
        if commit == self._link.commit and not again:
            return ()
        message = m.Prepare(
            commit=commit,
            flow_export=new.flow_export,
            simulation=new.simulation,
            strict=strict and (old is None or _slice(old) != _slice(new)),
        )
        if message.strict:
            await self._link.await_arrival()
        crash.point(_BEFORE_PREPARE)
        try:
            reply = await self._link.command(message)
        except LinkError as error:
            _logger.debug("commit %d cannot be prepared: %s", commit, error)
            return (m.Refusal(path="", message=str(error)),) if message.strict else ()
        crash.point(_AFTER_PREPARE)
        if isinstance(reply, m.Prepared) and reply.refusals:
            return reply.refusals
        self._prepared = commit
        return ()

    async def apply(self) -> None:
        """Let the exporter run what it prepared; one that went away gets it when it is back."""
        if (commit := self._prepared) is None:
            return
        self._prepared = None
        crash.point(_BEFORE_APPLY)
        try:
            await self._link.command(m.Apply(commit=commit))
        except LinkError as error:
            _logger.warning("commit %d has not reached the exporter: %s", commit, error)
            return
        self._link.commit = commit
        crash.point(_AFTER_APPLY)

    async def abort(self) -> None:
        """Let the exporter forget what it prepared; a link that closed has done so already."""
        if (commit := self._prepared) is None:
            return
        self._prepared = None
        crash.point(_BEFORE_ABORT)
        try:
            await self._link.command(m.Abort(commit=commit))
        except LinkError as error:
            _logger.debug("commit %d is not aborted: %s", commit, error)
        crash.point(_AFTER_ABORT)

    async def stop(self) -> None:
        """Close the link; the exporter itself is the supervisor's to stop."""
        self._link.close()


def _slice(configuration: Configuration) -> tuple[msgspec.Struct | None, ...]:
    """Give what the exporter runs by."""
    return configuration.flow_export, configuration.simulation


class ExporterState:
    """What the exporter reports of itself, of simulated devices and of the interfaces."""

    paths: Sequence[str] = ("/flow-export", "/simulation", "/interfaces")

    def __init__(self, link: ProcessLink, configured: Callable[[], bool]) -> None:
        self._link = link
        self._configured = configured
        self.uncleared: Mapping[str, fe.CollectorStatistics] = {}
        """What was counted since the start, of collectors whose statistics were cleared."""

    async def state(self, paths: Sequence[str]) -> Mapping[str, msgspec.Struct]:
        """Ask the exporter; without one only its restarts are known."""
        try:
            reply = await self._link.request(m.GetState(paths=tuple(paths)), _STATE_PATIENCE)
        except LinkError as error:
            _logger.debug("the exporter reports no state: %s", error)
            reply = m.State(flow_export=fe.FlowExportState(exporter=fe.Exporter()))
        if not isinstance(reply, m.State):
            raise LinkError(f"the exporter answered {reply}")
        reply = await self._with_devices(reply, requests_in(paths, _DEVICES))
        if reply.flow_export is not None:
            self.uncleared = {
                each.name: each.statistics
                for each in reply.uncleared
                if each.statistics is not None
            }
        return self._name(reply)

    async def _with_devices(self, state: m.State, requests: Sequence[Mapping[str, str]]) -> m.State:
        """Add the devices that are asked for: by their addresses, else of a group, else any."""
        if state.simulation is None or not requests:
            return state
        found: dict[str, fes.Device] = {}
        for request in requests:
            if (left := _MOST_LISTED - len(found)) <= 0:
                break
            address, group = request.get("address"), request.get("group")
            reply = await self._link.request(
                m.GetDevices(address=address, group=group, limit=left), _STATE_PATIENCE
            )
            if isinstance(reply, m.Devices):  # who asks for no address is told of none
                found |= {each.address: each for each in reply.devices}
        simulation = msgspec.structs.replace(state.simulation, device=tuple(found.values()))
        return msgspec.structs.replace(state, simulation=simulation)

    def _name(self, state: m.State) -> Mapping[str, msgspec.Struct]:
        nodes: dict[str, msgspec.Struct] = {}
        # /flow-export is a presence container: reporting it would make it exist.
        if state.flow_export is not None and self._configured():
            nodes["flow-export:flow-export"] = self._with_restarts(state.flow_export)
        if state.simulation is not None:
            nodes["flow-export-simulation:simulation"] = state.simulation
        if state.interfaces is not None:
            nodes["ietf-interfaces:interfaces"] = state.interfaces
        return nodes

    def _with_restarts(self, state: fe.FlowExportState) -> fe.FlowExportState:
        if state.exporter is None:
            return state
        exporter = msgspec.structs.replace(state.exporter, restarts=self._link.restarts)
        return msgspec.structs.replace(state, exporter=exporter)


class ExporterCalls:
    """Operations of the model that the exporter carries out."""

    def __init__(self, link: ProcessLink) -> None:
        self._link = link

    async def recent_flows(self, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        """Ask for the latest flow records.

        Raises:
            ManagementError: the prefix is none.
            LinkError: there is no exporter, or it failed.
        """
        prefix = parameters.get("destination-prefix")
        if prefix is not None and not _is_prefix(prefix):
            raise ManagementError.single(
                ErrorTag.INVALID_VALUE,
                f"{prefix} is no prefix of IPv4 or IPv6, such as 192.0.2.0/24",
            )
        reply = await self._link.request(
            m.GetRecentFlows(destination_prefix=prefix), _STATE_PATIENCE
        )
        if not isinstance(reply, m.RecentFlows):
            raise LinkError(f"the exporter answered {reply}")
        return {"flow": [msgspec.to_builtins(flow) for flow in reply.flows]}

    async def lookup_routes(self, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        """Ask which routes of BGP addresses belong to.

        Raises:
            ManagementError: there are too many addresses, or a text is none.
            LinkError: there is no exporter, it failed, or it has no routes of BGP.
        """
        texts = parameters["address"].split()
        if not 1 <= len(texts) <= _MOST_ADDRESSES:
            message = f"{len(texts)} addresses, from 1 to {_MOST_ADDRESSES} can be looked up"
            raise ManagementError.single(ErrorTag.INVALID_VALUE, message)
        addresses = tuple(address for text in texts if (address := _read_address(text)))
        reply = await self._link.request(m.LookupRoutes(addresses=addresses), _STATE_PATIENCE)
        if isinstance(reply, m.Failed):
            raise LinkError(reply.message)
        if not isinstance(reply, m.FoundRoutes):
            raise LinkError(f"the exporter answered {reply}")
        return {"route": [msgspec.to_builtins(route) for route in reply.routes]}

    async def devices(self, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        """Ask for simulated devices.

        Raises:
            ManagementError: a parameter is none of its kind.
            LinkError: there is no exporter, or it failed.
        """
        request = m.GetDevices(
            address=_read_address(parameters.get("address")),
            group=parameters.get("group"),
            offset=_read_number("offset", parameters.get("offset", "0"), 0, 0xFFFFFFFF),
            limit=_read_number("limit", parameters.get("limit", "1000"), 1, _MOST_DEVICES),
        )
        reply = await self._link.request(request, _STATE_PATIENCE)
        if not isinstance(reply, m.Devices):
            raise LinkError(f"the exporter answered {reply}")
        devices = [msgspec.to_builtins(device) for device in reply.devices]
        return {"total": reply.total, "device": devices}

    async def clear_statistics(self, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        """Count what is sent to a collector from zero again; raises as `export_now`."""
        return await self._act(m.ClearStatistics(collector=parameters["name"]))

    async def export_now(self, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        """Send a collector the counters of all interfaces now.

        Raises:
            LinkError: there is no exporter, or no such collector runs there.
        """
        return await self._act(m.ExportNow(collector=parameters["name"]))

    async def _act(self, message: m.ClearStatistics | m.ExportNow) -> Mapping[str, Any]:
        reply = await self._link.request(message, _STATE_PATIENCE)
        if not isinstance(reply, m.Done):
            raise LinkError(f"the exporter answered {reply}")
        return {}


def _read_address(text: str | None) -> str | None:
    try:
        return None if text is None else str(ipaddress.ip_address(text))
    except ValueError:
        raise ManagementError.single(
            ErrorTag.INVALID_VALUE, f"{text} is no address of IPv4 or IPv6"
        ) from None


def _read_number(name: str, text: str, least: int, most: int) -> int:
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise ManagementError.single(
            ErrorTag.INVALID_VALUE, f"{name} is a number from {least} to {most}, not {text[:20]}"
        )
    return int(text)


def _is_prefix(text: str) -> bool:
    """Tell what ip-prefix of RFC 6991 takes."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return "/" in text
