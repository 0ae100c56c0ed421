"""A group of simulated devices: who speaks when, and what each has said so far."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import numpy as np

from flowexport_mgmt.simulator.draw import make_generator
from flowexport_mgmt.simulator.flows import FlowTable
from flowexport_mgmt.simulator.formats import Format
from flowexport_mgmt.simulator.places import Places
from flowexport_mgmt.simulator.sent import Sent
from flowexport_mgmt.simulator.settings import GroupSettings
from flowexport_mgmt.simulator.voice import make_voice
from flowexport_mgmt.wire.fleet import FleetDatagrams
from flowexport_mgmt.wire.flows.fields import ExportTime

_NEVER_MS: Final = 1 << 62


class Group:
    """The devices of one group; nothing here knows a clock or a socket.

    Device ``i`` of ``n`` speaks in each tick when ``i / n`` of it is over, so that the group's
    datagrams are spread over the tick.

    Args:
        settings: what the devices are.
        time: the time.
        before: the group whose place this one takes; what they have in common goes on.
    """

    def __init__(
        self, settings: GroupSettings, time: ExportTime, before: Group | None = None
    ) -> None:
        self.settings = settings
        self.addresses = settings.pack_addresses()
        self.present = settings.find_present()
        self.devices = int(self.present.sum())
        self.late_turns = 0
        self.sent = Sent.nothing(settings.count)
        self.voice = make_voice(settings, self.addresses)
        self._begin_ms = time.time_ms
        self._spoken = 0  # device turns since the beginning
        if before is not None:
            self._go_on(before)
        self.flows = self._take_flows(before, time)

    def advance(self, time: ExportTime) -> list[FleetDatagrams]:
        """Make the datagrams of every device whose turn has come since the last call.

        A device that missed turns, because nobody called, makes up for them with one.
        """
        size = self.settings.count
        turns = max(0, time.time_ms - self._begin_ms) * size // self.settings.tick_ms
        first = max(self._spoken, turns - size)
        self.late_turns += first - self._spoken
        self._spoken = max(self._spoken, turns)
        if not self.devices:
            return []
        return [
            datagrams
            for devices in _slices(first, turns, size)
            for datagrams in self._speak(devices, time)
            if len(datagrams)
        ]

    def due_ms(self) -> int:
        """Give the Unix time of the next turn."""
        if not self.devices:
            return _NEVER_MS
        return self._turn_ms(self._spoken + 1)

    def rest(self, time: ExportTime) -> None:
        """Let the next turn be the one that would have been next: those of a pause are none."""
        late = time.time_ms - self._turn_ms(self._spoken + 1)
        if late > 0:
            self._begin_ms += late

    def _turn_ms(self, turn: int) -> int:
        return self._begin_ms - (-turn * self.settings.tick_ms // self.settings.count)

    def _speak(self, devices: slice, time: ExportTime) -> Iterator[FleetDatagrams]:
        export = self.flows.report(devices, self._seen_ms(time))
        speaking = np.flatnonzero(self.present[devices]) + devices.start
        return self.voice.speak(export, speaking, time)

    def _seen_ms(self, time: ExportTime) -> int:
        """Give the time up to which flows are told of: IPFIX tells its own in whole seconds."""
        is_whole = self.settings.format is Format.IPFIX
        return time.time_s * 1000 if is_whole else time.time_ms

    # -- taking the place of another

    def _go_on(self, before: Group) -> None:
        """Let the devices of both count on, and keep their turns where the tick stays the same."""
        old, new = before.settings, self.settings
        if old.first == new.first and (old.count, old.tick_ms) == (new.count, new.tick_ms):
            self._begin_ms, self._spoken = before._begin_ms, before._spoken
            self.late_turns = before.late_turns
        begin, end = _common(old, new)
        same_session = (old.format, old.collector) == (new.format, new.collector)
        if begin <= end and same_session:
            mine = slice(begin - int(new.first), end - int(new.first) + 1)
            theirs = slice(begin - int(old.first), end - int(old.first) + 1)
            self.voice.go_on(before.voice, mine, theirs)
            self.sent.go_on(before.sent, mine, theirs)

    def _take_flows(self, before: Group | None, time: ExportTime) -> FlowTable:
        """Keep the flows of devices that stay as they are; others begin in the midst of theirs."""
        absent = np.flatnonzero(~self.present)
        if before is None or _traffic(before.settings) != _traffic(self.settings):
            flows = self._make_flows(time)
        else:
            flows = before.flows
            flows.timeouts = self.settings.timeouts
            flows.revive(np.flatnonzero(self.present & ~before.present), time.time_ms)
        flows.silence(absent)
        return flows

    def _make_flows(self, time: ExportTime) -> FlowTable:
        settings = self.settings
        generator = make_generator(settings.seed, settings.name)
        version = _flow_version(settings)
        places = Places(settings.count, settings.number, settings.interfaces, version)
        return FlowTable(settings.role, places, settings.timeouts, generator, time.time_ms)


def _common(one: GroupSettings, other: GroupSettings) -> tuple[int, int]:
    """Give the first and the last address that both have, as numbers; none where they fall."""
    if one.first.version != other.first.version:
        return 1, 0
    return max(int(one.first), int(other.first)), min(int(one.last), int(other.last))


def _traffic(settings: GroupSettings) -> tuple[object, ...]:
    """Give all that the flows of a group follow from, but timeouts."""
    version = _flow_version(settings)
    place = settings.first, settings.count, settings.interfaces, version
    return settings.name, settings.seed, settings.role, *place


def _flow_version(settings: GroupSettings) -> Literal[4, 6]:
    """Flows are of the devices' own address family where the format has records for it."""
    plain = settings.format is Format.NETFLOW5 or (
        settings.classic and settings.format is not Format.SFLOW
    )
    return 4 if plain or settings.first.version == 4 else 6


def _slices(first: int, last: int, size: int) -> Iterator[slice]:
    """Give the devices whose turns are those from ``first`` to before ``last``; a round at most."""
    if last <= first:
        return
    begin, count = first % size, last - first
    yield slice(begin, min(size, begin + count))
    if begin + count > size:
        yield slice(0, begin + count - size)
