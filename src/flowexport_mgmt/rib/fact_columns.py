"""What is said of routes as columns, from one set of attributes or from many at once."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.enrich.rib_text import Text, Words, encode_text, encode_texts
from flowexport_mgmt.rib.keys import Keys
from flowexport_mgmt.wire.bgp import Attributes, AttributeSets
from flowexport_mgmt.wire.bgp.attributes import (
    COMMUNITIES,
    EXTENDED_COMMUNITIES,
    LARGE_COMMUNITIES,
)

Column = NDArray[Any]

_MOST_LENGTH: Final = (1 << 14) - 1
_DIGEST: Final = 16
_COMMUNITIES: Final = (COMMUNITIES, EXTENDED_COMMUNITIES, LARGE_COMMUNITIES)


class FactColumns(NamedTuple):
    """N sets of facts: ``keys`` tell them apart in 16 octets, which is less than they take.

    ``rank`` and ``tie`` are the lower the better: local preference, length of the path and origin;
    clusters and the originator.
    """

    keys: Keys
    next_hop: NDArray[np.uint64]
    version: Column
    origin_as: Column
    neighbour_as: Column
    local_pref: Column
    rank: Column
    med: Column
    tie: Column
    texts: Words


def digest_sets(sets: AttributeSets, seed: int) -> Keys:
    """Make the keys of sets of attributes."""
    secret = seed.to_bytes(8)
    digests = [blake2b(key, digest_size=_DIGEST, salt=secret).digest() for key in sets.keys]
    return _join(digests)


def describe_sets(sets: AttributeSets, keys: Keys) -> FactColumns:
    """Make columns of sets of attributes that have these keys."""
    paths = sets.paths
    ends = np.cumsum(paths.counts)
    systems = np.append(paths.words, np.uint32(0))
    there = paths.counts != 0
    local_prefs = sets.local_prefs
    return FactColumns(
        keys,
        sets.next_hops,
        np.where(sets.is_ipv4, 4, 6),
        np.where(there, systems[ends - 1], 0),
        np.where(there, systems[ends - paths.counts], 0),
        local_prefs,
        _rank(local_prefs, paths.counts, sets.origins),
        sets.meds,
        sets.clusters.astype(np.uint64) << np.uint64(32) | sets.originators,
        encode_texts([Words(*piece) for piece in (paths, *map(sets.pieces, _COMMUNITIES))]),
    )


def describe(attributes: Attributes, next_hop: bytes, seed: int) -> FactColumns:
    """Make columns of one set of attributes and a next hop, which may be empty."""
    text = Text(attributes.as_path, attributes.communities, attributes.extended, attributes.large)
    words = encode_text(text)
    local_pref = np.array([attributes.local_pref])
    return FactColumns(
        _join([_digest(attributes, next_hop, words, seed)]),
        np.frombuffer(next_hop.rjust(16, b"\0"), ">u8").astype(np.uint64)[None],
        np.array([4 if len(next_hop) == 4 else 6 if next_hop else 0]),
        np.array([attributes.origin_as]),
        np.array([attributes.neighbour_as]),
        local_pref,
        _rank(local_pref, np.array([attributes.path_length]), np.array([attributes.origin])),
        np.array([attributes.med]),
        np.array([attributes.clusters << 32 | attributes.originator], np.uint64),
        Words(words, np.array([len(words)])),
    )


def _join(digests: list[bytes]) -> Keys:
    return np.frombuffer(b"".join(digests), np.uint64).reshape(-1, 2)


def _rank(local_prefs: Column, lengths: Column, origins: Column) -> Column:
    ranks = (0xFFFFFFFF - local_prefs.astype(np.int64)) << 16
    return np.asarray(ranks | np.minimum(lengths, _MOST_LENGTH) << 2 | origins).astype(np.uint64)


def _digest(attributes: Attributes, next_hop: bytes, words: NDArray[np.uint32], seed: int) -> bytes:
    numbers = (
        attributes.origin,
        attributes.med,
        attributes.local_pref,
        attributes.originator,
        attributes.clusters,
    )
    said = b"".join(number.to_bytes(4) for number in numbers) + next_hop + words.tobytes()
    return blake2b(said, digest_size=_DIGEST, salt=seed.to_bytes(8), person=b"one").digest()
