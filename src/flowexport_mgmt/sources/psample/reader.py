"""The thread that takes what the kernel sampled."""

from __future__ import annotations

import errno
import logging
import os
import select
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from flowexport_mgmt.link.mmsg import Receiver
from flowexport_mgmt.observe.log import LimitedLogger
from flowexport_mgmt.sources.gathering import gather, is_filling
from flowexport_mgmt.sources.genetlink import NETLINK_GENERIC, Family
from flowexport_mgmt.sources.psample.ledger import Ledger
from flowexport_mgmt.sources.sampling import TakeBatch
from flowexport_mgmt.wire.psample import Parser

_LOG = LimitedLogger(logging.getLogger(__name__))

_SLOTS: Final = 2048
_SLOT: Final = 27 * 64
"""Octets of a message: 1500 of a packet, and what is said about it. An odd number of cache lines:
the beginnings of messages, which are read most, then do not push one another out of the cache."""

_BUFFER: Final = 32 << 20
"""Octets of samples that may wait in the kernel; each takes about a thousand."""

_SOL_NETLINK, _ADD_MEMBERSHIP, _SO_RCVBUFFORCE = 270, 1, 33
_SAMPLES, _CONFIG = "packets", "config"

OpenSocket = Callable[[Family], socket.socket]


def open_samples(family: Family) -> socket.socket:
    """Open a socket that receives all samples of the network namespace, and news of groups.

    Raises:
        OSError: EPERM without CAP_NET_ADMIN.
    """
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
    try:
        _enlarge(link)
        link.bind((0, 0))
        for name in (_CONFIG, _SAMPLES):
            link.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, family.groups[name])
    except KeyError as error:
        link.close()
        raise OSError(errno.EPROTO, f"psample has no multicast group {error}") from error
    except OSError:
        link.close()
        raise
    return link


@dataclass(slots=True)
class ReaderCounters:
    """Messages that break the protocol, and times that the kernel had no room for more."""

    malformed: int = 0
    overruns: int = 0


def _enlarge(link: socket.socket) -> None:
    """Let many samples wait; in a container as many as any user may have wait."""
    try:
        link.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    except PermissionError:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)


class Reader:
    """Reads one socket until it is stopped, and enters what it reads in the ledger."""

    def __init__(
        self,
        family: Family,
        ledger: Ledger,
        take: TakeBatch,
        counters: ReaderCounters,
        open_socket: OpenSocket = open_samples,
    ) -> None:
        """Open the socket; nothing is read before `start`.

        Raises:
            OSError: there may be no such socket.
        """
        self.family = family
        self._ledger = ledger
        self._take = take
        self._counters = counters
        self._socket = open_socket(family)
        self._receiver = Receiver(_SLOTS, _SLOT)
        self._offsets = np.arange(_SLOTS, dtype=np.int64) * _SLOT
        self._parser = Parser(family.number)
        self._stop = os.eventfd(0, os.EFD_CLOEXEC)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="psample", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Stop the thread, and release the socket."""
        self._stopping.set()
        os.eventfd_write(self._stop, 1)
        if self._thread.is_alive():
            self._thread.join(timeout)
        if not self._thread.is_alive():
            self._socket.close()
            os.close(self._stop)

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(self._stop, select.POLLIN)
        while not self._stopping.is_set():
            poll.poll()
            gather(self._is_filling, self._stopping)
            try:
                while self._read() == _SLOTS:
                    pass
            except Exception as error:  # noqa: BLE001 - the next samples may be better
                _LOG.log(logging.ERROR, "psample", "sampled packets: %r", error)

    def _is_filling(self) -> bool:
        return is_filling(self._socket)

    def _read(self) -> int:
        """Handle one call's worth of messages; say how many there were."""
        try:
            count = self._receiver.receive(self._socket)
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            self._counters.overruns += 1
            return _SLOTS  # what fitted is still there
        if not count:
            return 0
        buffer = self._receiver.data.reshape(-1)
        lengths = self._receiver.lengths[:count].astype(np.int64)
        parsed = self._parser.parse(buffer, self._offsets[:count], lengths)
        if parsed.error is not None:
            self._counters.malformed += parsed.malformed
            _LOG.log(logging.WARNING, "malformed", "psample: %s", parsed.error)
        batch = self._ledger.enter(parsed)
        if batch is not None:
            self._take(batch)
        return count
