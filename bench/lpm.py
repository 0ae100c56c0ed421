"""Longest-prefix match of address columns, against pytricia address by address and plain C.

Prefixes and addresses are made up in the proportions of the Internet's tables: five of IPv4 for
each of IPv6, most of 24 and of 48 bits, most addresses inside of a prefix. What is found is the
same in all three.
"""

from __future__ import annotations

import ctypes
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pytricia
from numpy.typing import NDArray

from bench.compiler import build
from bench.measure import Cost, Result, compare
from flowexport_mgmt.enrich.prefixes import Change, Prefixes

BATCH: Final = 10_000
"""Addresses that are looked up together."""

TARGETS: Final = {10_000: 1 / 6, 100_000: 1 / 12, 1_000_000: 1 / 30}
"""By IPv4 prefixes: small tables are in the processor's cache, where one at a time is fast too."""

C_TARGET: Final = 1.0
LOAD_S: Final = 3.0
STALL_S: Final = 0.010
SLICE: Final = 1000
"""Changes that readers see together."""

_NODE: Final = 128  # octets of a node in C
_MOST_NODES: Final = 3_000_000
_LENGTHS: Final = {
    4: ([24, 23, 22, 21, 20, 19, 18, 17, 16, 32], [60, 9, 11, 5, 5, 3, 2, 1, 3, 1]),
    6: ([48, 44, 40, 36, 32, 29, 64], [46, 10, 10, 6, 21, 5, 2]),
}
_TOPS: Final = (0x2001, 0x2400, 0x2404, 0x2600, 0x2620, 0x2800, 0x2A00, 0x2A02, 0x2A10, 0x2C0F)

Version = Literal[4, 6]


@dataclass(frozen=True, slots=True)
class _Table:
    """Prefixes of one family and addresses to look up, as columns and as octets."""

    version: Version
    addresses: NDArray[Any]
    lengths: NDArray[np.int64]
    asked: NDArray[Any]

    @property
    def width(self) -> int:
        return 4 if self.version == 4 else 16


def run(*, quick: bool) -> list[Result]:
    """Measure look-ups, loading and changing at each size."""
    sizes = list(TARGETS)[-1:] if quick else list(TARGETS)
    with tempfile.TemporaryDirectory() as folder:
        library = build("lpm", Path(folder))
    library.lpm_load.restype = ctypes.c_size_t
    return [result for size in sizes for result in _measure(library, size)]


