"""UPDATEs decoded together say what they say one by one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.bgp import (
    FOLDER,
    GOOD,
    NAMES,
    NEXT_HOP,
    ORIGIN,
    PREFIX,
    attribute,
    body,
    path,
    read_updates,
)
from tests.support.bgp_columns import Rows, list_columns, list_update

from flowexport_mgmt.wire import bgp
from flowexport_mgmt.wire.bgp import BgpError, Run, UpdateColumns, UpdateDecoder

HOP6 = bytes.fromhex("20010db8" + "00" * 11 + "01")
ENDS = [b"", attribute(0x80, 15, b"\0\2\1")]
"""End-of-RIB of both families."""


def random_prefixes(rng: random.Random, bits: int, *, has_ids: bool) -> bytes:
    octets = b""
    for _ in range(rng.choice([1, 1, 2, 3, 30])):
        length = rng.choice([0, 7, 8, 16, 20, 24, bits - 1, bits])
        number = rng.getrandbits(32).to_bytes(4) if has_ids else b""
        octets += number + bytes([length]) + rng.randbytes(length + 7 >> 3)
    return octets


def random_path(rng: random.Random, width: int) -> bytes:
    most = rng.choice([0, 1, 3, 60, 70])
    systems = [rng.randrange(1, 1 << 8 * width) for _ in range(most)]
    route = path(*systems, width=width) if systems else b""
    if rng.random() < 0.1:
        route += path(64500, 64501, kind=rng.choice([1, 2, 3]), width=width)
    return route


def random_attributes(rng: random.Random, width: int = 4) -> list[bytes]:
    """Make those that nothing is wrong with, and some that are rare."""
    route = random_path(rng, width)
    parts = [attribute(0x40, 1, bytes([rng.randrange(3)])), attribute(0x40, 2, route)]
    if rng.random() < 0.5:
        parts.append(attribute(0xC0, 17, random_path(rng, 4)))
    numbers = [(0x80, 4), (0x40, 5), (0x80, 9)]
    parts += [
        attribute(flags, kind, rng.randbytes(4)) for flags, kind in numbers if rng.random() < 0.5
    ]
    several = [(0xC0, 8, 4), (0x80, 10, 4), (0xC0, 16, 8), (0xC0, 32, 12), (0xC0, 7, 4 + width)]
    parts += [
        attribute(flags, kind, rng.randbytes(size * (1 if kind == 7 else rng.choice([1, 2, 40]))))
        for flags, kind, size in several
        if rng.random() < 0.3
    ]
    if rng.random() < 0.2:
        parts.append(attribute(0xC0, rng.choice([35, 99, 128]), rng.randbytes(4)))
    if rng.random() < 0.1:
        parts.append(attribute(0x40, 6, b""))
    return parts


def random_body(rng: random.Random, pool: list[list[bytes]], add_path: bool) -> bytes:
    parts = list(rng.choice(pool))
    kind = rng.randrange(6)
    ipv4 = random_prefixes(rng, 32, has_ids=add_path)
    ipv6 = random_prefixes(rng, 128, has_ids=add_path)
    if kind == 0:
        return body(withdrawn=ipv4)
    if kind == 1:
        return body(attribute(0x80, 15, b"\0\2\1" + ipv6))
    if kind == 2:
        hop = rng.choice([HOP6, HOP6 + HOP6])
        reach = attribute(0x80, 14, b"\0\2\1" + bytes([len(hop)]) + hop + b"\0" + ipv6)
        parts.insert(rng.randrange(len(parts) + 1), reach)
        return body(b"".join(parts), withdrawn=rng.choice([b"", ipv4]))
    if kind == 3 and rng.random() < 0.2:
        return body(rng.choice(ENDS))
    parts.insert(rng.randrange(len(parts) + 1), attribute(0x40, 3, rng.randbytes(4)))
    if kind == 4 and rng.random() < 0.2:  # more than one family
        parts.append(attribute(0x80, 15, b"\0\2\1" + ipv6))
    return body(b"".join(parts), ipv4, rng.choice([b"", b"", ipv4]))


def damage(rng: random.Random, octets: bytes) -> bytes:
    changed = bytearray(octets)
    changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def decode_one_by_one(decoder: UpdateDecoder, bodies: list[bytes]) -> Iterator[Any]:
    for each in bodies:
        update = decoder.decode(each)
        yield from list_update(update)


def by_family(told: Rows) -> dict[Any, Rows]:
    families: dict[Any, Rows] = {}
    for row in told:
        families.setdefault(row[0], []).append(row)
    return families


def compare(
    bodies: list[bytes], add_path: frozenset[bgp.Version], *, four_octets: bool = True
) -> tuple[int, int]:
    """Compare both ways; give how many UPDATEs were decoded together, and how many ended it."""
    decoder, plain = (UpdateDecoder(four_octets=four_octets, add_path=add_path) for _ in range(2))
    wanted: Rows = []
    wanted_error = error = None
    try:
        wanted.extend(decode_one_by_one(plain, bodies))
    except BgpError as raised:
        wanted_error = str(raised)
    data, begins, ends = b"", [], []
    for each in bodies:
        begins.append(len(data) + 19)
        data += bgp.encode(bgp.MessageType.UPDATE, each)
        ends.append(len(data))
    told: Rows = []
    together = 0
    try:
        for part in bgp.decode_plain(decoder, data, Run(begins, ends)):
            if isinstance(part, UpdateColumns):
                together += part.count
                rows = list_columns(part)
                assert part.withdrawals == sum(row[4] is None for row in rows)
                told += rows
            else:
                told += list_update(decoder.decode(part))
    except BgpError as raised:
        error = str(raised)
    assert error == wanted_error
    assert by_family(told) == by_family(wanted)
    return together, error is not None


@pytest.mark.parametrize("width", [4, 2])
@pytest.mark.parametrize("add_path", [frozenset(), frozenset({4, 6}), frozenset({6})])
def test_random_updates_together_and_one_by_one(
    add_path: frozenset[bgp.Version], width: int
) -> None:
    rng = random.Random(len(add_path))
    together = total = 0
    for _ in range(60):
        pool = [random_attributes(rng, width) for _ in range(12)]
        bodies = [random_body(rng, pool, bool(add_path)) for _ in range(80)]
        if add_path == frozenset({6}):  # identifiers of IPv4 are prefixes then, or break
            bodies = [each for each in bodies if _is_sound(each, add_path)]
        together += compare(bodies, add_path, four_octets=width == 4)[0]
        total += len(bodies)
    assert total / 3 < together < total


def _is_sound(each: bytes, add_path: frozenset[bgp.Version]) -> bool:
    try:
        UpdateDecoder(add_path=add_path).decode(each)
    except BgpError:
        return False
    return True


@pytest.mark.parametrize("width", [4, 2])
def test_damaged_updates_together_and_one_by_one(width: int) -> None:
    rng = random.Random(11)
    together = ended = 0
    for _ in range(200):
        pool = [random_attributes(rng, width) for _ in range(4)]
        bodies = [random_body(rng, pool, False) for _ in range(30)]
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(bodies))
            bodies[at] = damage(rng, bodies[at])
        result = compare(bodies, frozenset(), four_octets=width == 4)
        together, ended = together + result[0], ended + result[1]
    assert together > 800
    assert ended > 20


def a_path(long: bool) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(1, (1 << (32 if long else 16)) - 1), max_size=5)


@given(st.lists(st.tuples(a_path(False), a_path(True) | st.none()), min_size=bgp.FEW, max_size=20))
def test_paths_of_both_widths_are_joined_as_one_by_one(
    told: list[tuple[list[int], list[int] | None]],
) -> None:
    """AS4_PATH has the last numbers of a path, unless it is longer (RFC 6793, section 4.2.3)."""
    bodies = []
    for short, wide in told:
        route = attribute(0x40, 2, path(*short, width=2) if short else b"")
        if wide is not None:
            route += attribute(0xC0, 17, path(*wide) if wide else b"")
        bodies.append(body(ORIGIN + route + NEXT_HOP, PREFIX))
    together, _ = compare(bodies, frozenset(), four_octets=False)
    assert together == len(bodies)


@pytest.mark.parametrize("name", NAMES)
def test_captures_together_and_one_by_one(name: str) -> None:
    updates = read_updates((FOLDER / f"{name}.bin").read_bytes(), is_bmp=name.endswith("bmp"))
    wide = [update for update in updates if update.four_octets]
    families: frozenset[bgp.Version] = frozenset((4, 6) if updates[0].add_path else ())
    bodies = [update.message[19:] for update in wide for _ in range(bgp.FEW)]
    together, _ = compare(bodies, families)
    assert together > len(bodies) / 3


def test_sets_of_attributes_are_told_apart_by_what_they_say_alone() -> None:
    long = attribute(0x80, 14, b"\0\2\1\x10" + HOP6 + b"\0" + bytes([8, 0x20, 8, 0x21]))
    short = attribute(0x90, 14, b"")[:2] + b"\0\x17" + b"\0\2\1\x10" + HOP6 + b"\0" + b"\x08\x20"
    other = attribute(0x80, 14, b"\0\2\1\x10" + HOP6[::-1] + b"\0" + b"\x08\x20")
    bodies = [body(GOOD + each) for each in (long, short, other)] * 3 + [body(GOOD, PREFIX)] * 2
    data = b"".join(bgp.encode(bgp.MessageType.UPDATE, each) for each in bodies)
    (run,) = bgp.split_runs(data)
    assert isinstance(run, Run)
    (update,) = bgp.decode_plain(UpdateDecoder(), data, run)
    assert isinstance(update, UpdateColumns)
    assert len(update.sets) == 3
    sets = update.routes[1].sets
    assert (sets - sets[0]).tolist() == [0, 0, 0, 1] * 3


def test_runs_are_of_many_and_of_whole_updates() -> None:
    update = bgp.encode(bgp.MessageType.UPDATE, body(GOOD, PREFIX))
    data = update * (bgp.FEW - 1) + bgp.encode_keepalive() + update * bgp.FEW + update[:-1]
    parts = list(bgp.split_runs(data))
    assert [isinstance(part, Run) for part in parts] == [False] * bgp.FEW + [True]
    run = parts[-1]
    assert isinstance(run, Run)
    assert {data[begin:end] for begin, end in zip(*run, strict=True)} == {body(GOOD, PREFIX)}
