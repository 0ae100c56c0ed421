"""One connection of a router to the BMP station (RFC 7854, section 3), without a socket."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Final, Literal

import numpy as np

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.rib.sources import Kind
from flowexport_mgmt.wire import bgp, bmp

StripLocalAs = Literal["auto", "never", "always"]

_MOST_PEERS: Final = 1024
_KINDS: Final = {
    bmp.View.LOC_RIB: Kind.LOC_RIB,
    bmp.View.POST_POLICY: Kind.POST_POLICY,
    bmp.View.PRE_POLICY: Kind.PRE_POLICY,
}
_GLOBAL: Final = 0
_LOC_RIB: Final = 3


@dataclass(frozen=True, slots=True)
class Learned:
    """A router told of routes in one of the tables of a peer."""

    kind: Kind
    peer: PeerName
    update: bgp.Update | bgp.UpdateColumns


@dataclass(frozen=True, slots=True)
class PeerLost:
    """A session of the router ended, so that all routes of the peer are gone."""

    peer: PeerName


@dataclass(frozen=True, slots=True)
class Ended:
    """The connection is of no use any more."""

    reason: str


@dataclass(frozen=True, slots=True)
class PeerName:
    """A peer of the router; ``key`` is the same in each of its sessions."""

    key: Hashable
    address: str
    asn: int
    identifier: int


Event = Learned | PeerLost | Ended


@dataclass(slots=True)
class _Peer:
    """What is known of a peer: its decoders by the width of AS numbers, and the router's own AS."""

    name: PeerName
    local_as: int
    decoders: dict[bool, bgp.UpdateDecoder]


