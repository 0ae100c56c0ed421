"""Datagrams from many source addresses by one socket (ip(7), ipv6(7): PKTINFO)."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.link.mmsg import MESSAGE, VECTOR, sendmmsg
from flowexport_mgmt.wire.fleet import FleetDatagrams

_MAX_MESSAGES: Final = 1024
_WAITING: Final = frozenset((errno.EAGAIN, errno.ENOBUFS))

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


@dataclass(slots=True)
class Sent:
    """What became of datagrams, all arrays of shape (E,) by exporter."""

    datagrams: NDArray[np.int64]
    octets: NDArray[np.int64]
    records: NDArray[np.int64]
    failures: NDArray[np.int64]
    reasons: Counter[int] = field(default_factory=Counter)
    """How often each errno was met."""

    @classmethod
    def nothing(cls, exporters: int) -> Sent:
        """Make empty counts."""
        datagrams, octets, records, failures = np.zeros((4, exporters), np.int64)
        return cls(datagrams, octets, records, failures)


class FleetSender:
    """Sends through a connected socket, each datagram from the address of its exporter.

    Args:
        link: a non-blocking UDP socket that is connected to the collector.
        sources: the exporters' addresses, V4 or V16, shape (E,); None to send from the socket's own
            address.
    """

    def __init__(self, link: socket.socket, sources: NDArray[np.void] | None) -> None:
        self._socket = link
        self._sources = sources
        self._vectors = np.zeros(_MAX_MESSAGES, VECTOR)
        self._messages = np.zeros(_MAX_MESSAGES, MESSAGE)
        header = self._messages["header"]
        places = np.arange(_MAX_MESSAGES, dtype=np.uintp)
        header["vectors"] = self._vectors.ctypes.data + places * VECTOR.itemsize
        header["vector_count"] = 1
        if sources is not None:
            if link.family == socket.AF_INET6:  # a route makes a prefix local for IPv4 only
                link.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
            self._controls = _make_controls(sources.dtype.itemsize)
            header["control"] = self._controls.ctypes.data + places * self._controls.itemsize
            header["control_length"] = self._controls.itemsize

    def send(self, datagrams: FleetDatagrams, begin: int, end: int, sent: Sent) -> int:
        """Send some of the datagrams, and count what became of each.

        A datagram that fails is counted by its error and passed over.

        Returns:
            How many do not wait any more; fewer than asked for when the socket's buffer is full.
        """
        at = begin
        while at < end:
            stop = min(end, at + _MAX_MESSAGES)
            self._fill(datagrams, at, stop)
            accepted = sendmmsg(self._socket.fileno(), self._messages.ctypes.data, stop - at, 0)
            if accepted < 0:
                number = ctypes.get_errno()
                if number in _WAITING:
                    break
                _count_failure(datagrams, at, number, sent)
                accepted = 1
            else:
                _count(datagrams, slice(at, at + accepted), sent)
            at += accepted
        return at - begin

    def _fill(self, datagrams: FleetDatagrams, begin: int, end: int) -> None:
        count = end - begin
        offsets = datagrams.offsets[begin : end + 1]
        base = datagrams.buffer.ctypes.data
        self._vectors["base"][:count] = offsets[:-1] + base
        self._vectors["length"][:count] = np.diff(offsets)
        if self._sources is not None:
            self._controls["source"][:count] = self._sources[datagrams.exporters[begin:end]]


def describe_failure(number: int) -> str:
    """Name an errno as `Sent.reasons` counts it."""
    return f"{os.strerror(number)} ({errno.errorcode.get(number, number)})"


def _make_controls(address_size: int) -> NDArray[np.void]:
    controls = np.zeros(_MAX_MESSAGES, _CONTROL4 if address_size == 4 else _CONTROL6)
    if address_size == 4:
        controls["level"], controls["kind"] = socket.IPPROTO_IP, _IP_PKTINFO
        controls["length"] = 28
    else:
        controls["level"], controls["kind"] = socket.IPPROTO_IPV6, _IPV6_PKTINFO
        controls["length"] = 36
    return controls


def _count(datagrams: FleetDatagrams, part: slice, sent: Sent) -> None:
    owners = datagrams.exporters[part]
    sizes = np.diff(datagrams.offsets[part.start : part.stop + 1])
    np.add.at(sent.datagrams, owners, 1)
    np.add.at(sent.octets, owners, sizes)
    np.add.at(sent.records, owners, datagrams.records[part])


def _count_failure(datagrams: FleetDatagrams, at: int, number: int, sent: Sent) -> None:
    sent.failures[datagrams.exporters[at]] += 1
    sent.reasons[number] += 1
