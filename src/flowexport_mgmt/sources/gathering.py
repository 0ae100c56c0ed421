"""How long samples gather before they are handled: one by itself costs nearly as much as many."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Final

LONGEST_S: Final = 0.03
_STEP_S: Final = 0.005
_SHARE: Final = 8
"""A socket fills up when what waits takes one part in so many of its room."""

_SO_MEMINFO: Final = 55
_MEMINFO = struct.Struct("=II")  # octets that wait, octets that may; more follows


def gather(is_scarce: Callable[[], bool], stopping: threading.Event) -> None:
    """Wait for `LONGEST_S`, but no longer than until room is scarce or it is time to stop."""
    for _ in range(round(LONGEST_S / _STEP_S)):
        if stopping.wait(_STEP_S) or is_scarce():
            return


def is_filling(link: socket.socket) -> bool:
    """Tell whether what waits in a socket has a good part of its room, as far as is known."""
    with contextlib.suppress(OSError, struct.error):
        answer = link.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
        waiting, room = _MEMINFO.unpack(answer)
        return bool(waiting * _SHARE >= room)
    return True
