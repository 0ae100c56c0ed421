"""The look-up tables that the rib process writes and the exporter reads, in one piece of memory.

::

    header      words of 64 bits: see Word
    layouts     two places for the description of the IPv6 tables; the generation says which counts
    short4      an entry for each first octet of IPv4 addresses: prefixes of up to 8 bits
    direct4     an entry for each first 24 bits: prefixes of up to 24 bits, or the number of a block
    blocks4     256 entries for each of those 24 bits that have longer prefixes
    facts       what is known of the routes: columns of equal length, row 0 for none
    texts       AS paths and communities, in words of 32 bits
    ipv6        two places for a table of prefixes, and two for what is laid over it

An entry is the row of a route's facts in its upper 26 bits and the prefix length plus one below; 0
stands for no route, and BLOCK in place of the length for the number of a block. Entries change one
by one, each in one piece. What an entry leads to is not used for anything else before GRACE_S have
passed since the entry changed: a reader that took longer asks again.

The memory is as large as anything may grow and costs only what is written.
"""

from __future__ import annotations

import enum
import mmap
import os
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

U4 = NDArray[np.uint32]
U8 = NDArray[np.uint64]

MAGIC: Final = 0x464C4F57_52494234
GRACE_S: Final = 5.0
LENGTH_BITS: Final = 6
BLOCK: Final = 63
MOST_FACTS: Final = 1 << 21
MOST_BLOCKS: Final = 1 << 17
MOST_TEXT: Final = 1 << 26
LAYOUT_SIZE: Final = 1 << 14
TABLE_SIZE: Final = 1 << 28
OVERLAY_SIZE: Final = 1 << 26


class Word(enum.IntEnum):
    """The words of the header."""

    MAGIC = 0
    LAYOUT = 1
    """The generation of the layout: grows with each; the lowest bit says which place has it."""
    READY = 2
    """Which families have a table that may be used, all of it there: READY_BITS."""
    OWN_AS = 3
    ROUTES4 = 4
    ROUTES6 = 5


READY_BITS: Final[dict[Literal[4, 6], int]] = {4: 1, 6: 2}
"""By family what is set in `Word.READY`."""

_REGIONS: Final[tuple[tuple[str, Any, tuple[int, ...]], ...]] = (
    ("header", np.uint64, (512,)),
    ("layouts", np.uint8, (2, LAYOUT_SIZE)),
    ("short4", np.uint32, (1024,)),
    ("direct4", np.uint32, (1 << 24,)),
    ("blocks4", np.uint32, (MOST_BLOCKS, 256)),
    ("next_hop", np.uint64, (MOST_FACTS, 2)),
    ("origin_as", np.uint32, (MOST_FACTS,)),
    ("neighbour_as", np.uint32, (MOST_FACTS,)),
    ("local_pref", np.uint32, (MOST_FACTS,)),
    ("text", np.uint32, (MOST_FACTS,)),
    ("serial", np.uint32, (MOST_FACTS,)),
    ("version", np.uint8, (MOST_FACTS,)),
    ("texts", np.uint32, (MOST_TEXT,)),
    ("table6", np.uint8, (2, TABLE_SIZE)),
    ("overlay6", np.uint8, (2, OVERLAY_SIZE)),
)


class Memory(NamedTuple):
    """The columns, and what they lie in.

    ``next_hop`` has IPv4 addresses in its second half; ``text`` is where a text begins, and
    ``serial`` another number each time that a row is used for something else.
    """

    mapped: mmap.mmap
    header: U8
    layouts: NDArray[np.uint8]
    short4: U4
    direct4: U4
    blocks4: U4
    next_hop: U8
    origin_as: U4
    neighbour_as: U4
    local_pref: U4
    text: U4
    serial: U4
    version: NDArray[np.uint8]
    texts: U4
    table6: NDArray[np.uint8]
    overlay6: NDArray[np.uint8]


def size() -> int:
    """Give the octets that the memory takes at most."""
    return sum(_octets(kind, shape) for _, kind, shape in _REGIONS)


def map_memory(descriptor: int, *, write: bool = False) -> Memory:
    """Map what a descriptor stands for.

    Raises:
        OSError: it is too small or cannot be mapped.
    """
    total = size()
    if os.fstat(descriptor).st_size < total:
        raise OSError("the look-up tables are smaller than they have to be")
    access = mmap.PROT_READ | (mmap.PROT_WRITE if write else 0)
    mapped = mmap.mmap(descriptor, total, mmap.MAP_SHARED, access)
    views: dict[str, Any] = {}
    at = 0
    for name, kind, shape in _REGIONS:
        count = int(np.prod(shape))
        views[name] = np.frombuffer(mapped, kind, count, at).reshape(shape)
        at += _octets(kind, shape)
    return Memory(mapped, **views)


def _octets(kind: Any, shape: tuple[int, ...]) -> int:
    octets: int = int(np.prod(shape)) * np.dtype(kind).itemsize
    return -(-octets // mmap.PAGESIZE) * mmap.PAGESIZE
