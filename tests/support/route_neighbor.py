"""A neighbor of BGP with a whole table that changes, and what it told in a dictionary."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tests.support.bgp_table import END_OF_RIB, Known, Table, make_message, make_withdrawal
from tests.support.conditions import wait_until

from flowexport_mgmt.wire import bgp

AS: Final = 64999
HOLD_TIME: Final = 30
_KEEPALIVE_S: Final = 5.0
_STEP_S: Final = 0.01
_SHARES: Final = {4: 0.8, 6: 0.2}
_GONE: Final = 0.3
_MARKER: Final = b"\xff" * 16


class Neighbor:
    """Tells routes; ``known`` has the number of the message that told of each prefix last."""

    def __init__(self, port: int, tables: list[Table], known: Known) -> None:
        self._port = port
        self._tables = tables
        self._known = known
        self._base = b"".join(b"".join(table.tell()) for table in tables)
        self._changed: dict[int, set[int]] = {table.version: set() for table in tables}
        self._link: socket.socket | None = None
        self._sending = threading.Lock()
        self._listener: threading.Thread | None = None
        self.silence = 0.0
        """The longest time that was between two messages of the daemon, in seconds."""
        self.messages = 0

    def connect(self, *, wait: bool = True) -> None:
        """Begin a session and tell the whole table; without ``wait`` by a thread of its own."""
        link = wait_until(self._open, 60, "a connection")
        assert link is not None
        self._link = link
        self._listener = threading.Thread(target=self._listen, args=(link,), daemon=True)
        self._listener.start()
        told = [self._base, *self._changes(), *END_OF_RIB.values()]
        if wait:
            for part in told:
                self._send(part)
        else:
            threading.Thread(target=self._tell, args=(link, told), daemon=True).start()

    def disconnect(self) -> None:
        """End the session without a word."""
        link, self._link = self._link, None
        if link is not None:
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
            link.close()
        if self._listener is not None:
            self._listener.join(20)

    def churn(self, random: np.random.Generator, rate: int, seconds: float) -> None:
        """Change and withdraw routes, so many in a second."""
        begun = time.monotonic()
        for step in range(round(seconds / _STEP_S)):
            time.sleep(max(0.0, begun + step * _STEP_S - time.monotonic()))
            for table in self._tables:
                rows = table.choose_changing(random, round(rate * _STEP_S * _SHARES[table.version]))
                numbers = random.integers(0, 1 << 16, len(rows))
                gone = random.random(len(rows)) < _GONE
                self._send(b"".join(self._change(table, rows, np.where(gone, -1, numbers))))

    def flap(self, random: np.random.Generator, count: int) -> None:
        """Withdraw many routes at once, and announce them again, three times."""
        for _ in range(3):
            for table in self._tables:
                rows = np.unique(
                    table.choose_changing(random, round(count * _SHARES[table.version]))
                )
                self._send(b"".join(self._change(table, rows, np.full(len(rows), -1))))
                numbers = random.integers(0, 1 << 16, len(rows))
                self._send(b"".join(self._change(table, rows, numbers)))

    def _change(
        self, table: Table, rows: NDArray[np.int64], numbers: NDArray[np.int64]
    ) -> Iterator[bytes]:
        known, changed = self._known[table.version], self._changed[table.version]
        addresses, lengths = table.addresses[rows].tolist(), table.lengths[rows].tolist()
        for row, address, length, number in zip(
            rows.tolist(), addresses, lengths, numbers.tolist(), strict=True
        ):
            changed.add(row)
            if number < 0:
                known.pop((address, length), None)
            else:
                known[address, length] = number
            yield _encode(table, address, length, number)

    def _changes(self) -> Iterator[bytes]:
        """Tell what changed since the begin, so that the table is whole."""
        for table in self._tables:
            rows = np.array(sorted(self._changed[table.version]), np.int64)
            pairs = zip(table.addresses[rows].tolist(), table.lengths[rows].tolist(), strict=True)
            known = self._known[table.version]
            yield b"".join(_encode(table, *key, known.get(key, -1)) for key in pairs)

    def _open(self) -> socket.socket | None:
        with contextlib.suppress(OSError):
            link = socket.create_connection(("127.0.0.1", self._port))
            told = bgp.Open(
                asn=AS,
                hold_time=HOLD_TIME,
                identifier=2,
                families=frozenset((4, 6)),
                four_octets=True,
                restart_time=600,
            )
            link.sendall(bgp.encode_open(told) + bgp.encode_keepalive())
            return link
        return None

    def _listen(self, link: socket.socket) -> None:
        """Hear the daemon, and let it hear that we live."""
        heard = said = time.monotonic()
        with contextlib.suppress(OSError):
            link.settimeout(1.0)
            while True:
                with contextlib.suppress(TimeoutError):
                    if not link.recv(1 << 16):
                        return
                    self.silence = max(self.silence, time.monotonic() - heard)
                    heard = time.monotonic()
                if time.monotonic() - said > _KEEPALIVE_S:
                    said = time.monotonic()
                    self._keep_alive(link)

    def _keep_alive(self, link: socket.socket) -> None:
        """Say that we live, unless something is being told, which says so, too."""
        if self._sending.acquire(blocking=False):
            try:
                _send_all(link, bgp.encode_keepalive())
            finally:
                self._sending.release()

    def _send(self, data: bytes) -> None:
        assert self._link is not None
        self._tell(self._link, [data])

    def _tell(self, link: socket.socket, parts: list[bytes]) -> None:
        for part in parts:
            with self._sending, contextlib.suppress(OSError):
                _send_all(link, part)
            self.messages += part.count(_MARKER)


def _send_all(link: socket.socket, data: bytes) -> None:
    """Send, however long the other side takes."""
    view = memoryview(data)
    while view:
        with contextlib.suppress(TimeoutError):
            view = view[link.send(view) :]


def _encode(table: Table, address: int, length: int, number: int) -> bytes:
    if number < 0:
        return make_withdrawal(table.version, [address], [length])
    return make_message(table.version, number, [address], [length])
