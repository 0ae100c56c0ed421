"""Names of addresses, asked of the resolver with a bound on the wait."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

from flowexport_mgmt.cli.values import Value

_WORKERS: Final = 16
_PATIENCE: Final = 5.0
_MOST: Final = 4096

Look = Callable[[str], str]


def names_of(
    addresses: Iterator[str], look: Look | None = None, patience: float = _PATIENCE
) -> dict[str, Value]:
    """Ask for the names of addresses, many at a time; those that are late are left out."""
    look = look or _reverse
    wanted: queue.SimpleQueue[str] = queue.SimpleQueue()
    found: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
    count = 0
    for address in list(dict.fromkeys(addresses))[:_MOST]:
        wanted.put(address)
        count += 1
    for _ in range(min(_WORKERS, count)):
        threading.Thread(target=_work, args=(wanted, found, look), daemon=True).start()
    return _collect(found, count, time.monotonic() + patience)


def _work(
    wanted: queue.SimpleQueue[str], found: queue.SimpleQueue[tuple[str, str]], look: Look
) -> None:
    while True:
        try:
            address = wanted.get_nowait()
        except queue.Empty:
            return
        found.put((address, look(address)))


def _collect(
    found: queue.SimpleQueue[tuple[str, str]], count: int, deadline: float
) -> dict[str, Value]:
    names: dict[str, Value] = {}
    for _ in range(count):
        try:
            address, name = found.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        if name:
            names[address] = name
    return names


def _reverse(address: str) -> str:
    try:
        name, _ = socket.getnameinfo((address, 0), socket.NI_NAMEREQD)
    except OSError:
        return ""
    return name
