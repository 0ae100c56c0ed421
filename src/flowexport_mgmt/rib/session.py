"""One session of BGP with a peer that connected to us (RFC 4271, section 8), without a socket.

We receive routes and send none. Bytes and the time, monotonic seconds, are arguments.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Final

from flowexport_mgmt.wire import bgp
from flowexport_mgmt.wire.bgp import BgpError, ErrorCode, MessageType, Version

HOLD_TIME: Final = 90
_OPEN_WAIT_S: Final = 60.0
_RESTART_TIME: Final = 120
_KEEPALIVES: Final = 3
_VERSION_OF_AFI: Final[dict[int, Version]] = {1: 4, 2: 6}
_BEGIN, _END = 1, 2
_FAMILIES: Final[frozenset[Version]] = frozenset((4, 6))

CEASE_SHUTDOWN: Final = 2
CEASE_DECONFIGURED: Final = 3
CEASE_REJECTED: Final = 5
CEASE_REPLACED: Final = 7


class State(enum.StrEnum):
    """The states of a session that the peer opens."""

    OPEN_SENT = "open-sent"
    OPEN_CONFIRM = "open-confirm"
    ESTABLISHED = "established"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """What both sides are expected to be; ``identifier`` is ours."""

    local_as: int
    peer_as: int
    identifier: int


@dataclass(frozen=True, slots=True)
class Established:
    """The session is up."""

    peer: bgp.Open


@dataclass(frozen=True, slots=True)
class RefreshBegins:
    """All routes of a family are told anew from here on (RFC 7313)."""

    version: Version


@dataclass(frozen=True, slots=True)
class RefreshEnds:
    """They have been told."""

    version: Version


@dataclass(frozen=True, slots=True)
class Closed:
    """The session is over; the connection is to be closed once everything was sent."""

    reason: str


Event = Established | bgp.Update | bgp.UpdateColumns | RefreshBegins | RefreshEnds | Closed


class Session:
    """The state of one connection.

    ``receive`` and ``tick`` give what happened, ``data_to_send`` what the peer gets for it.
    """

    def __init__(self, settings: SessionSettings, now: float) -> None:
        self.state = State.OPEN_SENT
        self.peer: bgp.Open | None = None
        self.hold_time = 0.0
        self._settings = settings
        self._buffer = bytearray()
        self._outgoing = bytearray(bgp.encode_open(_our_open(settings)))
        self._decoder = bgp.UpdateDecoder()
        self._expires = now + _OPEN_WAIT_S
        self._keepalive_at = math.inf

    @property
    def timer(self) -> float:
        """When `tick` is to be called at the latest."""
        return min(self._expires, self._keepalive_at)

    def data_to_send(self) -> bytes:
        """Take what is to be sent."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Take octets that the peer sent; no octets mean that it closed the connection."""
        if self.state is State.CLOSED:
            return []
        if not data:
            return [self._close("the peer closed the connection")]
        events: list[Event] = []
        self._buffer += data
        end = 0
        try:
            for part in bgp.split_runs(self._buffer):
                if isinstance(part, bgp.Run):
                    end = part.ends[-1]
                    self._take_run(part, events, now)
                else:
                    end = part.end
                    self._take(part.kind, part.body, events, now)
                if events and isinstance(events[-1], Closed):
                    break
        except BgpError as error:
            events.append(self._refuse(error))
        del self._buffer[:end]
        return events

    def tick(self, now: float) -> list[Event]:
        """Do what time makes due."""
        if self.state is State.CLOSED:
            return []
        if now >= self._expires:
            error = BgpError(ErrorCode.HOLD_TIMER, 0, "hold-time", "nothing was heard in time")
            return [self._refuse(error)]
        if now >= self._keepalive_at:
            self._outgoing += bgp.encode_keepalive()
            self._keepalive_at = now + self.hold_time / _KEEPALIVES
        return []

    def cease(self, suberror: int, reason: str) -> list[Event]:
        """End the session for a reason of ours (RFC 4486)."""
        if self.state is State.CLOSED:
            return []
        self._outgoing += bgp.encode_notification(ErrorCode.CEASE, suberror)
        return [self._close(reason)]

    def request_refresh(self) -> bool:
        """Ask for all routes again (RFC 2918); tell whether the peer can."""
        if self.state is not State.ESTABLISHED or self.peer is None or not self.peer.refresh:
            return False
        for version in sorted(self.peer.families & _FAMILIES):
            self._outgoing += bgp.encode_route_refresh(bgp.AFI[version])
        return True

    def _take(self, kind: MessageType, body: bytes, events: list[Event], now: float) -> None:
        if kind is MessageType.NOTIFICATION:
            told = bgp.decode_notification(body)
            events.append(self._close(f"the peer ended the session: {told}"))
        elif self.state is State.OPEN_SENT and kind is MessageType.OPEN:
            self._take_open(bgp.decode_open(body), now)
        elif self.state is State.OPEN_CONFIRM and kind is MessageType.KEEPALIVE:
            self.state = State.ESTABLISHED
            self._renew(now)
            events.append(Established(self._known_peer()))
        elif self.state is State.ESTABLISHED and kind is not MessageType.OPEN:
            self._renew(now)
            if kind is MessageType.UPDATE:
                events.append(self._decoder.decode(body))
            elif kind is MessageType.ROUTE_REFRESH:
                self._take_refresh(bgp.decode_route_refresh(body).subtype, body, events)
        else:
            raise BgpError(
                ErrorCode.STATE_MACHINE, 0, "state", f"{kind.name} in the state {self.state}"
            )

    def _take_run(self, run: bgp.Run, events: list[Event], now: float) -> None:
        """Take many UPDATEs."""
        if self.state is not State.ESTABLISHED:
            begin, end = run.begins[0], run.ends[0]
            self._take(MessageType.UPDATE, bytes(self._buffer[begin:end]), events, now)
            return
        self._renew(now)
        for part in bgp.decode_plain(self._decoder, self._buffer, run):
            update = self._decoder.decode(part) if isinstance(part, bytes) else part
            events.append(update)

    def _take_open(self, told: bgp.Open, now: float) -> None:
        if told.asn != self._settings.peer_as:
            raise BgpError(ErrorCode.OPEN, 2, "peer-as", f"the peer is in AS {told.asn}")
        if told.identifier == self._settings.identifier and told.asn == self._settings.local_as:
            raise BgpError(ErrorCode.OPEN, 3, "identifier", "the peer has our BGP identifier")
        self.peer = told
        self.hold_time = float(min(HOLD_TIME, told.hold_time))
        self._decoder = bgp.UpdateDecoder(four_octets=told.four_octets, add_path=told.add_path_send)
        self._outgoing += bgp.encode_keepalive()
        self.state = State.OPEN_CONFIRM
        self._renew(now)
        if self.hold_time:
            self._keepalive_at = now + self.hold_time / _KEEPALIVES

    def _take_refresh(self, subtype: int, body: bytes, events: list[Event]) -> None:
        """Take marks around a refresh; who asks us for routes gets none."""
        version = _VERSION_OF_AFI.get(int.from_bytes(body[:2])) if body[3] == 1 else None
        if version is not None and subtype == _BEGIN:
            events.append(RefreshBegins(version))
        elif version is not None and subtype == _END:
            events.append(RefreshEnds(version))

    def _renew(self, now: float) -> None:
        self._expires = now + self.hold_time if self.hold_time else math.inf

    def _known_peer(self) -> bgp.Open:
        assert self.peer is not None  # noqa: S101 - its OPEN led to this state
        return self.peer

    def _refuse(self, error: BgpError) -> Closed:
        self._outgoing += bgp.encode_notification(error.error, error.suberror, error.data)
        return self._close(str(error))

    def _close(self, reason: str) -> Closed:
        self.state = State.CLOSED
        self._expires = self._keepalive_at = math.inf
        return Closed(reason)


def _our_open(settings: SessionSettings) -> bgp.Open:
    """Say what we can; graceful restart makes peers keep quiet about ours and mark the end."""
    return bgp.Open(
        asn=settings.local_as,
        hold_time=HOLD_TIME,
        identifier=settings.identifier,
        families=_FAMILIES,
        four_octets=True,
        refresh=True,
        enhanced_refresh=True,
        add_path_receive=_FAMILIES,
        restart_time=_RESTART_TIME,
    )
