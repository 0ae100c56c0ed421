"""Memory for look-up tables, and a plain model of what a routing information base should say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from flowexport_mgmt.enrich.prefixes import Version
from flowexport_mgmt.enrich.rib import RibTables
from flowexport_mgmt.enrich.rib_memory import map_memory, size
from flowexport_mgmt.rib.base import Rib
from flowexport_mgmt.wire.bgp import Attributes, Routes, Update

WIDTH = {4: 32, 6: 128}


class Tables(NamedTuple):
    """A base and what reads it."""

    rib: Rib
    reader: RibTables


@contextmanager
def open_tables(*, stale_time: float = 120, end_of_rib_timeout: float = 60) -> Iterator[Tables]:
    descriptor = os.memfd_create("tables")
    os.ftruncate(descriptor, size())
    memory = map_memory(descriptor, write=True)
    rib = Rib(memory, seed=7, stale_time=stale_time, end_of_rib_timeout=end_of_rib_timeout)
    yield Tables(rib, RibTables(descriptor))


def settle(rib: Rib, now: float) -> None:
    """Do all the work there is, and let IPv6 be seen."""
    while rib.work(now):
        pass
    for _ in range(3):  # a table is made, taken, and shown
        rib.work(now + 10)


def announce(
    version: Version,
    prefixes: list[tuple[int, int]],
    attributes: Attributes,
    next_hop: bytes,
    path: int = 0,
) -> Update:
    addresses, lengths = [list(column) for column in zip(*prefixes, strict=True)]
    routes = Routes(version, addresses, lengths, [path] * len(lengths), next_hop)
    return Update(announced=(routes,), attributes=attributes)


def withdraw(version: Version, prefixes: list[tuple[int, int]], path: int = 0) -> Update:
    addresses, lengths = [list(column) for column in zip(*prefixes, strict=True)]
    return Update(withdrawn=(Routes(version, addresses, lengths, [path] * len(lengths)),))


def longest(
    version: Version, prefixes: dict[tuple[int, int], int], address: int
) -> tuple[int, int]:
    """Find an address in a dictionary: what its longest prefix has, and the length; else 0, 0."""
    for length in range(WIDTH[version], -1, -1):
        rest = WIDTH[version] - length
        value = prefixes.get((address >> rest << rest, length))
        if value is not None:
            return value, length
    return 0, 0
