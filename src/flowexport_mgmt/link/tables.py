"""The memory that the rib process writes its look-up tables into, and the exporter reads.

The supervisor makes it and hands it out, so that neither of the two depends on the other; it can
be neither cut short nor made longer, whatever the rib process does.
"""

from __future__ import annotations

import fcntl
import os
from typing import Final

SIZE: Final = 3 << 29
"""Octets at most; only what is written takes memory. `enrich.rib_memory` says what is where."""

_SEALS: Final = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


def make_tables() -> int:
    """Make the memory, all of it 0; give a descriptor to write by.

    Raises:
        OSError: it cannot be had.
    """
    descriptor = os.memfd_create("flowexport-rib", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, SIZE)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def open_to_read(descriptor: int) -> int:
    """Give another descriptor of the same memory, by which it cannot be written.

    Raises:
        OSError: it cannot be had.
    """
    return os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
