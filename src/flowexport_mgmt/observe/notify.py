"""Readiness for the service manager: the sd_notify protocol, without a library.

See sd_notify(3). Without ``NOTIFY_SOCKET`` in the environment every call does nothing.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """Tells the service manager how the daemon fares."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        path = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{path[1:]}" if path.startswith("@") else path
        self.watchdog_interval = _watchdog_interval(environment)
        """Seconds between two calls of `watchdog`, or None when nobody watches."""

    def ready(self) -> None:
        """Say that the daemon has started, or reloaded."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Say that the configuration is prepared again; `ready` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the daemon is about to end."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Say how the daemon fares, in one line."""
        self._send(f"STATUS={' '.join(text.split())}")

    def watchdog(self) -> None:
        """Say that the daemon is alive."""
        self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK
        # A service manager that went away must not take the daemon with it.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, kind) as peer:
            peer.sendto(message.encode(), self._address)


def _watchdog_interval(environment: Mapping[str, str]) -> float | None:
    """Half of the time that the service manager allows, as sd_watchdog_enabled(3) advises."""
    allowed = environment.get("WATCHDOG_USEC", "")
    watched = environment.get("WATCHDOG_PID", str(os.getpid()))
    if not allowed.isdecimal() or int(allowed) == 0 or watched != str(os.getpid()):
        return None
    return int(allowed) / 2_000_000


def without(environment: Mapping[str, str]) -> dict[str, str]:
    """Copy an environment for a child process, which must not speak for the daemon."""
    ours = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
    return {name: value for name, value in environment.items() if name not in ours}
