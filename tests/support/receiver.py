"""A collector for tests: a socket, and the strict decoder behind it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from flowexport_mgmt.wire.decoder import Decoder
from flowexport_mgmt.wire.messages import Message, Record


class Received(NamedTuple):
    message: Message
    size: int
    tos: int
    source: str
    arrived: float

    def kinds(self, kind: str) -> list[Record]:
        return [record for record in self.message.records if record.kind == kind]


class Receiver:
    """Receives on a port of its own and decodes; a fault or a sequence gap fails the test."""

    def __init__(self, address: str = "127.0.0.1", port: int = 0, *, strict: bool = True) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
        else:
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind((address, port))
        self.address = address
        self.port: int = self.socket.getsockname()[1]
        self._decoder = Decoder()
        self._strict = strict

    def receive(self, seconds: float = 5.0) -> Received:
        """Wait for one datagram."""
        self.socket.settimeout(seconds)
        data, control, _, source = self.socket.recvmsg(65536, 256)
        arrived = time.monotonic()
        message = self._decoder.receive(data, source[:2], time.time_ns())
        if self._strict:
            assert not message.faults, message.faults
            assert not message.lost
        tos = int.from_bytes(control[0][2], "little") if control else 0
        return Received(message, len(data), tos, source[0], arrived)

    def receive_until(self, kind: str, seconds: float = 5.0) -> Received:
        """Wait for a datagram that has a record of a kind."""
        deadline = time.monotonic() + seconds
        while True:
            got = self.receive(max(0.001, deadline - time.monotonic()))
            if got.kinds(kind):
                return got

    def waiting(self) -> list[Received]:
        """Take what has arrived."""
        found = []
        while True:
            try:
                found.append(self.receive(1e-6))
            except (TimeoutError, BlockingIOError):
                return found

    def close(self) -> None:
        self.socket.close()


@contextmanager
def receiver(address: str = "127.0.0.1", *, strict: bool = True) -> Iterator[Receiver]:
    made = Receiver(address, strict=strict)
    try:
        yield made
    finally:
        made.close()


def closed_port() -> int:
    """Find a port of the loopback address that nothing listens on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
