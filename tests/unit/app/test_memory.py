"""Each case in a process of its own: what the allocator keeps is told by the kernel and by it."""

from __future__ import annotations

import subprocess
import sys

_ARENAS = """
import ctypes, threading
from flowexport_mgmt.app import memory
{first}
libc = ctypes.CDLL(None)
ends = threading.Event()
def allocate():
    libc.free(ctypes.c_void_p(libc.malloc(1000)))
    ends.wait()
libc.malloc.restype = ctypes.c_void_p
threads = [threading.Thread(target=allocate) for _ in range(4)]
for thread in threads:
    thread.start()
libc.malloc_stats()
ends.set()
"""

_PAGES = """
import ctypes, resource
from pathlib import Path
from flowexport_mgmt.app import memory
memory.share_one_arena()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() >> 20
pieces = [libc.malloc(60_000) for _ in range(1000)]
for piece in pieces:
    ctypes.memset(ctypes.c_void_p(piece), 1, 60_000)
for piece in pieces[:-1]:  # the last one keeps the top of the heap where it is
    libc.free(ctypes.c_void_p(piece))
before = resident()
memory.give_back()
print(before - resident())
"""


def _run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )


def test_all_threads_share_an_arena() -> None:
    apart = _run(_ARENAS.format(first=""))
    together = _run(_ARENAS.format(first="memory.share_one_arena()"))
    assert apart.stderr.count("Arena ") > 1
    assert together.stderr.count("Arena ") == 1


def test_pages_between_what_is_in_use_are_given_back() -> None:
    assert int(_run(_PAGES).stdout) > 50
