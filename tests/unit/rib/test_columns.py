"""Routes that come as columns end in the same tables as those that come one by one."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from tests.support.bgp import attribute, body, path
from tests.support.rib import WIDTH, Tables, open_tables, settle

from flowexport_mgmt.enrich.prefixes import Version, to_column
from flowexport_mgmt.rib.sources import Identity, Kind, Source
from flowexport_mgmt.wire import bgp

HOP6 = bytes.fromhex("20010db8" + "00" * 11)
VERSIONS: tuple[Version, Version] = (4, 6)


def random_body(rng: random.Random) -> bytes:
    """Make an UPDATE of few prefixes and attributes, so that they come again."""
    prefixes = b"".join(
        bytes([length]) + bytes([32, rng.randrange(4), rng.randrange(4), 0])[: length // 8]
        for length in rng.choices([8, 16, 24, 32], k=rng.randint(1, 5))
    )
    systems = (65002, *rng.choices(range(64500, 64504), k=rng.randrange(3)))
    told = attribute(0x40, 1, bytes([rng.randrange(2)])) + attribute(0x40, 2, path(*systems))
    if rng.random() < 0.5:
        told += attribute(0x40, 5, bytes([0, 0, 0, rng.randrange(3)]))
    if rng.random() < 0.5:
        told += attribute(0xC0, 8, rng.randbytes(8)) + attribute(0xC0, 32, rng.randbytes(12))
    match rng.randrange(5):
        case 0:
            return body(withdrawn=prefixes)
        case 1:
            return body(attribute(0x80, 15, b"\0\2\1" + prefixes))
        case 2:
            hop = b"\0\2\1\x10" + HOP6 + bytes([rng.randrange(1, 4)])
            return body(told + attribute(0x80, 14, hop + b"\0" + prefixes))
    return body(told + attribute(0x40, 3, bytes([192, 0, 2, rng.randrange(4)])), prefixes)


def open_source(tables: Tables) -> Source:
    source = tables.rib.open_source(Identity(Kind.IBGP, "a"), 1)
    assert source is not None
    tables.rib.begin(source, 0, 0)
    for version in VERSIONS:
        tables.rib.complete(source, version, told=True)
    return source


def asked(rng: random.Random, version: Version) -> NDArray[np.uint32] | NDArray[np.uint64]:
    return to_column(
        version,
        [
            int.from_bytes(bytes([32, rng.randrange(4), rng.randrange(4), rng.randrange(4)]))
            << WIDTH[version] - 32
            for _ in range(100)
        ],
    )


def test_random_streams_as_columns_and_one_by_one() -> None:
    rng = random.Random(3)
    with open_tables() as one_by_one, open_tables() as together:
        first, second = open_source(one_by_one), open_source(together)
        one, many = bgp.UpdateDecoder(), bgp.UpdateDecoder()
        for step in range(1, 60):
            bodies = [random_body(rng) for _ in range(rng.randint(bgp.FEW, 60))]
            data = b"".join(bgp.encode(bgp.MessageType.UPDATE, each) for each in bodies)
            (run,) = bgp.split_runs(data)
            assert isinstance(run, bgp.Run)
            updates = [one.decode(each) for each in bodies]
            (columns,) = bgp.decode_plain(many, data, run)
            assert isinstance(columns, bgp.UpdateColumns)
            told: Sequence[bgp.Update | bgp.UpdateColumns]
            for tables, source, told in (
                (one_by_one, first, updates),
                (together, second, [columns]),
            ):
                for _ in tables.rib.take(source, told, step, 0):
                    tables.rib.tick(step)
                settle(tables.rib, step)
            for version in VERSIONS:
                addresses = asked(rng, version)
                wanted = one_by_one.reader.find(version, addresses)
                found = together.reader.find(version, addresses)
                for name in wanted._fields[1:]:
                    assert (getattr(found, name) == getattr(wanted, name)).all(), name
                for mine, theirs in zip(found.rows.tolist(), wanted.rows.tolist(), strict=True):
                    assert together.reader.describe(mine) == one_by_one.reader.describe(theirs)
                    told_pref = one_by_one.reader.local_pref(theirs)
                    assert together.reader.local_pref(mine) == told_pref
        counters = [(each.updates, each.withdrawals) for each in (first, second)]
        assert counters[0] == counters[1]
        for tables, source in ((one_by_one, first), (together, second)):
            tables.rib.lose(source, 100, keep=False)
            settle(tables.rib, 100)
            for second_ in range(101, 130):
                tables.rib.tick(second_)
                settle(tables.rib, second_)
            assert len(tables.rib.facts) == 0
            assert int(tables.rib.facts.references[1:].sum()) == 0
