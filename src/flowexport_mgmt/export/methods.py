"""How datagrams are handed to the kernel: the rungs of the ladder, the fastest first.

Generic segmentation offload takes a run of equal datagrams through the stack as one packet; it
needs a device that computes checksums and datagrams that fit the MTU. sendmmsg takes many
datagrams in one system call; send takes one.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from typing import Final, Protocol

import numpy as np

from flowexport_mgmt.export.layout import Layout
from flowexport_mgmt.link.mmsg import MESSAGE, VECTOR, sendmmsg

_SOL_UDP: Final = 17
_UDP_SEGMENT: Final = 103
_MAX_OCTETS: Final = 65_507
"""The payload of the largest UDP datagram over IPv4, which a run must not exceed either."""

_MAX_SEGMENTS: Final = 64
"""What every kernel takes; 128 are possible since Linux 6.9."""

_MAX_MESSAGES: Final = 1024
"""What one call of sendmmsg takes."""

_NO_OFFLOAD: Final = frozenset(
    (errno.EIO, errno.EMSGSIZE, errno.EINVAL, errno.ENOPROTOOPT, errno.EOPNOTSUPP)
)


class Method(Protocol):
    """A way to send.

    ``unavailable`` are the errors that say that the way itself is closed; ``is_atomic`` tells that
    one call sends all or nothing, else only the first datagram has failed when it raises.
    """

    name: str
    unavailable: frozenset[int]
    is_atomic: bool

    def reach(self, begin: int, end: int) -> int:
        """Tell how far one system call gets."""

    def send(self, begin: int, end: int) -> int:
        """Make one system call, and tell how many datagrams it sent; OSError for none."""

    def stop(self) -> None:
        """Leave the socket as it was, because another way is taken from now on."""


class GsoMethod:
    """A run of equal datagrams, of which the last may be shorter, as one packet."""

    name = "gso"
    unavailable = _NO_OFFLOAD
    is_atomic = True

    def __init__(self, link: socket.socket, layout: Layout) -> None:
        self._socket = link
        self._layout = layout
        self._segment = 0  # what the socket was told; it cuts nothing that is not longer

    def reach(self, begin: int, end: int) -> int:
        """Tell where the run ends, or the packet is full."""
        offsets = self._layout.offsets
        fitting = _MAX_OCTETS // (offsets[begin + 1] - offsets[begin])
        if end - begin > fitting:
            end = begin + (fitting or 1)
        return self._layout.run_end(begin, min(end, begin + _MAX_SEGMENTS))

    def send(self, begin: int, end: int) -> int:
        """Send the first run in one piece."""
        end = self.reach(begin, end)
        offsets = self._layout.offsets
        size = offsets[begin + 1] - offsets[begin]
        if size > self._segment or (size < self._segment and end - begin > 1):
            self._set_segment(size)
        self._socket.send(self._layout.view[offsets[begin] : offsets[end]])
        return end - begin

    def stop(self) -> None:
        """Let the socket cut nothing any more."""
        if self._segment:
            self._set_segment(0)

    def _set_segment(self, size: int) -> None:
        self._socket.setsockopt(_SOL_UDP, _UDP_SEGMENT, size)
        self._segment = size


class MmsgMethod:
    """Many datagrams in one system call, from arrays that are made once and filled by numpy."""

    name = "sendmmsg"
    unavailable = frozenset((errno.ENOSYS,))
    is_atomic = False

    def __init__(self, link: socket.socket, layout: Layout) -> None:
        self._socket = link
        self._layout = layout
        self._vectors = np.zeros(_MAX_MESSAGES, VECTOR)
        self._messages = np.zeros(_MAX_MESSAGES, MESSAGE)
        places = np.arange(_MAX_MESSAGES, dtype=np.uintp) * VECTOR.itemsize
        self._messages["header"]["vectors"] = places + self._vectors.ctypes.data
        self._messages["header"]["vector_count"] = 1
        self._pointer: int = self._messages.ctypes.data
        self._version = 0
        self._first = self._last = 0  # what the arrays point to

    def reach(self, begin: int, end: int) -> int:
        """Reach as far as there are headers."""
        return min(end, begin + _MAX_MESSAGES)

    def send(self, begin: int, end: int) -> int:
        """Send from the first on until one fails."""
        end = min(end, begin + _MAX_MESSAGES)
        is_filled = self._first <= begin and end <= self._last
        if not is_filled or self._version != self._layout.version:
            self._fill(begin)
        pointer = self._pointer + (begin - self._first) * MESSAGE.itemsize
        accepted = sendmmsg(self._socket.fileno(), pointer, end - begin, 0)
        if accepted < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return accepted

    def stop(self) -> None:
        """Do nothing: the socket was told nothing."""

    def _fill(self, begin: int) -> None:
        """Let the arrays point to as many datagrams as they can."""
        self._version = self._layout.version
        addresses, lengths = self._layout.vectors(begin, begin + _MAX_MESSAGES)
        count = len(lengths)
        self._vectors["base"][:count] = addresses
        self._vectors["length"][:count] = lengths
        self._first, self._last = begin, begin + count


class SendMethod:
    """One datagram in each system call: what every system can."""

    name = "send"
    unavailable: frozenset[int] = frozenset()
    is_atomic = True

    def __init__(self, link: socket.socket, layout: Layout) -> None:
        self._socket = link
        self._layout = layout

    def reach(self, begin: int, end: int) -> int:  # noqa: ARG002 - the face of all methods
        """Reach one datagram far."""
        return begin + 1

    def send(self, begin: int, end: int) -> int:  # noqa: ARG002 - the face of all methods
        """Send the first datagram."""
        offsets = self._layout.offsets
        self._socket.send(self._layout.view[offsets[begin] : offsets[begin + 1]])
        return 1

    def stop(self) -> None:
        """Do nothing: the socket was told nothing."""
