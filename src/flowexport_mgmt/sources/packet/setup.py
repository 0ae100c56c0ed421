"""Packet sockets on the interfaces that are to be sampled, brought about step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.sources.packet.capture import Capture, Setting, Spot
from flowexport_mgmt.sources.packet.reader import Reader
from flowexport_mgmt.sources.ports import Port, Ports
from flowexport_mgmt.sources.sampling import (
    NOT_THERE,
    START_WITH_PRIVILEGE,
    UP,
    Fares,
    Mishaps,
    Standing,
    TakeBatch,
    Totals,
    Wanted,
    overall,
)

NOT_PERMITTED: Final = f"packet socket: not permitted: it needs CAP_NET_RAW: {START_WITH_PRIVILEGE}"
_STOP_S: Final = 0.4


class PacketSockets:
    """Sampling by packet sockets, whose filters choose at random which packets they receive."""

    def __init__(self, take: TakeBatch, epochs: Iterator[int]) -> None:
        self._take = take
        self._epochs = epochs
        self._ports = Ports()
        self._reader: Reader | None = None
        self._captures: dict[str, Capture] = {}
        self._foreign = 0  # of captures that are closed

    def bring_about(self, wanted: Sequence[Wanted]) -> Standing:
        """Do what can be done, and say how things stand then."""
        for name in self._captures.keys() - {one.name for one in wanted}:
            self._close(name)
        if not wanted:
            self.undo()
            return Standing()
        fares = {one: self._settle(one) for one in wanted}
        return Standing(overall(fares), fares)

    def undo(self) -> None:
        """Sample nothing any more."""
        for name in tuple(self._captures):
            self._close(name)
        if self._reader is not None:
            self._reader.stop(_STOP_S)
            self._reader = None

    def close(self) -> None:
        """Release the socket by which interfaces are looked up."""
        self._ports.close()

    def totals(self) -> Mapping[str, Totals]:
        """Tell what was sampled, by interface."""
        counted = [(name, capture.counters) for name, capture in tuple(self._captures.items())]
        return {name: Totals(c.samples, c.drops, c.pool) for name, c in counted}

    def mishaps(self) -> Mishaps:
        """Tell what came and was of no use."""
        held = sum(capture.counters.foreign for capture in tuple(self._captures.values()))
        return Mishaps(foreign=self._foreign + held)

    def _settle(self, wanted: Wanted) -> Fares:
        try:
            port = self._ports.find(wanted.name)
        except OSError as error:
            return OperStatus.DOWN, f"rtnetlink: {error.strerror}"
        capture = self._captures.get(wanted.name)
        if capture is not None and not (port and capture.is_at(wanted.name, port.ifindex)):
            self._close(wanted.name)
            capture = None
        if port is None:
            return NOT_THERE
        try:
            self._sample(wanted, port, capture)
        except PermissionError:
            return OperStatus.DEGRADED, NOT_PERMITTED
        except OSError as error:
            return OperStatus.DOWN, f"packet socket: {error.strerror}"
        return UP

    def _sample(self, wanted: Wanted, port: Port, capture: Capture | None) -> None:
        setting = Setting(wanted.rate, wanted.trunc, wanted.ingress, wanted.egress)
        if self._reader is None:
            self._reader = Reader(self._take)
            self._reader.start()
        if capture is None:
            spot = Spot(port.ifindex, next(self._epochs), port.vlan)
            capture = self._captures[wanted.name] = Capture(spot, setting)
            self._reader.add(capture)
        elif capture.setting != setting:
            self._reader.retune(capture, setting)

    def _close(self, name: str) -> None:
        capture = self._captures.pop(name)
        if self._reader is not None:
            self._reader.remove(capture)
        self._foreign += capture.counters.foreign
