"""The routing information base against a dictionary, as the exporter sees it."""

from __future__ import annotations

import random

import numpy as np
import pytest
from tests.support.rib import WIDTH, announce, longest, open_tables, settle, withdraw

from flowexport_mgmt.enrich.prefixes import Version, to_column
from flowexport_mgmt.enrich.rib import RibTables
from flowexport_mgmt.rib.base import Rib
from flowexport_mgmt.rib.sources import Identity, Kind, Source
from flowexport_mgmt.wire.bgp import Attributes, Update

HOP = {4: bytes([192, 0, 2, 1]), 6: bytes(15) + b"\x09"}
LENGTHS = {
    4: [0, 3, 8, 9, 12, 16, 20, 23, 24, 25, 27, 30, 31, 32],
    6: [0, 3, 20, 32, 48, 64, 65, 96, 127, 128],
}


def attributes(asn: int, local_pref: int = 100, med: int = 0) -> Attributes:
    return Attributes(as_path=((True, (64500, asn)),), local_pref=local_pref, med=med)


def run(rib: Rib, source: Source, *updates: Update, now: float = 0) -> None:
    for _ in rib.take(source, updates, now, 0):
        pass
    settle(rib, now)


def origins(reader: RibTables, version: Version, addresses: list[int]) -> list[int]:
    found: list[int] = reader.find(version, to_column(version, addresses)).origin_as.tolist()
    return found


@pytest.mark.parametrize("version", [4, 6])
def test_random_changes_end_as_in_a_dictionary(version: Version) -> None:
    rng = random.Random(version)
    width = WIDTH[version]
    with open_tables() as (rib, reader):
        source = rib.open_source(Identity(Kind.IBGP, "a"), 1)
        assert source is not None
        rib.begin(source, 0, 0)
        rib.complete(source, version, told=False)
        model: dict[tuple[int, int], int] = {}
        tops = [rng.getrandbits(12) << width - 12 for _ in range(3)]
        for step in range(60):
            updates = []
            for _ in range(rng.randint(1, 40)):
                length = rng.choice(LENGTHS[version])
                rest = width - length
                spread = rng.choice([0, 0, rng.getrandbits(20), rng.getrandbits(width - 12)])
                prefix = ((rng.choice(tops) | spread) >> rest << rest, length)
                if rng.random() < 0.45 and model:
                    gone = rng.choice(sorted(model)) if rng.random() < 0.8 else prefix
                    updates.append(withdraw(version, [gone]))
                    model.pop(gone, None)
                else:
                    asn = rng.randint(1, 50)
                    updates.append(announce(version, [prefix], attributes(asn), HOP[version]))
                    model[prefix] = asn
            run(rib, source, *updates, now=step * 3)
            asked = [address for address, _ in model]
            asked += [address ^ rng.getrandbits(9) for address in asked]
            asked += [rng.getrandbits(width) for _ in range(50)] + [top | 1 for top in tops]
            found = reader.find(version, to_column(version, asked))
            wanted = [longest(version, model, address) for address in asked]
            assert found.origin_as.tolist() == [asn for asn, _ in wanted]
            assert found.lengths.tolist() == [length for _, length in wanted]


def test_a_table_counts_when_its_end_has_come_or_was_waited_for() -> None:
    with open_tables(end_of_rib_timeout=60) as (rib, reader):
        source = rib.open_source(Identity(Kind.IBGP, "a"), 1)
        assert source is not None
        rib.begin(source, 0, 0)
        run(rib, source, announce(4, [(10 << 24, 8)], attributes(1), HOP[4]))
        assert origins(reader, 4, [10 << 24]) == [0]
        assert not reader.is_ready
        run(rib, source, Update(end_of_rib=4))
        assert origins(reader, 4, [10 << 24]) == [1]
        run(rib, source, announce(6, [(0x2001 << 112, 16)], attributes(2), HOP[6]))
        rib.tick(59)
        settle(rib, 59)
        assert origins(reader, 6, [0x2001 << 112]) == [0]
        rib.tick(60)
        settle(rib, 60)
        assert origins(reader, 6, [0x2001 << 112]) == [2]


@pytest.mark.parametrize("version", [4, 6])
def test_a_table_is_seen_once_it_is_there_as_a_whole(version: Version) -> None:
    """Where longer prefixes are missing still, shorter ones would be found."""
    rest = WIDTH[version] - 24
    count = 5000
    with open_tables() as (rib, reader):
        source = rib.open_source(Identity(Kind.IBGP, "a"), 1)
        assert source is not None
        rib.begin(source, 0, 0)
        prefixes = [(0x200000 + number << rest, 24) for number in range(count)]
        updates = [announce(version, [(0x200000 << rest, 10)], attributes(1), HOP[version])]
        updates.append(announce(version, prefixes, attributes(2), HOP[version]))
        for _ in rib.take(source, [*updates, Update(end_of_rib=version)], 0, 0):
            pass
        asked = [address for address, _ in prefixes]
        steps = 0
        while rib.work(0) or steps < 5:
            assert set(origins(reader, version, asked)) <= {0, 2}
            steps += 1
        settle(rib, 0)
        assert set(origins(reader, version, asked)) == {2}
        rib.lose(source, 20, keep=False)
        assert set(origins(reader, version, asked)) == {0}


