"""Datagrams over UDP, by the fastest way that the path to the collector allows."""

from __future__ import annotations

import math
import socket
from collections.abc import Callable, Sequence
from typing import Final

from flowexport_mgmt.export.endpoint import IpAddress, has_local_address, local_address, set_dscp
from flowexport_mgmt.export.failure import failure_of, number_failure
from flowexport_mgmt.export.layout import Layout
from flowexport_mgmt.export.methods import GsoMethod, Method, MmsgMethod, SendMethod
from flowexport_mgmt.export.reports import enable_reports, read_reports
from flowexport_mgmt.export.sender import Interest, Sent
from flowexport_mgmt.records import Datagrams

Rung = Callable[[socket.socket, Layout], Method]

LADDER: Final[Sequence[Rung]] = (GsoMethod, MmsgMethod, SendMethod)
"""The ways to send, the fastest first; the last one always works."""


_FEW: Final = 3
"""Datagrams that are too few for a choice to matter."""


class UdpSender:
    """Sends over a connected socket, which it owns.

    A way that the path does not allow is given up for the next one, which sends what the former
    did not, for as long as the socket lives or until it is configured anew. Datagrams of unequal
    sizes, of which GSO makes no runs, go by sendmmsg in any case. ``is_current`` tells whether the
    network that the socket was opened in is still there.
    """

    def __init__(
        self,
        link: socket.socket,
        is_current: Callable[[], bool] = lambda: True,
        ladder: Sequence[Rung] = LADDER,
    ) -> None:
        enable_reports(link)
        self._socket = link
        self._is_current = is_current
        self._local = local_address(link)
        self._layout = Layout()
        self._ladder = ladder
        self._rung = 0
        self._method = ladder[0](link, self._layout)
        self._unequal: Method | None = None

    @property
    def local_address(self) -> IpAddress:
        """The address that datagrams come from."""
        return self._local

    @property
    def method(self) -> str:
        """The way that datagrams are sent at present."""
        return self._method.name

    @property
    def tls_version(self) -> str | None:
        """None: there is no TLS here."""
        return None

    @property
    def due(self) -> float:
        """Never: there is nothing to wait for."""
        return math.inf

    @property
    def interest(self) -> Interest | None:
        """Nothing: a socket that is full is tried again after a while."""
        return None

    def advance(self, monotonic: float) -> bool:  # noqa: ARG002 - the face of all senders
        """Be ready, always."""
        return True

    def configure(self, dscp: int) -> None:
        """Mark all later datagrams with a code point; try the fastest way again."""
        set_dscp(self._socket, dscp)
        self._method.stop()
        self._climb(0)

    def can_send(self) -> bool:
        """Tell whether the network and the local address in it are still there."""
        return self._is_current() and has_local_address(self._socket)

    def close(self) -> None:
        """Release the socket."""
        self._socket.close()

    def send(self, datagrams: Datagrams, begin: int, end: int) -> Sent:
        """Send datagrams in order until the buffer is full.

        What the network reports about earlier datagrams (such as: their port is closed) fails the
        next send, which then transmits nothing. Each report counts as a failure, and what met it is
        sent once more.
        """
        self._layout.load(datagrams)
        sent = Sent()
        position, retried = begin, -1
        while position < end:
            method = self._choose(position, end)
            try:
                accepted = method.send(position, end)
                position += accepted
                if position < end and position < method.reach(position - accepted, end):
                    self._take_reports(sent)  # what else ended the call shows at the next
            except BlockingIOError:
                break
            except OSError as error:
                if position != retried and self._take_reports(sent):
                    retried = position
                elif self._step_down(method, error, sent):
                    retried = -1
                else:
                    position = self._reject(method, error, position, end, sent)
        sent.handled = position - begin
        if position + 1 == len(datagrams.offsets):
            self._layout.clear()
        return sent

    def _choose(self, begin: int, end: int) -> Method:
        """Choose the way to send the first datagrams: in runs, if the first two are alike."""
        if self._layout.is_even or self._rung or end - begin < _FEW or len(self._ladder) == 1:
            return self._method
        first, second, third = self._layout.offsets[begin : begin + 3]
        if second - first == third - second:
            return self._method
        if self._unequal is None:
            self._unequal = self._ladder[1](self._socket, self._layout)
        self._method.stop()
        return self._unequal

    def _take_reports(self, sent: Sent) -> bool:
        """Count what the network reported, and tell whether it reported anything."""
        reports = read_reports(self._socket)
        for number, count in reports.items():
            sent.fail(number_failure(number), count)
        sent.reported |= bool(reports)
        return bool(reports)

    def _step_down(self, method: Method, error: OSError, sent: Sent) -> bool:
        """Give up a way that is closed; tell whether another one is tried now."""
        rung = self._rung + 1 if method is self._method else 2
        if error.errno not in method.unavailable or rung >= len(self._ladder):
            return False
        sent.fallbacks.append(f"{method.name}: {failure_of(error).text}")
        method.stop()
        self._climb(rung)
        return True

    def _climb(self, rung: int) -> None:
        self._rung = rung
        self._method = self._ladder[rung](self._socket, self._layout)

    def _reject(self, method: Method, error: OSError, begin: int, end: int, sent: Sent) -> int:
        """Count what failed for good; tell where to go on."""
        stop = method.reach(begin, end) if method.is_atomic else begin + 1
        sent.rejected += range(begin, stop)
        sent.fail(failure_of(error), stop - begin)
        return stop
