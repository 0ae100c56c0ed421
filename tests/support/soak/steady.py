"""A collector that is always there, and counts what is missing of what it is sent."""

from __future__ import annotations

import socket
import struct
import threading

_HEADER = struct.Struct(">III4sII")  # version, kind of address, agent, sub-agent, sequence
_ROOM = 32 << 20


class Steady:
    """Receives sFlow in a thread of its own.

    Each datagram has the number after that of the one before. A number that begins anew is a new
    life of the exporter; any other jump is a loss.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.5)
        self.port = int(self._socket.getsockname()[1])
        self.received = 0
        """Datagrams in all."""
        self.lives = 0
        """Times that numbers began anew, the first time included."""
        self.lost = 0
        """Datagrams that are missing within a life."""
        self.since_start = 0
        """Datagrams of the present life."""
        self._last: int | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop receiving."""
        self._stopping.set()
        self._thread.join(5)
        self._socket.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                data = self._socket.recv(65535)
            except TimeoutError:
                continue
            self._take(_HEADER.unpack_from(data)[4])

    def _take(self, number: int) -> None:
        self.received += 1
        if self._last is None or number <= self._last:
            self.lives += 1
            self.since_start = 1
        else:
            self.lost += number - self._last - 1
            self.since_start += 1
        self._last = number
