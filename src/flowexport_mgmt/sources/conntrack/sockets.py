"""ctnetlink sockets: one that asks for the whole table, one that hears of flows that ended."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.link.mmsg import Receiver
from flowexport_mgmt.wire.conntrack import Decoder, Entries, make_dump_request, read_error, split
from flowexport_mgmt.wire.conntrack import numbers as n

NETLINK_NETFILTER: Final = 12

_ROOM: Final = 1 << 16  # what a datagram of a dump takes at most, twice over
_ARENA: Final = 4 << 20
_TIMEOUT_S: Final = 2
_MAX_OCTETS: Final = 8 << 30
"""What one dump may come to, some 28 million entries."""

_SO_RCVBUFFORCE: Final = 33
EVENT_BUFFER: Final = 64 << 20
"""Octets asked for; the kernel doubles it, and an event takes 1280 of it."""
_SLOTS: Final = 4096
_SLOT: Final = 1024
MAX_EVENTS: Final = 4 * _SLOTS
"""Events that make one batch at most."""

OpenSocket = Callable[[], socket.socket]


def open_netfilter() -> socket.socket:
    """Open a socket of the netfilter family of netlink."""
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)


class DumpSocket:
    """Asks the kernel for all entries of the network namespace that the process is in."""

    def __init__(self, open_socket: OpenSocket = open_netfilter) -> None:
        self.interrupted = False
        """Whether the latest dump missed entries, or had some twice, because the table changed."""
        self._link = open_socket()
        self._arena = np.zeros(_ARENA // 4, np.uint32).view(np.uint8)
        self._view = memoryview(self._arena)  # type: ignore[arg-type]
        self._sequence = 0
        timeout = struct.pack("@ll", _TIMEOUT_S, 0)
        try:
            self._link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
            self._link.bind((0, 0))
        except OSError:
            self._link.close()
            raise

    def read(self, decoder: Decoder) -> Iterator[list[Entries]]:
        """Read the table, some 14,000 entries at a time.

        Raises:
            OSError: the kernel refused, did not answer in time, or gives no end; the socket is of
                no use any more.
            DecodeError: what it gave breaks the rules.
        """
        self.interrupted = False
        self._sequence = random.getrandbits(31) | 1 << 31
        self._link.send(make_dump_request(self._sequence))
        total = 0
        done = False
        while not done:
            used = self._fill()
            total += used
            if total > _MAX_OCTETS:
                raise OSError(errno.EMSGSIZE, f"the table takes more than {_MAX_OCTETS} octets")
            found, done = self._take_apart(used, decoder)
            yield found

    def close(self) -> None:
        """Release the socket."""
        self._link.close()

    def _fill(self) -> int:
        """Receive until the arena is full or the dump seems to be done."""
        used = 0
        while used + _ROOM <= _ARENA:
            try:
                size = self._link.recv_into(self._view[used:])
            except BlockingIOError as error:  # what SO_RCVTIMEO gives
                raise TimeoutError(errno.ETIMEDOUT, "the kernel did not answer") from error
            used += size
            if self._seems_done(used - size, used):
                break
        return used

    def _seems_done(self, begin: int, end: int) -> bool:
        """Look at the first and the last message of a datagram."""
        if end - begin < n.HEADER.size + 4:
            return True
        _, first, _, _, _ = n.HEADER.unpack_from(self._view, begin)
        length, last, _, sequence, _ = n.HEADER.unpack_from(self._view, end - n.HEADER.size - 4)
        ends = (length, last, sequence) == (n.HEADER.size + 4, n.NLMSG_DONE, self._sequence)
        return ends or first in {n.NLMSG_ERROR, n.NLMSG_DONE}

    def _take_apart(self, used: int, decoder: Decoder) -> tuple[list[Entries], bool]:
        octets = self._arena[:used]
        messages = split(octets, self._sequence)
        self.interrupted |= bool((messages.flags & n.NLM_F_DUMP_INTR).any())
        ends = np.flatnonzero(messages.kinds < n.CT_NEW)
        for end in ends.tolist():
            code = read_error(octets, int(messages.offsets[end]), int(messages.lengths[end]))
            if code:
                raise OSError(code, os.strerror(code))
        entries = messages.kinds == n.CT_NEW
        found = decoder.decode(octets, messages.offsets[entries], messages.lengths[entries])
        return found, bool(len(ends))


class EventSocket:
    """Hears of each flow that ended, with its last counters."""

    def __init__(self, open_socket: OpenSocket = open_netfilter, size: int = EVENT_BUFFER) -> None:
        self.received = 0
        """Events that came."""
        self.losses = 0
        """Times that the kernel said that it had to drop events; it never says how many."""
        self._receiver = Receiver(_SLOTS, _SLOT)
        self._link = open_socket()
        try:
            self._grow(size)
            self._link.setblocking(False)
            self._link.bind((0, 1 << n.GROUP_DESTROY - 1))
        except OSError:
            self._link.close()
            raise

    def fileno(self) -> int:
        """Give the descriptor, for waiting until there are events."""
        return self._link.fileno()

    def read(self, decoder: Decoder) -> list[Entries]:
        """Take the events that are there, and no more than MAX_EVENTS and a call's worth.

        A loss is counted in ``losses``, and what comes after it is read all the same.

        Raises:
            OSError: the socket is of no use any more.
            DecodeError: an event breaks the rules.
        """
        found: list[Entries] = []
        taken = 0
        while taken < MAX_EVENTS:
            count = self._receive()
            if not count:
                break
            taken += count
            found += self._take_apart(count, decoder)
        self.received += taken
        return found

    def close(self) -> None:
        """Release the socket."""
        self._link.close()

    def _receive(self) -> int:
        while True:
            try:
                return self._receiver.receive(self._link)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.losses += 1

    def _take_apart(self, count: int, decoder: Decoder) -> list[Entries]:
        octets = self._receiver.data[:count]
        lengths = self._receiver.lengths[:count]
        said = octets.view(np.uint32)[:, 0]
        if (said != lengths).any():  # as one that was cut says, too
            raise DecodeError("message-length", "an event is not of the length that it says")
        offsets = np.arange(count, dtype=np.intp) * _SLOT
        return decoder.decode(octets.reshape(-1), offsets, said)

    def _grow(self, size: int) -> None:
        """Ask for a large buffer, beyond the system's limit where that is allowed."""
        try:
            self._link.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
        except PermissionError:
            with contextlib.suppress(OSError):
                self._link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
