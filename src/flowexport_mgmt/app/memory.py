"""The C allocator, told to give back what long runs with many short-lived arrays leave behind.

glibc gives each thread an arena of its own and keeps what is freed in the midst of one. Columns of
changing sizes, made and freed by several threads, then take more and more pages, of which nearly
all are free: tens of MiB in an hour. With one arena, and free pages given back now and then, memory
is what is in use. An allocator without these calls needs none of it.
"""

from __future__ import annotations

import ctypes
from typing import Final

EVERY_S: Final = 10.0
"""How often free pages are given back; it takes a few milliseconds."""

_M_ARENA_MAX: Final = -8
_LIBC: Final = ctypes.CDLL(None)


def share_one_arena() -> None:
    """Have all threads allocate from one arena; to be called before there are any."""
    if hasattr(_LIBC, "mallopt"):
        _LIBC.mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Give the kernel every page of the heap that holds nothing."""
    if hasattr(_LIBC, "malloc_trim"):
        _LIBC.malloc_trim(ctypes.c_size_t(0))