def _measure(library: Any, size: int) -> list[Result]:
    tables = [_make(4, size, BATCH * 5 // 6), _make(6, size // 5, BATCH // 6)]
    prefixes = [Prefixes(table.version) for table in tables]
    load = _limit(lambda: _load(prefixes, tables), LOAD_S)

    def ours() -> list[NDArray[np.int64]]:
        return [
            made.current.find(table.asked).values
            for made, table in zip(prefixes, tables, strict=True)
        ]

    tries = [_load_pytricia(table) for table in tables]
    octets = [_split(_octets(table.asked), table.width) for table in tables]

    def theirs() -> list[list[int]]:
        return [[t.get(each, -1) for each in asked] for t, asked in zip(tries, octets, strict=True)]

    plain = _prepare_c(library, tables)
    found = [values.tolist() for values in ours()]
    if theirs() != found or [values.tolist() for values in plain()] != found:
        raise AssertionError("what is found differs from what the references find")
    return [
        Result("lpm against pytricia", size, "pytricia", *compare(ours, theirs), TARGETS[size]),
        Result("lpm against C", size, "C", *compare(ours, plain), C_TARGET),
        Result("lpm load", size, f"{LOAD_S:.0f} s", *load, target=1.0),
        Result("lpm changes", size, "10 ms", *_change(prefixes[0], tables[0]), target=1.0),
    ]


def _make(version: Version, size: int, asked: int) -> _Table:
    random = np.random.default_rng(size)
    lengths, weights = _LENGTHS[version]
    chosen = random.choice(lengths, size, p=np.array(weights) / sum(weights)).astype(np.int64)
    if version == 4:
        addresses = random.integers(1 << 24, 224 << 24, size).astype(np.uint32)
        addresses = addresses >> (32 - chosen).astype(np.uint32) << (32 - chosen).astype(np.uint32)
        inside = addresses[random.integers(0, size, asked)] | random.integers(
            0, 256, asked, dtype=np.uint32
        )
        return _Table(version, addresses, chosen, inside)
    tops = random.choice(np.array(_TOPS, np.uint64), size) << np.uint64(48)
    rest = (64 - chosen).astype(np.uint64)
    high = (tops | random.integers(0, 1 << 48, size).astype(np.uint64)) >> rest << rest
    addresses = np.stack((high, np.zeros(size, np.uint64)), axis=1)
    inside = addresses[random.integers(0, size, asked)]
    inside[:, 0] |= random.integers(0, 1 << 16, asked).astype(np.uint64)
    inside[:, 1] = random.integers(0, 1 << 63, asked)
    return _Table(version, addresses, chosen, inside)


def _load(prefixes: list[Prefixes], tables: list[_Table]) -> None:
    for made, table in zip(prefixes, tables, strict=True):
        made.load(table.addresses, table.lengths, np.arange(len(table.lengths)))


def _limit(work: Callable[[], object], seconds: float) -> tuple[Cost, Cost]:
    """Do it once, and put a limit beside it."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    taken = Cost(time.process_time() - cpu, time.perf_counter() - wall)
    return taken, Cost(seconds, seconds)


def _change(prefixes: Prefixes, table: _Table) -> tuple[Cost, Cost]:
    """Change and publish a slice; a third each of prefixes that change, are new and go."""
    changes = []
    for number in range(SLICE):
        address, length = int(table.addresses[number]), int(table.lengths[number])
        kind = number % 3
        changes.append(Change(address, length + (kind == 1 and length < 32), 7 if kind else -1))

    def work() -> None:
        prefixes.update(changes)
        prefixes.publish()

    work()
    return _limit(work, STALL_S)


def _octets(addresses: NDArray[Any]) -> bytes:
    return addresses.astype(addresses.dtype.newbyteorder(">")).tobytes()


def _split(octets: bytes, width: int) -> list[bytes]:
    return [octets[at : at + width] for at in range(0, len(octets), width)]


def _load_pytricia(table: _Table) -> Any:
    trie = pytricia.PyTricia(8 * table.width)
    octets = _split(_octets(table.addresses), table.width)
    for number, (address, length) in enumerate(zip(octets, table.lengths.tolist(), strict=True)):
        trie.insert(address, length, number)
    return trie


def _prepare_c(library: Any, tables: list[_Table]) -> Callable[[], list[NDArray[np.int64]]]:
    calls = []
    kept: list[object] = []
    for table in tables:
        order = np.argsort(table.lengths, kind="stable")
        lengths = np.ascontiguousarray(table.lengths[order])
        octets = _octets(table.addresses[order])
        nodes = np.zeros(_MOST_NODES * _NODE, np.uint8)
        size = ctypes.c_size_t
        width, count = size(table.width), size(len(lengths))
        pointers = (ctypes.c_void_p(nodes.ctypes.data), size(_MOST_NODES), octets, width)
        if not library.lpm_load(*pointers, ctypes.c_void_p(lengths.ctypes.data), count):
            raise AssertionError("the reference has too few nodes")
        calls.append((nodes, _octets(table.asked), width, len(table.asked), order))
        kept.append(lengths)

    def find() -> list[NDArray[np.int64]]:
        results = []
        for nodes, asked, width, count, order in calls:
            found = np.empty(count, np.int64)
            pointer = ctypes.c_void_p(found.ctypes.data)
            library.lpm_find(
                ctypes.c_void_p(nodes.ctypes.data), asked, width, ctypes.c_size_t(count), pointer
            )
            results.append(np.where(found < 0, -1, order[found]))
        return results

    return find
