"""Waiting for descriptors, for a time and to be woken, all at once."""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Hashable
from typing import Generic, TypeVar

from flowexport_mgmt.export import Interest

K = TypeVar("K", bound=Hashable)


class Watch(Generic[K]):
    """Tells which keys' descriptors have become ready; each has to be armed again afterwards.

    `wake` may be called at any time and from any thread; `wait` runs beside `arm` and `forget`. A
    descriptor that was closed needs no goodbye: the kernel forgets it, and whoever gets its number
    next takes its place here. At the worst a key is called ready that is not.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._waker = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._waker, select.EPOLLIN)
        self._keys: dict[int, K] = {}
        self._waking = threading.Lock()
        self._is_closed = False

    def arm(self, key: K, interest: Interest) -> None:
        """Tell once when a key's descriptor is ready."""
        if interest.descriptor < 0:
            return  # closed meanwhile
        events = select.EPOLLONESHOT
        events |= select.EPOLLIN if interest.read else 0
        events |= select.EPOLLOUT if interest.write else 0
        self._keys[interest.descriptor] = key
        with contextlib.suppress(OSError):  # closed meanwhile
            try:
                self._epoll.modify(interest.descriptor, events)
            except FileNotFoundError:
                self._epoll.register(interest.descriptor, events)

    def forget(self, key: K) -> None:
        """Never call a key ready again."""
        for descriptor in [number for number, known in self._keys.items() if known == key]:
            del self._keys[descriptor]

    def wake(self) -> None:
        """End a wait, or the next one."""
        with self._waking:
            if not self._is_closed:
                os.eventfd_write(self._waker, 1)

    def wait(self, seconds: float) -> None:
        """Wait until something is ready, to the microsecond, where epoll knows milliseconds."""
        select.select([self._epoll], [], [], max(0.0, seconds))

    def take(self) -> list[K]:
        """Take the keys that are ready."""
        ready = []
        for descriptor, _ in self._epoll.poll(0):
            if descriptor == self._waker:
                os.eventfd_read(self._waker)
            elif descriptor in self._keys:
                ready.append(self._keys[descriptor])
        return ready

    def close(self) -> None:
        """Release the descriptors, once nobody waits any more."""
        with self._waking:
            if not self._is_closed:
                self._is_closed = True
                self._epoll.close()
                os.close(self._waker)
