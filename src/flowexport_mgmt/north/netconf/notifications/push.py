"""Subscriptions to the contents of a datastore (RFC 8641)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from flowexport_mgmt.datastore.notifiable import is_notifiable
from flowexport_mgmt.errors import ManagementError
from flowexport_mgmt.north.netconf import names
from flowexport_mgmt.north.netconf.evaluation import Printed
from flowexport_mgmt.north.netconf.notifications.client import Client
from flowexport_mgmt.north.netconf.notifications.difference import Edit, difference
from flowexport_mgmt.north.netconf.notifications.lifecycle import Style, Subscription
from flowexport_mgmt.north.netconf.notifications.records import Record, now
from flowexport_mgmt.north.netconf.notifications.snapshots import Snapshots
from flowexport_mgmt.north.netconf.notifications.stream import Stream
from flowexport_mgmt.north.netconf.reading import Filter
from flowexport_mgmt.north.netconf.shaping import Shape, print_shaped
from flowexport_mgmt.observe.log import LimitedLogger
from flowexport_mgmt.schema.nodes import SchemaNode

_log = LimitedLogger(logging.getLogger(__name__))

OPERATIONAL: Final = "operational"
_BREATH: Final = 0.05
"""Seconds between two looks at what changed, however much happens."""
_COMMIT: Final = "ietf-netconf-notifications:netconf-config-change"


@dataclass(frozen=True, slots=True)
class Periodic:
    """Everything every ``period`` centiseconds, counted from ``anchor`` or from now on."""

    period: int
    anchor: datetime | None = None

    @property
    def seconds(self) -> float:
        """The period in seconds."""
        return self.period / 100

    def first(self, time: datetime) -> float:
        """Give the seconds from a time to the first update after it."""
        if self.anchor is None:
            return 0
        return (self.anchor - time).total_seconds() % self.seconds


@dataclass(frozen=True, slots=True)
class OnChange:
    """What changed, at most every ``dampening`` centiseconds; everything first with ``sync``.

    Kinds of changes in ``excluded`` are not told.
    """

    dampening: int = 0
    sync: bool = True
    excluded: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Selection:
    """What of which datastore is wanted."""

    datastore: str
    chosen: Filter | None = None


class PushSubscription(Subscription):
    """Sends the selection, or what changed of it.

    A client that does not read gets fewer updates, each with the contents of its time: nothing
    waits for it but the one that is being sent.
    """

    def __init__(
        self,
        client: Client,
        *,
        number: int,
        style: Style,
        selection: Selection,
        trigger: Periodic | OnChange,
        stop: datetime | None,
        stream: Stream,
        snapshots: Snapshots,
        schemas: Mapping[str, SchemaNode],
        on_end: Callable[[], None],
    ) -> None:
        super().__init__(client, style, stop, on_end)
        self.selection = selection
        self.trigger = trigger
        self._number = number
        self._stream = stream
        self._snapshots = snapshots
        self._schemas = schemas
        self._wake = asyncio.Event()
        self._whole = isinstance(trigger, OnChange) and trigger.sync
        self._last = b""
        self._patches = 0

    def listen(self) -> None:
        """Take note of changes."""
        if isinstance(self.trigger, OnChange):
            self._stream.listen(self, self._note)

    def unlisten(self) -> None:
        """Take note of nothing more."""
        self._stream.forget(self)

    def modify(
        self, selection: Selection, trigger: Periodic | OnChange, stop: datetime | None
    ) -> None:
        """Go on with another selection, period or dampening."""
        self.selection = selection
        self.trigger = trigger
        self.stop_at(stop)
        self.resync()

    def resync(self) -> None:
        """Send the whole selection once more."""
        self._whole = True
        self._wake.set()

    def _note(self, record: Record) -> None:
        if self.selection.datastore == OPERATIONAL or record.name == _COMMIT:
            self._wake.set()

    async def prepare(self) -> None:
        """Look at what there is, to know what changes."""
        if isinstance(self.trigger, OnChange) and not self._whole:
            self._last = await self._notifiable()

    async def run(self) -> None:
        """Send updates."""
        try:
            while True:
                if isinstance(self.trigger, Periodic):
                    await self._send_periodically(self.trigger)
                else:
                    await self._send_update(self.trigger)
        except ManagementError as error:
            who = self.client.session
            _log.log(logging.WARNING, who.user, "a filter of session %d: %s", who.id, error)
            self.terminate("filter-unavailable")

    async def _send_periodically(self, trigger: Periodic) -> None:
        """Send everything at each tick until the terms change; ticks that are missed are left."""
        loop = asyncio.get_running_loop()
        due = loop.time() + trigger.first(now())
        self._wake.clear()
        while not await self._woken_by(due):
            document = await self._document()
            chosen = self.selection.chosen
            await self._send_all(await self._snapshots.reader.filtered(document, chosen))
            late = max(loop.time() - due, 0)
            due += trigger.seconds * (1 + late // trigger.seconds)

    async def _woken_by(self, due: float) -> bool:
        """Wait until a time of the event loop; True when the terms changed before."""
        try:
            async with asyncio.timeout_at(due):
                await self._wake.wait()
        except TimeoutError:
            return False
        return True

    async def _send_update(self, trigger: OnChange) -> None:
        """Wait for a change, send it, and keep still for a while."""
        if not self._whole:
            await self._wake.wait()
        self._wake.clear()
        if self._whole:
            self._whole = False
            self._last = await self._notifiable()
            await self._send_all(self._last)
        else:
            await self._send_changes(trigger, await self._notifiable())
        await asyncio.sleep(max(trigger.dampening / 100, _BREATH))

    async def _document(self) -> Printed:
        """Read the datastore as it is now."""
        paths = self._snapshots.reader.paths_of(self.selection.chosen)
        return await self._snapshots.take(self.client.session, self.selection.datastore, paths)

    async def _notifiable(self) -> bytes:
        """Print what has its changes told of the selection, as it is now."""
        document, chosen = await self._document(), self.selection.chosen
        if self.selection.datastore != OPERATIONAL:
            return await self._snapshots.reader.filtered(document, chosen)
        selected = await self._snapshots.reader.select(document, chosen)
        shape = Shape(only=is_notifiable)
        return print_shaped(document.data, selected, shape, self._schemas)

    async def _send_all(self, contents: bytes) -> None:
        await self._send("push-update", b"<datastore-contents>%b</datastore-contents>" % contents)

    async def _send_changes(self, trigger: OnChange, new: bytes) -> None:
        if new == self._last:
            return
        edits = difference(Printed(self._last).data, Printed(new).data, self._schemas)
        self._last = new
        told = [edit for edit in edits if edit.operation not in trigger.excluded]
        self.excluded += bool(edits) and not told
        if told:
            patch = _patch(self._patches, told)
            self._patches += 1
            await self._send("push-change-update", patch)

    async def _send(self, name: str, content: bytes) -> None:
        xml = b'<%b xmlns="%b"><id>%d</id>%b</%b>'
        tag = name.encode()
        await self.tell(xml % (tag, names.PUSH.encode(), self._number, content, tag))
        self.sent += 1


def _patch(number: int, edits: list[Edit]) -> bytes:
    written = b"".join(
        b"<edit>%b</edit>" % b"".join(edit.render(count)) for count, edit in enumerate(edits, 1)
    )
    return (
        b"<datastore-changes><yang-patch><patch-id>%d</patch-id>%b</yang-patch>"
        b"</datastore-changes>" % (number, written)
    )
