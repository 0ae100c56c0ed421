"""The thread that takes what packet sockets sampled."""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from typing import Final

from flowexport_mgmt.observe.log import LimitedLogger
from flowexport_mgmt.sources.gathering import gather
from flowexport_mgmt.sources.packet.capture import Capture, Setting, make_receiver
from flowexport_mgmt.sources.sampling import TakeBatch

_LOG = LimitedLogger(logging.getLogger(__name__))

_TURN: Final = 8
"""Batches that are taken from a capture before others have their turn."""


class Reader:
    """Reads captures until it is stopped; they are its own from `add` to `remove`."""

    def __init__(self, take: TakeBatch) -> None:
        self._take = take
        self._receiver = make_receiver()
        self._captures: dict[int, Capture] = {}  # by descriptor
        self._lock = threading.Lock()  # held while captures are read or changed
        self._epoll = select.epoll()
        self._stop = os.eventfd(0, os.EFD_CLOEXEC)
        self._epoll.register(self._stop, select.EPOLLIN)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="packets", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def add(self, capture: Capture) -> None:
        """Read a capture from now on."""
        with self._lock:
            self._register(capture)

    def retune(self, capture: Capture, setting: Setting) -> None:
        """Let a capture sample by another setting, after what it took by the one before.

        Raises:
            OSError: the kernel refused, and everything is as it was.
        """
        with self._lock:
            former = capture.fileno()
            waiting = capture.retune(setting, self._receiver, time.time_ns())
            self._captures.pop(former)  # epoll forgets a socket that is closed
            self._register(capture)
            for batch in waiting:
                self._take(batch)

    def remove(self, capture: Capture) -> None:
        """Take what a capture still has, and close it."""
        with self._lock:
            self._captures.pop(capture.fileno())
            self._read(capture)
            capture.close()

    def stop(self, timeout: float) -> None:
        """Stop the thread, and close all captures."""
        self._stopping.set()
        os.eventfd_write(self._stop, 1)
        if self._thread.is_alive():
            self._thread.join(timeout)
        if not self._thread.is_alive():
            for capture in self._captures.values():
                capture.close()
            self._captures.clear()
            self._epoll.close()
            os.close(self._stop)

    def _register(self, capture: Capture) -> None:
        self._captures[capture.fileno()] = capture
        self._epoll.register(capture.fileno(), select.EPOLLIN)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._epoll.poll()
            gather(self._is_scarce, self._stopping)
            ready = self._epoll.poll(0)
            with self._lock:
                for descriptor, _ in ready:
                    if capture := self._captures.get(descriptor):
                        self._read(capture)

    def _is_scarce(self) -> bool:
        """Tell whether a capture has little room left; those that have nothing are not asked."""
        ready = self._epoll.poll(0)
        with self._lock:
            captures = (self._captures.get(descriptor) for descriptor, _ in ready)
            return any(capture is not None and capture.is_filling() for capture in captures)

    def _read(self, capture: Capture) -> None:
        """Take a turn's worth of batches; an interface that went down says so here, once."""
        try:
            for _ in range(_TURN):
                batch = capture.read(self._receiver, time.time_ns())
                if batch is None:
                    return
                self._take(batch)
        except OSError as error:
            _LOG.log(logging.INFO, "packets", "sampled packets: %s", error.strerror)
        except Exception as error:  # noqa: BLE001 - the next samples may be better
            _LOG.log(logging.ERROR, "packets", "sampled packets: %r", error)
