"""What the network reports about datagrams that were sent: the socket's error queue.

A report (ICMP: the port is closed, the host cannot be reached) fails the next send, which then
transmits nothing. The queue says which errors were such reports, and keeps each of them, where
the socket itself keeps only the last.
"""

from __future__ import annotations

import socket
import struct
from collections import Counter
from typing import Final

_IP_RECVERR: Final = 11
_IPV6_RECVERR: Final = 25
_LEVELS: Final = {
    (socket.IPPROTO_IP, _IP_RECVERR),
    (socket.IPPROTO_IPV6, _IPV6_RECVERR),
}
_EXTENDED: Final = struct.Struct("=IB")  # sock_extended_err: ee_errno, ee_origin
_FROM_NETWORK: Final = frozenset((2, 3))  # SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6
_MAX_READ: Final = 256


def enable_reports(link: socket.socket) -> None:
    """Let the kernel queue what the network reports; also a full device queue becomes an error."""
    if link.family == socket.AF_INET6:
        link.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
    else:
        link.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)


def read_reports(link: socket.socket) -> Counter[int]:
    """Take what was reported since the last time, as counts of error numbers."""
    found: Counter[int] = Counter()
    for _ in range(_MAX_READ):
        try:
            _, control, _, _ = link.recvmsg(1, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
        except OSError:  # no more
            break
        for level, kind, octets in control:
            if (level, kind) in _LEVELS and len(octets) >= _EXTENDED.size:
                number, origin = _EXTENDED.unpack_from(octets)
                found[number] += origin in _FROM_NETWORK
    return +found
