"""Packets and connections whose time is known, and the datagrams that tell of them."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final, Self

from tests.support.packets import udp_packet

from flowexport_mgmt.wire.conntrack import Tuple, encode_removal
from flowexport_mgmt.wire.decoder import Decoder
from flowexport_mgmt.wire.messages import Message

EXPORTER, PEER, PORT = "10.9.0.1", "10.9.0.2", 9
GAP: Final = 0.01
"""Seconds between two packets."""

_LIFE: Final = 0.05
"""Seconds from a packet until its connection is taken out of the kernel's table."""

_FIRST_PORT, _PORTS = 10_000, 50_000
_SO_TIMESTAMPNS: Final = 35
_TIMESPEC: Final = struct.Struct("@qq")


@dataclass
class Sink:
    """A collector's socket: what came, and when the kernel had it (Unix time, ns)."""

    socket: socket.socket
    arrived: list[tuple[int, bytes]] = field(default_factory=list)

    @classmethod
    def open(cls) -> Self:
        """Open one on loopback, in the namespace that this thread is in."""
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        opened.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        opened.bind(("127.0.0.1", 0))
        opened.settimeout(0.1)
        return cls(opened)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.socket.getsockname()[1])

    def receive(self) -> None:
        """Take what comes, for a short while."""
        with contextlib.suppress(TimeoutError):
            data, control, _, _ = self.socket.recvmsg(65536, 128)
            seconds, rest = _TIMESPEC.unpack(control[0][2][: _TIMESPEC.size])
            self.arrived.append((seconds * 10**9 + rest, data))

    def decode(self) -> Iterator[tuple[int, Message]]:
        """Give the datagrams with the times of their arrival; a faulty one is an error."""
        decoder = Decoder()
        for arrived, data in self.arrived:
            message = decoder.receive(data, ("127.0.0.1", 1), arrived)
            assert not message.faults, message.faults
            yield arrived, message


class Traffic:
    """One packet after another, each from a port of its own; each connection is ended soon after.

    ``sent`` and ``ended`` have the Unix times in ns of both by port. ``raw`` is a socket for whole
    packets in the peer's namespace, ``link`` one of netfilter's in the exporter's.
    """

    def __init__(self, raw: socket.socket, link: socket.socket) -> None:
        self.sent: dict[int, int] = {}
        self.ended: dict[int, int] = {}
        self._raw = raw
        self._link = link
        self._waiting: deque[tuple[float, int]] = deque()
        self._count = 0

    def send(self) -> None:
        """Send a packet."""
        port = _FIRST_PORT + self._count % _PORTS
        self._count += 1
        packet = udp_packet((PEER, port), (EXPORTER, PORT))
        self.sent[port] = time.time_ns()
        self._raw.sendto(packet, (EXPORTER, 0))
        self._waiting.append((time.monotonic() + _LIFE, port))
        time.sleep(GAP)

    def end(self) -> None:
        """End the connections whose time has come."""
        while self._waiting and self._waiting[0][0] <= time.monotonic():
            _, port = self._waiting.popleft()
            request = encode_removal(_connection(port))
            self.ended[port] = time.time_ns()
            self._link.send(request)
        time.sleep(GAP / 4)


def _connection(port: int) -> Tuple:
    return Tuple(
        src=ip_address(PEER),
        dst=ip_address(EXPORTER),
        protocol=socket.IPPROTO_UDP,
        src_port=port,
        dst_port=PORT,
    )


@contextmanager
def repeating(*works: Callable[[], object]) -> Iterator[None]:
    """Run functions again and again meanwhile, each in a thread of its own."""
    stop = threading.Event()

    def run(work: Callable[[], object]) -> None:
        while not stop.is_set():
            work()

    made = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in made:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in made:
            thread.join()