class Station:
    """The state of one connection.

    A router that tells of a peer without having told of its session (GoBGP of Loc-RIB) is
    believed: AS numbers have four octets then, and paths no identifier.
    """

    def __init__(self, strip_local_as: StripLocalAs) -> None:
        self.strip_local_as = strip_local_as
        self.name = ""
        self.description = ""
        self.local_as = 0
        """The AS of the router, when it has told of a session."""
        self.messages = 0
        self.faults = 0
        self.last_fault: str | None = None
        self._buffer = bytearray()
        self._peers: dict[Hashable, _Peer] = {}

    @property
    def peers(self) -> int:
        """How many peers it told of."""
        return len(self._peers)

    def receive(self, data: bytes) -> list[Event]:
        """Take octets that the router sent; no octets mean that it closed the connection."""
        if not data:
            return [Ended("the router closed the connection")]
        events: list[Event] = []
        self._buffer += data
        end = 0
        try:
            for part in bmp.split_runs(self._buffer):
                end = part.end
                if isinstance(part, bmp.Runs):
                    self.messages += part.messages
                    for run in part.runs:
                        self._take_run(run, events)
                    continue
                self.messages += 1
                if isinstance(part.message, DecodeError):
                    self._note(part.message)
                elif part.message is not None:
                    self._take(part.message, events)
        except DecodeError as error:
            self._note(error)
            events.append(Ended(str(error)))
        del self._buffer[:end]
        return events

    def _take(self, message: bmp.Message, events: list[Event]) -> None:
        match message:
            case bmp.RouteMonitoring() if message.peer.view in _KINDS:
                self._take_route(message, events)
            case bmp.PeerUp():
                self._take_up(message)
            case bmp.PeerDown() if (peer := self._peers.pop(message.peer.key, None)) is not None:
                events.append(PeerLost(peer.name))
            case bmp.Initiation():
                self.name, self.description = message.name, message.description
            case bmp.Termination():
                events.append(Ended("the router ended the session"))

    def _take_run(self, run: bmp.Run, events: list[Event]) -> None:
        """Take many routes of one table."""
        if run.peer.view not in _KINDS or (peer := self._enter(run.peer)) is None:
            return
        decoder = peer.decoders[not run.peer.legacy]
        for part in bgp.decode_plain(decoder, self._buffer, run.updates):
            if isinstance(part, bytes):
                self._take_route(bmp.RouteMonitoring(run.peer, part), events)
            else:
                told = self._strip_columns(peer, part)
                events.append(Learned(_KINDS[run.peer.view], peer.name, told))

    def _take_up(self, message: bmp.PeerUp) -> None:
        add_path = message.sent.add_path_receive & message.received.add_path_send
        if message.peer.kind == _LOC_RIB:
            add_path = message.sent.add_path_send | message.received.add_path_send
        peer = self._enter(message.peer)
        if peer is None:
            return
        peer.local_as = self.local_as = message.sent.asn
        peer.decoders = {
            wide: bgp.UpdateDecoder(four_octets=wide, add_path=add_path) for wide in (True, False)
        }

    def _take_route(self, message: bmp.RouteMonitoring, events: list[Event]) -> None:
        peer = self._enter(message.peer)
        if peer is None:
            return
        try:
            update = self._decode(peer, message)
        except DecodeError as error:
            self._note(error)
            return
        for fault in update.faults:
            self._note(fault)
        events.append(Learned(_KINDS[message.peer.view], peer.name, self._strip(peer, update)))

    def _decode(self, peer: _Peer, message: bmp.RouteMonitoring) -> bgp.Update:
        """Decode with the width that the flag tells; with the other one if that makes no sense."""
        wide = not message.peer.legacy
        update = peer.decoders[wide].decode(message.update)
        if any(fault.code == "as-path" for fault in update.faults):
            other = peer.decoders[not wide].decode(message.update)
            return update if other.faults else other
        return update

    def _strip(self, peer: _Peer, update: bgp.Update) -> bgp.Update:
        """Take away what FRR puts before each path: its own AS, which no peer of it can say."""
        told = update.attributes
        if told is None or self.strip_local_as == "never" or peer.name.key[0] == _LOC_RIB:  # type: ignore[index] # it is a tuple
            return update
        first = told.as_path[0][1] if told.as_path and told.as_path[0][0] else ()
        if not first or first[0] != peer.local_as:
            return update
        is_doubled = first[1:2] == (peer.name.asn,) and peer.name.asn != peer.local_as
        if self.strip_local_as == "auto" and not is_doubled:
            return update
        rest = ((True, first[1:]),) if len(first) > 1 else ()
        return replace(update, attributes=replace(told, as_path=(*rest, *told.as_path[1:])))

    def _strip_columns(self, peer: _Peer, update: bgp.UpdateColumns) -> bgp.UpdateColumns:
        """Do the same with paths that came as columns, each of which is one sequence."""
        if self.strip_local_as == "never" or peer.name.key[0] == _LOC_RIB:  # type: ignore[index] # it is a tuple
            return update
        paths = update.sets.paths
        words = np.append(paths.words, np.zeros(2, np.uint32))
        begins = np.cumsum(paths.counts) - paths.counts
        chosen = (paths.counts > 0) & (words[begins] == peer.local_as)
        if self.strip_local_as == "auto":
            is_other = peer.name.asn != peer.local_as
            chosen &= (paths.counts > 1) & (words[begins + 1] == peer.name.asn) & is_other
        return replace(update, sets=update.sets.skip_first(chosen)) if chosen.any() else update

    def _enter(self, told: bmp.Peer) -> _Peer | None:
        """Give what is known of a peer; None when there are too many."""
        peer = self._peers.get(told.key)
        if peer is None:
            if len(self._peers) >= _MOST_PEERS:
                self._note(DecodeError("peers", f"more than {_MOST_PEERS} peers"))
                return None
            decoders = {wide: bgp.UpdateDecoder(four_octets=wide) for wide in (True, False)}
            peer = self._peers[told.key] = _Peer(_name(told), self.local_as, decoders)
        return peer

    def _note(self, error: DecodeError) -> None:
        self.faults += 1
        self.last_fault = str(error)


def _name(peer: bmp.Peer) -> PeerName:
    address = str(ip_address(peer.address)) if peer.address else ""
    return PeerName(peer.key, address, peer.asn, peer.identifier)
