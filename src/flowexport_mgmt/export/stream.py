"""IPFIX over TCP, and over TLS (RFC 7011, section 10.4)."""

from __future__ import annotations

import bisect
import contextlib
import errno
import math
import os
import socket
from collections.abc import Callable
from typing import Final

from flowexport_mgmt.export.endpoint import IpAddress, SocketName, local_address, set_dscp
from flowexport_mgmt.export.failure import (
    PEER_CLOSED,
    Failure,
    LostError,
    failure_of,
    number_failure,
)
from flowexport_mgmt.export.sender import Interest, Sent
from flowexport_mgmt.export.tls import TlsLayer
from flowexport_mgmt.records import Datagrams

CONNECT_S: Final = 10.0
"""How long the peer may take to accept the connection and to shake hands."""

_PROBATION_S: Final = 0.5
"""How long a TLS 1.3 server is given to refuse our certificate: it does so after the handshake."""

_READ: Final = 16_384
_MAX_SAID: Final = 65_536
_CHATTER: Final = Failure("EPROTO", "the collector sends data, which IPFIX does not know")
_UNDER_WAY: Final = (errno.EINPROGRESS, errno.EALREADY)
_OPTIONS: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
)
"""A peer that is gone is noticed within a minute, whether something waits for it or not."""


class StreamSender:
    """Sends messages over one TCP connection, from the attempt to connect to the end.

    A message is handed over whole or not at all: what the kernel did not take of the latest ones is
    kept and sent first. ``link`` is a non-blocking socket that is not connected yet, and belongs to
    the sender. With ``tls`` every octet goes through it. ``is_current`` tells whether the network
    that the socket was opened in is still there.
    """

    def __init__(
        self,
        link: socket.socket,
        remote: SocketName,
        tls: TlsLayer | None = None,
        is_current: Callable[[], bool] = lambda: True,
    ) -> None:
        for level, name, value in _OPTIONS:
            link.setsockopt(level, name, value)
        self._socket = link
        self._remote = remote
        self._tls = tls
        self._is_current = is_current
        self._is_connected = False
        self._is_ready = False
        self._deadline = math.inf
        self._probation = math.inf
        self._rest = b""
        self._said = 0

    @property
    def local_address(self) -> IpAddress:
        """The address of this end."""
        return local_address(self._socket)

    @property
    def method(self) -> str | None:
        """None: there is one way only."""
        return None

    @property
    def tls_version(self) -> str | None:
        """The version of TLS that was agreed on, such as TLSv1.3."""
        return self._tls.version if self._tls is not None else None

    @property
    def due(self) -> float:
        """Monotonic time at which `advance` is wanted, whatever the peer does."""
        return math.inf if self._is_ready else min(self._deadline, self._probation)

    @property
    def interest(self) -> Interest | None:
        """Reading always; writing while it connects and while something waits."""
        writing = bool(self._rest) or not self._is_connected
        return Interest(self._socket.fileno(), read=self._is_connected, write=writing)

    def configure(self, dscp: int) -> None:
        """Mark all later segments with a code point."""
        set_dscp(self._socket, dscp)

    def can_send(self) -> bool:
        """Tell whether the network that the socket was opened in is still there."""
        return self._is_current()

    def close(self) -> None:
        """End the connection; what the kernel has taken is still delivered."""
        if self._tls is not None and self._is_connected and not self._rest:
            self._tls.finish()
            with contextlib.suppress(OSError):
                self._flush()
        self._socket.close()

    def advance(self, monotonic: float) -> bool:
        """Connect, shake hands, hear the peer and flush; tell whether messages can be sent.

        Raises:
            LostError: there is no connection, or none any more.
        """
        if self._deadline == math.inf:
            self._deadline = monotonic + CONNECT_S
        try:
            if self._is_connected or self._connect():
                self._receive(monotonic)
                self._flush()
        except OSError as error:
            self._flush_alert()
            raise LostError(failure_of(error)) from error
        if not self._is_ready and monotonic >= self._deadline:
            raise LostError(number_failure(errno.ETIMEDOUT))
        return self._is_ready

    def send(self, datagrams: Datagrams, begin: int, end: int) -> Sent:
        """Send messages until the kernel takes no more.

        Raises:
            LostError: the connection has ended.
        """
        try:
            if not self._flush():
                return Sent()
            return Sent(handled=self._put(datagrams, begin, end))
        except OSError as error:
            raise LostError(self._explain(error)) from error

    def _connect(self) -> bool:
        number = self._socket.connect_ex(self._remote)
        if number in _UNDER_WAY:
            return False
        if number:
            raise OSError(number, os.strerror(number))
        self._is_connected = True
        return True

    def _receive(self, monotonic: float) -> None:
        """Hear what the peer says: nothing, once there is a connection."""
        try:
            octets = self._socket.recv(_READ)
        except BlockingIOError:
            octets = None
        if octets == b"":
            raise LostError(PEER_CLOSED)
        if self._tls is None:
            self._is_ready = True
            self._count_said(octets)
        else:
            self._receive_tls(self._tls, octets, monotonic)

    def _receive_tls(self, tls: TlsLayer, octets: bytes | None, monotonic: float) -> None:
        if octets is not None:
            tls.receive(octets)
        if self._probation == math.inf:
            if tls.handshake():
                self._probation = monotonic
                self._probation += _PROBATION_S if tls.version == "TLSv1.3" else 0
            octets = None
        else:
            said = tls.read()
            if said is None:
                raise LostError(PEER_CLOSED)
            self._count_said(said)
        self._is_ready |= octets is not None or monotonic >= self._probation

    def _count_said(self, octets: bytes | None) -> None:
        """Bear with a collector that talks, up to a point."""
        self._said += len(octets or b"")
        if self._said > _MAX_SAID:
            raise LostError(_CHATTER)

    def _put(self, datagrams: Datagrams, begin: int, end: int) -> int:
        """Send what can be sent, of the last message at least the rest later; count messages."""
        offsets = datagrams.offsets
        octets = memoryview(datagrams.buffer)[offsets[begin] : offsets[end]]
        if self._tls is not None:
            self._tls.encrypt(octets)
            self._flush()
            return end - begin
        try:
            reached = offsets[begin] + self._socket.send(octets)
        except BlockingIOError:
            return 0
        next_whole = bisect.bisect_left(offsets, reached, begin, end)
        self._rest = bytes(memoryview(datagrams.buffer)[reached : offsets[next_whole]])
        return next_whole - begin

    def _flush(self) -> bool:
        """Send what is left of earlier messages; tell whether nothing is left any more."""
        if self._tls is not None:
            self._rest += self._tls.take()
        try:
            while self._rest:
                self._rest = self._rest[self._socket.send(self._rest) :]
        except BlockingIOError:
            return False
        return True

    def _flush_alert(self) -> None:
        """Tell the peer why the handshake failed, if it still listens."""
        if self._tls is not None and self._is_connected:
            with contextlib.suppress(OSError):
                self._flush()

    def _explain(self, error: OSError) -> Failure:
        """Prefer what the peer said before it closed the connection."""
        try:
            self._receive(math.inf)
        except LostError as lost:
            return lost.failure
        except OSError as said:
            return failure_of(said)
        return failure_of(error)
