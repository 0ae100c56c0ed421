"""Handing datagrams to the kernel."""

from __future__ import annotations

import errno
import socket
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from flowexport_mgmt.export.endpoint import (
    IpAddress,
    has_local_address,
    local_address,
    set_dscp,
)

_REPORTS: Final = frozenset(
    (
        errno.ECONNREFUSED,
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.EHOSTDOWN,
        errno.ENONET,
        errno.ENOPROTOOPT,
        errno.EACCES,
    )
)
"""Errors that may speak of an earlier datagram: what ICMP reports turn into."""


@dataclass(slots=True)
class Sent:
    """What became of some datagrams.

    ``accepted`` holds a truth value for each that was dealt with; behind them stand those that wait
    because the socket's buffer is full. ``failures`` counts errors by number. ``reported`` tells
    that the network gave an error back for a datagram that had been accepted.
    """

    accepted: list[bool] = field(default_factory=list)
    octets: int = 0
    failures: Counter[int] = field(default_factory=Counter)
    reported: bool = False


class Sender(Protocol):
    """What takes datagrams to a collector."""

    def send(self, datagrams: Sequence[memoryview]) -> Sent:
        """Send datagrams in order until the buffer is full."""

    def mark(self, dscp: int) -> None:
        """Mark all later datagrams with a code point."""

    def can_send(self) -> bool:
        """Tell whether the local address is still there."""

    @property
    def local_address(self) -> IpAddress:
        """The address that datagrams come from."""

    def close(self) -> None:
        """Release the socket."""


class UdpSender:
    """Sends one datagram per system call over a connected socket, which it owns."""

    def __init__(self, link: socket.socket) -> None:
        self._socket = link
        self._local = local_address(link)

    @property
    def local_address(self) -> IpAddress:
        """The address that datagrams come from."""
        return self._local

    def mark(self, dscp: int) -> None:
        """Mark all later datagrams with a code point."""
        set_dscp(self._socket, dscp)

    def can_send(self) -> bool:
        """Tell whether the host still has the local address."""
        return has_local_address(self._socket)

    def close(self) -> None:
        """Release the socket."""
        self._socket.close()

    def send(self, datagrams: Sequence[memoryview]) -> Sent:
        """Send datagrams in order until the buffer is full.

        What the network says about an earlier datagram (such as: its port is closed) fails the next
        send, which then transmits nothing. So what met such an error is sent once more, and counts
        one failure whatever becomes of it.
        """
        sent = Sent()
        for datagram in datagrams:
            try:
                accepted = self._send(datagram, sent)
            except BlockingIOError:
                break
            sent.accepted.append(accepted)
            sent.octets += len(datagram) if accepted else 0
        return sent

    def _send(self, datagram: memoryview, sent: Sent) -> bool:
        try:
            self._socket.send(datagram)
        except BlockingIOError:
            raise
        except OSError as error:
            sent.failures[error.errno or 0] += 1
            again = error.errno in _REPORTS and self._send_again(datagram)
            sent.reported |= again
            return again
        return True

    def _send_again(self, datagram: memoryview) -> bool:
        try:
            self._socket.send(datagram)
        except OSError:
            return False
        return True