def test_a_table_outlives_its_session_for_the_stale_time() -> None:
    with open_tables(stale_time=120) as (rib, reader):
        source = rib.open_source(Identity(Kind.IBGP, "a"), 1)
        assert source is not None
        rib.begin(source, 0, 0)
        run(rib, source, announce(4, [(10 << 24, 8)], attributes(1), HOP[4]), Update(end_of_rib=4))
        rib.lose(source, 100, keep=True)
        rib.tick(219)
        settle(rib, 219)
        assert origins(reader, 4, [10 << 24]) == [1]
        rib.tick(220)
        settle(rib, 220)
        assert origins(reader, 4, [10 << 24]) == [0]
        assert rib.tables[4].counts.sum() == 0


def test_what_is_not_told_again_is_gone_at_the_next_end_of_rib() -> None:
    with open_tables() as (rib, reader):
        source = rib.open_source(Identity(Kind.IBGP, "a"), 1)
        assert source is not None
        rib.begin(source, 0, 0)
        both = [(10 << 24, 8), (11 << 24, 8)]
        run(rib, source, announce(4, both, attributes(1), HOP[4]), Update(end_of_rib=4))
        rib.lose(source, 10, keep=True)
        rib.begin(source, 20, 0)
        run(rib, source, announce(4, [(11 << 24, 8)], attributes(5), HOP[4]))
        assert origins(reader, 4, [10 << 24, 11 << 24]) == [1, 5]
        run(rib, source, Update(end_of_rib=4))
        assert origins(reader, 4, [10 << 24, 11 << 24]) == [0, 5]


def test_the_best_path_of_several() -> None:
    prefix = [(10 << 24, 8)]
    with open_tables() as (rib, reader):
        ibgp = rib.open_source(Identity(Kind.IBGP, "a"), 1)
        bmp = rib.open_source(Identity(Kind.PRE_POLICY, "b"), 1)
        assert ibgp is not None
        assert bmp is not None
        for source in (ibgp, bmp):
            rib.begin(source, 0, 0)
            run(rib, source, Update(end_of_rib=4))
        run(rib, bmp, announce(4, prefix, attributes(1, local_pref=999), HOP[4]))
        assert origins(reader, 4, [10 << 24]) == [1]
        run(rib, ibgp, announce(4, prefix, attributes(2, local_pref=50), HOP[4], path=1))
        assert origins(reader, 4, [10 << 24]) == [2]
        run(rib, ibgp, announce(4, prefix, attributes(3, local_pref=60), HOP[4], path=2))
        assert origins(reader, 4, [10 << 24]) == [3]
        run(rib, ibgp, announce(4, prefix, attributes(4, local_pref=60, med=1), HOP[4], path=3))
        assert origins(reader, 4, [10 << 24]) == [3]
        run(rib, ibgp, withdraw(4, prefix, path=2))
        assert origins(reader, 4, [10 << 24]) == [4]
        rib.lose(ibgp, 1, keep=False)
        settle(rib, 1)
        assert origins(reader, 4, [10 << 24]) == [1]


def test_a_loc_rib_stands_for_the_tables_that_it_was_made_from() -> None:
    with open_tables() as (rib, reader):
        post = rib.open_source(Identity(Kind.POST_POLICY, "r", "p"), 1)
        loc = rib.open_source(Identity(Kind.LOC_RIB, "r"), 1)
        assert post is not None
        assert loc is not None
        for source in (post, loc):
            rib.begin(source, 0, 0)
        both = [(10 << 24, 8), (11 << 24, 8)]
        run(rib, post, announce(4, both, attributes(1), HOP[4]), Update(end_of_rib=4))
        assert origins(reader, 4, [10 << 24, 11 << 24]) == [1, 1]
        run(rib, loc, announce(4, both[:1], attributes(2), HOP[4]), Update(end_of_rib=4))
        assert origins(reader, 4, [10 << 24, 11 << 24]) == [2, 0]


def test_facts_that_nothing_refers_to_are_used_again() -> None:
    with open_tables() as (rib, reader):
        source = rib.open_source(Identity(Kind.IBGP, "a"), 1)
        assert source is not None
        rib.begin(source, 0, 0)
        for step in range(400):
            told = Attributes(
                as_path=((True, (*range(1, 2 + step % 7), step + 1)),),
                communities=(step,),
                large=bytes(11) + bytes([step % 256]),
            )
            run(
                rib,
                source,
                announce(4, [(10 << 24, 8)], told, HOP[4]),
                Update(end_of_rib=4),
                now=step,
            )
            rib.tick(step)
            settle(rib, step)
            row = int(reader.find(4, np.array([10 << 24], np.uint32)).rows[0])
            text = reader.describe(row)
            assert (text.path, text.communities, text.large) == (told.as_path, (step,), told.large)
            assert row < 20
        assert len(rib.facts) < 20
