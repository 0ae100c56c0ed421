"""All groups and all collectors; the time is an argument."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from flowexport_mgmt.simulator.formats import Endpoint
from flowexport_mgmt.simulator.group import Group
from flowexport_mgmt.simulator.network import Network, Surroundings
from flowexport_mgmt.simulator.outlet import Outlet
from flowexport_mgmt.simulator.settings import FleetSettings, GroupSettings
from flowexport_mgmt.wire.flows.fields import ExportTime

PERIOD_MS: Final = 50
"""Devices whose turns come within this time are seen to together, at least,"""
_LONGEST_PERIOD_MS: Final = 1000
"""and at most within this, where they are few: a look costs much the same however many they are."""
_TURNS: Final = 256
"""Turns that make a look worth its cost."""
_LOOKS: Final = 5
"""In so many parts each tick leaves, at least."""
_SLICE_MS: Final = 5
"""What they have to say leaves in steps of this length within that time, at least,"""
_LONGEST_SLICE_MS: Final = 50
"""and at most of this, where it is little."""
_SEND: Final = 16
"""Datagrams that make a step worth its cost."""
_RETRY_MS: Final = 10_000
_LONGEST_MS: Final = 1000
_WAIT_MS: Final = 1000
"""How long a change waits for datagrams of a slow collector."""
_ROUNDING: Final = 1e-6


class Fleet:
    """Leads groups to speak in time and their datagrams to leave evenly.

    A collector that the kernel takes nothing for holds up its own groups only: their devices miss
    turns. Not safe to use from two threads.
    """

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._settings = FleetSettings()
        self._wanted: FleetSettings | None = None
        self._network: Network | None = None
        self._next_ms = 0
        self._period_ms = PERIOD_MS
        self._slice_ms = _SLICE_MS
        self._send_ms = 0
        self._retry_ms: int | None = None
        self._spent_ms = 0.0  # the time up to which datagrams are allowed by the rate limit
        self._late_turns = 0
        self.groups: dict[str, Group] = {}
        self.outlets: dict[Endpoint, Outlet] = {}

    # -- configuration

    @property
    def settings(self) -> FleetSettings:
        """What runs."""
        return self._settings

    @property
    def late_turns(self) -> int:
        """Turns of devices that were passed over."""
        return self._late_turns + sum(group.late_turns for group in self.groups.values())

    def configure(self, settings: FleetSettings) -> None:
        """Run by other settings as soon as nothing waits to be sent.

        Groups that are the same in both feel nothing.
        """
        self._wanted = settings

    def _change(self, settings: FleetSettings, time: ExportTime) -> None:
        before, self._settings, self._wanted = self._settings, settings, None
        groups = {group.name: self._take(group, time) for group in settings.groups}
        for name, group in self.groups.items():
            if name not in groups:
                self._late_turns += group.late_turns
        self.groups = groups
        self._period_ms = choose_period(settings)
        if settings.enabled and not before.enabled:
            for group in groups.values():
                group.rest(time)
        self._open(time)

    def _take(self, settings: GroupSettings, time: ExportTime) -> Group:
        before = self.groups.get(settings.name)
        if before is not None and before.settings == settings:
            return before
        return Group(settings, time, before)

    def _open(self, time: ExportTime) -> None:
        """Have a network, source addresses and sockets, as far as they can be had."""
        settings = self._settings
        speaking = [g for g in settings.groups if g.collector is not None]
        network = self._network
        if network is not None and (network.name != settings.namespace or network.reason):
            self._leave()  # what could not be had before can perhaps be had by now
        if self._network is None and speaking:
            self._network = Network(settings.namespace, self._surroundings)
        shared: Mapping[str, str] = {}
        if self._network is not None:
            wanted = speaking if settings.per_device else []
            shared = self._network.provide(wanted)
        self._open_outlets(speaking, shared)
        broken = shared or any(o.reason for o in self.outlets.values())
        self._retry_ms = time.time_ms + _RETRY_MS if broken else None

    def _open_outlets(self, speaking: Iterable[GroupSettings], shared: Mapping[str, str]) -> None:
        by_endpoint: dict[Endpoint, list[str]] = {}
        for group in speaking:
            if group.collector is not None:
                by_endpoint.setdefault(group.collector, []).append(group.name)
                self.outlets.setdefault(group.collector, Outlet()).expect(group.format)
        for endpoint, outlet in self.outlets.items():
            if endpoint not in by_endpoint:
                outlet.drop()
                outlet.close()
                outlet.reason, outlet.shared = None, {}
        for endpoint, names in by_endpoint.items():
            outlet = self.outlets[endpoint]
            reasons = shared if self._settings.per_device else dict.fromkeys(names, "")
            outlet.shared = {name: reasons[name] for name in names if name in reasons}
            if outlet.sender is None:
                self._open_outlet(endpoint, outlet)

    def _open_outlet(self, endpoint: Endpoint, outlet: Outlet) -> None:
        outlet.reason = None
        try:
            if self._network is not None:
                outlet.sender = self._network.open(endpoint)
        except OSError as error:
            outlet.reason = f"no socket: {error.strerror}"

    def _leave(self) -> None:
        for outlet in self.outlets.values():
            outlet.close()
        if self._network is not None:
            self._network.close()
            self._network = None

    def close(self) -> None:
        """Close every socket, and leave the network as it was."""
        for outlet in self.outlets.values():
            outlet.drop()
        self._leave()

    # -- work

    def work(self, time: ExportTime) -> int:
        """Do what is to be done by now; give the milliseconds until there is more."""
        now = time.time_ms
        if self._wanted is not None:
            self._hasten(now)
        if self._wanted is not None and (not self._pending() or now >= self._next_ms + _WAIT_MS):
            self._change(self._wanted, time)
            self._next_ms = now
        if self._retry_ms is not None and now >= self._retry_ms:
            self._open(time)
        if now >= self._next_ms and self._wanted is None:
            self._next_ms = now + self._period_ms
            if self._settings.enabled:
                self._advance(time)
            self._slice_ms = self._choose_slice()
        if now >= self._send_ms:
            self._send_ms = now + self._slice_ms
            self._send(time)
        return max(1, self._send_ms - now) if self._pending() else self._rest_ms(now)

    def _hasten(self, now: int) -> None:
        """Let what waits be gone soon, since a change waits for it."""
        self._next_ms = min(self._next_ms, now + PERIOD_MS)
        self._slice_ms = _SLICE_MS
        self._send_ms = min(self._send_ms, now + _SLICE_MS)

    def _choose_slice(self) -> int:
        each_ms = _SEND * self._period_ms // max(1, self._pending())
        return min(max(each_ms, _SLICE_MS), _LONGEST_SLICE_MS)

    def _pending(self) -> int:
        return sum(outlet.pending for outlet in self.outlets.values())

    def _advance(self, time: ExportTime) -> None:
        for group in self.groups.values():
            endpoint = group.settings.collector
            if endpoint is None or group.due_ms() > time.time_ms:
                continue
            outlet = self.outlets[endpoint]
            if outlet.pending and not self._is_new(outlet, time):
                continue
            for datagrams in group.advance(time):
                outlet.take(group, datagrams, time.time_ms)

    @staticmethod
    def _is_new(outlet: Outlet, time: ExportTime) -> bool:
        """Tell whether all that waits came with this very period."""
        return outlet.filled_ms == time.time_ms

    def _send(self, time: ExportTime) -> None:
        """Send a share of what waits, so that all of it is gone when the period is over."""
        now, pending = time.time_ms, self._pending()
        if not pending:
            return
        each_ms = 1000 / self._settings.rate_limit
        self._spent_ms = max(self._spent_ms, now - max(2 * self._slice_ms, each_ms))
        steps = max(1, (self._next_ms - now) // self._slice_ms)
        most = min(-(-pending // steps), int((now - self._spent_ms) / each_ms + _ROUNDING))
        for outlet in self.outlets.values():
            share = -(-most * outlet.pending // pending)  # so that none starves another
            self._spent_ms += outlet.send(share, time.time_ns) * each_ms

    def _rest_ms(self, now: int) -> int:
        """Give the time until the next turn, but at least until the period is over."""
        if not self._settings.enabled:
            return _LONGEST_MS
        due = min(
            (g.due_ms() for g in self.groups.values() if g.settings.collector is not None),
            default=now + _LONGEST_MS,
        )
        self._next_ms = max(self._next_ms, min(due, now + _LONGEST_MS))
        return max(1, self._next_ms - now)


def choose_period(settings: FleetSettings) -> int:
    """Give the milliseconds between two looks at whose turn it is: longer where turns are few."""
    speaking = [group for group in settings.groups if group.collector is not None]
    if not speaking:
        return PERIOD_MS
    turns = sum(group.count / group.tick_ms for group in speaking)
    shortest = min(group.tick_ms for group in speaking) // _LOOKS
    return max(PERIOD_MS, min(_LONGEST_PERIOD_MS, shortest, int(_TURNS / turns)))
