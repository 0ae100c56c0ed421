"""Datagrams from many source addresses by one socket (ip(7), ipv6(7): PKTINFO)."""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.link.mmsg import MESSAGE, VECTOR, sendmmsg
from flowexport_mgmt.simulator.sent import Failure
from flowexport_mgmt.wire.fleet import FleetDatagrams

_MAX_MESSAGES: Final = 1024
_WAITING: Final = frozenset((errno.EAGAIN, errno.ENOBUFS, errno.EINTR))

_CONTROL_HEAD: Final = [("length", np.uint64), ("level", np.int32), ("kind", np.int32)]
_CONTROL4: Final = np.dtype(  # struct cmsghdr, struct in_pktinfo
    [*_CONTROL_HEAD, ("ifindex", np.int32), ("source", "V4"), ("target", "V4"), ("padding", "V4")]
)
_CONTROL6: Final = np.dtype(  # struct cmsghdr, struct in6_pktinfo
    [*_CONTROL_HEAD, ("source", "V16"), ("ifindex", np.uint32), ("padding", "V4")]
)
_IP_PKTINFO: Final = 8
_IPV6_PKTINFO: Final = 50
_IPV6_FREEBIND: Final = 78


class Passed(NamedTuple):
    """How many datagrams do not wait any more, and which of them failed."""

    through: int
    failures: Sequence[Failure]


class FleetSender:
    """Sends to one collector, each datagram from the address of its exporter.

    It is not connected: the kernel looks for the way anew for each source, so that a collector that
    cannot be reached yet is no fault.

    Args:
        link: a non-blocking UDP socket, which is this one's own from now on.
        target: the collector, as socket.getaddrinfo gives it.
    """

    def __init__(self, link: socket.socket, target: tuple[str, int] | tuple[str, int, int, int]):
        self._socket = link
        self._family = link.family
        if link.family == socket.AF_INET6:  # a route makes a prefix local for IPv4 only
            link.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
        self._vectors = np.zeros(_MAX_MESSAGES, VECTOR)
        self._messages = np.zeros(_MAX_MESSAGES, MESSAGE)
        self._controls = _make_controls(link.family)
        self._name = np.frombuffer(_pack_address(link.family, target), np.uint8)
        places = np.arange(_MAX_MESSAGES, dtype=np.uintp)
        header = self._messages["header"]
        header["name"], header["name_length"] = self._name.ctypes.data, len(self._name)
        header["vectors"] = self._vectors.ctypes.data + places * VECTOR.itemsize
        header["vector_count"] = 1
        header["control"] = self._controls.ctypes.data + places * self._controls.itemsize

    def send(
        self, datagrams: FleetDatagrams, sources: NDArray[np.void] | None, begin: int, end: int
    ) -> Passed:
        """Send some of the datagrams; one that fails is passed over.

        Args:
            datagrams: what is sent.
            sources: the exporters' addresses, V4 or V16; None to send from the socket's own.
            begin: the first to be sent.
            end: the first that is not.

        Returns:
            Fewer than asked for when the socket's buffer is full.
        """
        failures: list[Failure] = []
        octets = 0 if sources is None else self._controls.itemsize
        self._messages["header"]["control_length"] = octets
        at = begin
        while at < end:
            stop = min(end, at + _MAX_MESSAGES)
            self._fill(datagrams, sources, at, stop)
            accepted = sendmmsg(self._socket.fileno(), self._messages.ctypes.data, stop - at, 0)
            if accepted < 0:
                number = ctypes.get_errno()
                if number in _WAITING:
                    break
                failures.append(Failure(at, number))
            at += max(1, accepted)
        return Passed(at - begin, failures)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _fill(
        self, datagrams: FleetDatagrams, sources: NDArray[np.void] | None, begin: int, end: int
    ) -> None:
        count = end - begin
        offsets = datagrams.offsets[begin : end + 1]
        self._vectors["base"][:count] = offsets[:-1] + datagrams.buffer.ctypes.data
        self._vectors["length"][:count] = np.diff(offsets)
        if sources is not None:
            self._controls["source"][:count] = sources[datagrams.exporters[begin:end]]


def open_sender(link: socket.socket, address: str, port: int) -> FleetSender:
    """Make the sender to a collector, given by its numeric address.

    Raises:
        OSError: there is no such address, or the socket cannot be used; it is closed.
    """
    try:
        found = socket.getaddrinfo(
            address, port, link.family, socket.SOCK_DGRAM, 0, socket.AI_NUMERICHOST
        )
        link.setblocking(False)
        return FleetSender(link, found[0][4])  # type: ignore[arg-type]
    except OSError:
        link.close()
        raise


def _pack_address(family: int, target: tuple[str, int] | tuple[str, int, int, int]) -> bytes:
    """Lay out struct sockaddr_in or sockaddr_in6."""
    host, port, *rest = target
    head = struct.pack("=H", family) + struct.pack("!H", port)
    address = socket.inet_pton(family, str(host).partition("%")[0])
    if family == socket.AF_INET:
        return head + address + bytes(8)
    flow, scope = (int(part) for part in rest)
    return head + struct.pack("=I", flow) + address + struct.pack("=I", scope)


def _make_controls(family: int) -> NDArray[np.void]:
    is_ipv4 = family == socket.AF_INET
    controls = np.zeros(_MAX_MESSAGES, _CONTROL4 if is_ipv4 else _CONTROL6)
    if is_ipv4:
        controls["level"], controls["kind"] = socket.IPPROTO_IP, _IP_PKTINFO
        controls["length"] = 28
    else:
        controls["level"], controls["kind"] = socket.IPPROTO_IPV6, _IPV6_PKTINFO
        controls["length"] = 36
    return controls
