"""Messages of BMP (RFC 7854, section 4)."""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire import bgp

_COMMON: Final = struct.Struct("!BIB")
_PEER: Final = struct.Struct("!BBQ16sIIII")
_PEER_UP: Final = struct.Struct("!16sHH")
_TLV: Final = struct.Struct("!HH")
_MOST_OCTETS: Final = 1 << 17
"""What a message may come to: two OPENs of the greatest length, and room for what is told."""
_MOST_BGP: Final = 0xFFFF
_IS_IPV6, _IS_POST_POLICY, _IS_LEGACY, _IS_OUT = 0x80, 0x40, 0x20, 0x10
_LOC_RIB: Final = 3
_MOST_TEXT: Final = 255


class View(enum.IntEnum):
    """Which table of the router a route is in; the better one to believe is lower."""

    LOC_RIB = 0
    POST_POLICY = 1
    PRE_POLICY = 2
    OUT = 3
    """What the router tells others (RFC 8671), which is no table of its own."""


class Peer(NamedTuple):
    """The peer of the router that a message speaks of.

    ``distinguisher`` tells peers of the same address apart; ``address`` is 4 or 16 octets, empty
    for Loc-RIB. ``view`` and ``legacy`` (AS numbers of 2 octets) are of the message.
    """

    kind: int
    distinguisher: int
    address: bytes
    asn: int
    identifier: int
    view: View
    legacy: bool

    @property
    def key(self) -> tuple[int, int, bytes]:
        """What is the same in all messages of a peer: GoBGP's flags and identifiers vary."""
        return self.kind, self.distinguisher, self.address


@dataclass(frozen=True, slots=True)
class RouteMonitoring:
    """An UPDATE that a peer sent, or that describes a table; its body."""

    peer: Peer
    update: bytes


@dataclass(frozen=True, slots=True)
class PeerUp:
    """A session of the router began with these OPENs: the one that it sent, and what it got."""

    peer: Peer
    sent: bgp.Open
    received: bgp.Open


@dataclass(frozen=True, slots=True)
class PeerDown:
    """A session of the router ended."""

    peer: Peer
    reason: int


@dataclass(frozen=True, slots=True)
class StatisticsReport:
    """Counters of the router, which are not kept."""

    peer: Peer


@dataclass(frozen=True, slots=True)
class Initiation:
    """What the router calls itself."""

    name: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Termination:
    """The router will close the connection; the reason is a number, None where it gave none."""

    reason: int | None = None


Message = RouteMonitoring | PeerUp | PeerDown | StatisticsReport | Initiation | Termination


class Frame(NamedTuple):
    """One message and where it ends in the buffer.

    ``message`` is the error of a message that is damaged in itself: those after it can be read.
    It is None for messages that nobody here is interested in.
    """

    message: Message | DecodeError | None
    end: int


def split(data: bytes | bytearray, *, begin: int = 0) -> Iterator[Frame]:
    """Yield the whole messages that are in a buffer from ``begin`` on.

    Raises:
        DecodeError: where the next message begins cannot be told; the connection is of no use.
    """
    at = begin
    while len(data) - at >= _COMMON.size:
        version, length, kind = _COMMON.unpack_from(data, at)
        if version != 3:
            raise DecodeError("version", f"BMP version {version}", at)
        if not _COMMON.size <= length <= _MOST_OCTETS:
            raise DecodeError("message-length", f"a message of {length} octets", at)
        if len(data) - at < length:
            return
        body = bytes(data[at + _COMMON.size : at + length])
        at += length
        yield Frame(_decode_safely(kind, body), at)


def _decode_safely(kind: int, body: bytes) -> Message | DecodeError | None:
    try:
        return _decode(kind, body)
    except DecodeError as error:
        return error


def _decode(kind: int, body: bytes) -> Message | None:
    decode = _DECODERS.get(kind)
    return None if decode is None else decode(body)


def _decode_monitoring(body: bytes) -> RouteMonitoring:
    return RouteMonitoring(decode_peer(body), _decode_update(body[_PEER.size :]))


def _decode_initiation(body: bytes) -> Initiation:
    told = dict(_split_values(body))
    return Initiation(_text(told.get(2, b"")), _text(told.get(1, b"")))


def _decode_termination(body: bytes) -> Termination:
    reason = dict(_split_values(body)).get(1, b"")
    return Termination(int.from_bytes(reason) if len(reason) == 2 else None)


def decode_peer(body: bytes) -> Peer:
    """Decode what begins most messages (RFC 7854, section 4.2).

    Raises:
        DecodeError: it is cut off.
    """
    if len(body) < _PEER.size:
        raise DecodeError("peer-header", f"a message of {len(body)} octets has no peer")
    kind, flags, distinguisher, address, asn, identifier, *_ = _PEER.unpack_from(body)
    if kind == _LOC_RIB:
        return Peer(kind, distinguisher, b"", asn, identifier, View.LOC_RIB, legacy=False)
    view = View.POST_POLICY if flags & _IS_POST_POLICY else View.PRE_POLICY
    if flags & _IS_OUT:
        view = View.OUT
    packed = address if flags & _IS_IPV6 else address[12:]
    return Peer(kind, distinguisher, packed, asn, identifier, view, bool(flags & _IS_LEGACY))


def _decode_update(data: bytes) -> bytes:
    (frame,) = _messages(data, (bgp.MessageType.UPDATE,))
    return frame


def _decode_peer_down(body: bytes) -> PeerDown:
    peer = decode_peer(body)
    if len(body) == _PEER.size:
        raise DecodeError("peer-down", "there is no reason")
    return PeerDown(peer, body[_PEER.size])


def _decode_peer_up(body: bytes) -> PeerUp:
    peer = decode_peer(body)
    begin = _PEER.size + _PEER_UP.size
    if len(body) < begin:
        raise DecodeError("peer-up", f"{len(body)} octets")
    kinds = (bgp.MessageType.OPEN, bgp.MessageType.OPEN)
    sent, received = map(bgp.decode_open, _messages(body[begin:], kinds))
    return PeerUp(peer, sent, received)


def _messages(data: bytes, kinds: tuple[bgp.MessageType, ...]) -> list[bytes]:
    """Take the messages of BGP that something begins with, which have to be of these types."""
    found: list[bytes] = []
    for frame, kind in zip(bgp.split(data, _MOST_BGP), kinds, strict=False):
        if frame.kind is not kind:
            raise DecodeError("bgp-message", f"{frame.kind.name} in the place of {kind.name}")
        found.append(frame.body)
    if len(found) != len(kinds):
        raise DecodeError("bgp-message", "a message of BGP is cut off")
    return found


def _split_values(body: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while len(body) - at >= _TLV.size:
        kind, length = _TLV.unpack_from(body, at)
        at += _TLV.size + length
        if at > len(body):
            raise DecodeError("value-length", f"a value of {length} octets is cut off")
        yield kind, body[at - length : at]


def _text(octets: bytes) -> str:
    text = octets[:_MOST_TEXT].decode("utf-8", "replace")
    return "".join(character if character.isprintable() else " " for character in text).strip()


_DECODERS: Final[dict[int, Callable[[bytes], Message]]] = {
    0: _decode_monitoring,
    1: lambda body: StatisticsReport(decode_peer(body)),
    2: _decode_peer_down,
    3: _decode_peer_up,
    4: _decode_initiation,
    5: _decode_termination,
}
