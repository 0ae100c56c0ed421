"""Ports that were free a moment ago."""

from __future__ import annotations

import contextlib
import socket


def free_ports(count: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> tuple[int, ...]:
    """Find ports of 127.0.0.1, no two alike: each is held until all are found."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket(socket.AF_INET, kind)) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return tuple(int(probe.getsockname()[1]) for probe in probes)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Find one port."""
    return free_ports(1, kind)[0]
