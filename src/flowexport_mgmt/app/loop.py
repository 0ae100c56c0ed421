"""The supervisor's event loop: sockets, timers and signals, on nothing but selectors.

The supervisor stays for the life of the daemon and must be small, so it does without asyncio.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator
from types import FrameType


class Timer:
    """A call at a later time."""

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Make it do nothing."""
        self.callback = None


class Loop:
    """Calls back when a socket can be read, a time has come or a signal arrived."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._on_signal: dict[int, Callable[[], None]] = {}

    def watch(self, sock: socket.socket, callback: Callable[[], None]) -> None:
        """Call back whenever ``sock`` can be read, until `unwatch`."""
        self._selector.register(sock, selectors.EVENT_READ, callback)

    def unwatch(self, sock: socket.socket) -> None:
        """Forget a socket; one that is not watched is fine."""
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(sock)

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call back once after ``delay`` seconds."""
        timer = Timer(time.monotonic() + delay, callback)
        heapq.heappush(self._timers, (timer.when, next(self._order), timer))
        return timer

    @contextlib.contextmanager
    def signals(self, callbacks: dict[int, Callable[[], None]]) -> Iterator[None]:
        """Within the block, call back from the loop for each of these signals."""
        reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)
        self._on_signal = callbacks
        former_wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        former = {number: signal.signal(number, _do_nothing) for number in callbacks}
        self.watch(reader, lambda: self._take_signals(reader))
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(former_wakeup)
            self.unwatch(reader)
            reader.close()
            writer.close()

    def run(self, finished: Callable[[], bool]) -> None:
        """Serve until ``finished`` answers true; it is asked after each round of callbacks."""
        while not finished():
            for key, _ in self._selector.select(self._pause()):
                # A callback of the same round may have dropped this one.
                if self._selector.get_map().get(key.fd) is key:
                    key.data()
            self._run_timers()

    def close(self) -> None:
        """Release the selector."""
        self._selector.close()

    def _pause(self) -> float | None:
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    def _run_timers(self) -> None:
        while self._timers and self._timers[0][0] <= time.monotonic():
            timer = heapq.heappop(self._timers)[2]
            if timer.callback is not None:
                timer.callback()

    def _take_signals(self, reader: socket.socket) -> None:
        for number in sorted(set(reader.recv(4096))):
            if (callback := self._on_signal.get(number)) is not None:
                callback()


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    """Exist, so that the signal wakes the loop instead of doing its default."""
