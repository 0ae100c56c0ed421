"""Path attributes (RFC 4271, section 5), and what becomes of damaged ones (RFC 7606)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from flowexport_mgmt.errors import DecodeError

Segment = tuple[bool, tuple[int, ...]]
"""A part of an AS path: whether it is a sequence (else a set), and its autonomous systems."""

ORIGIN, AS_PATH, NEXT_HOP, MED, LOCAL_PREF, ATOMIC_AGGREGATE, AGGREGATOR = range(1, 8)
COMMUNITIES, ORIGINATOR_ID, CLUSTER_LIST = 8, 9, 10
MP_REACH, MP_UNREACH, EXTENDED_COMMUNITIES, AS4_PATH, AS4_AGGREGATOR = 14, 15, 16, 17, 18
LARGE_COMMUNITIES: Final = 32

OPTIONAL, TRANSITIVE, EXTENDED = 0x80, 0x40, 0x10

_SET, _SEQUENCE, _CONFED_SEQUENCE, _CONFED_SET = 1, 2, 3, 4
DEFAULT_PREFERENCE: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What is said of the routes of one UPDATE.

    ``as_path`` is without the segments of a confederation; ``confed_length`` counts these.
    ``next_hop`` is that of the attribute NEXT_HOP, empty without one. ``extended`` and ``large``
    are communities as they stood in the message, 8 and 12 octets each (RFC 4360, RFC 8092).
    """

    origin: int = 0
    as_path: tuple[Segment, ...] = ()
    next_hop: bytes = b""
    med: int = 0
    local_pref: int = DEFAULT_PREFERENCE
    communities: tuple[int, ...] = ()
    originator: int = 0
    clusters: int = 0
    extended: bytes = b""
    large: bytes = b""

    @property
    def path_length(self) -> int:
        """The length of the path for comparison, in which a set counts as one."""
        return sum(len(systems) if is_sequence else 1 for is_sequence, systems in self.as_path)

    @property
    def neighbour_as(self) -> int:
        """The AS that the route came from; 0 for none."""
        return self.as_path[0][1][0] if self.as_path and self.as_path[0][0] else 0

    @property
    def origin_as(self) -> int:
        """The AS that the route begins in, 0 for none; of an aggregate who made it."""
        for is_sequence, systems in reversed(self.as_path):
            if is_sequence:
                return systems[-1]
        return self.as_path[0][1][0] if self.as_path else 0


class _AttributeError(DecodeError):
    """A fault that makes withdrawals of the routes (RFC 7606, section 2)."""


class _DiscardError(DecodeError):
    """A fault after which an attribute is as if not there."""


Values = dict[str, object]


def decode_attributes(
    spans: dict[int, tuple[int, bytes]], *, four_octets: bool
) -> tuple[Attributes, list[DecodeError]]:
    """Decode attributes, given as flags and value by type.

    Args:
        spans: the attributes, without those of RFC 4760.
        four_octets: whether AS numbers take 4 octets (RFC 6793).

    Returns:
        What they say, and the faults of those that were ignored.

    Raises:
        DecodeError: the routes are to be withdrawn.
    """
    values: Values = {}
    faults: list[DecodeError] = []
    for kind, (flags, value) in spans.items():
        known = _KNOWN.get(kind)
        if known is None:
            if not flags & OPTIONAL:
                raise _AttributeError("attribute-unknown", f"well-known attribute {kind}")
            continue
        expected, decode = known
        try:
            if flags & (OPTIONAL | TRANSITIVE) != expected:
                raise _AttributeError("attribute-flags", f"flags {flags:#x} of attribute {kind}")
            decode(value, values, four_octets)
        except _DiscardError as error:
            faults.append(error)
    if not four_octets and AS4_PATH in spans:
        _merge_path(spans[AS4_PATH][1], values, faults)
    return Attributes(**values), faults  # type: ignore[arg-type] # each decoder fills its own


def decode_path(value: bytes, *, four_octets: bool) -> tuple[Segment, ...]:
    """Decode an AS path (RFC 4271, section 4.3; RFC 5065 for confederations, left out).

    Raises:
        DecodeError: it is malformed (RFC 7606, section 7.2).
    """
    width, code = (4, "I") if four_octets else (2, "H")
    segments: list[Segment] = []
    at, end = 0, len(value)
    while at < end:
        if end - at < 2:
            raise _AttributeError("as-path", "a segment is cut off")
        kind, count = value[at], value[at + 1]
        after = at + 2 + width * count
        if not count or after > end or not _SET <= kind <= _CONFED_SET:
            raise _AttributeError("as-path", f"segment of type {kind} with {count} numbers")
        if kind <= _SEQUENCE:
            systems = struct.unpack_from(f"!{count}{code}", value, at + 2)
            segments.append((kind == _SEQUENCE, systems))
        at = after
    if len(segments) > 1:
        segments = _join(segments)
    return tuple(segments)


def _join(segments: list[Segment]) -> list[Segment]:
    """Put sequences together that follow each other, as one of more than 255 numbers does."""
    joined: list[Segment] = segments[:1]
    for is_sequence, systems in segments[1:]:
        if is_sequence and joined[-1][0]:
            joined[-1] = (True, joined[-1][1] + systems)
        else:
            joined.append((is_sequence, systems))
    return joined


def _merge_path(value: bytes, values: Values, faults: list[DecodeError]) -> None:
    """Take the numbers of 4 octets from AS4_PATH (RFC 6793, section 4.2.3)."""
    try:
        long = decode_path(value, four_octets=True)
    except DecodeError as error:
        faults.append(error)
        return
    short: tuple[Segment, ...] = values.get("as_path", ())  # type: ignore[assignment] # its type
    excess = _count(short) - _count(long)
    if excess < 0 or not long:
        return
    kept: list[Segment] = []
    for is_sequence, systems in short:
        if excess <= 0:
            break
        kept.append((is_sequence, systems[:excess] if is_sequence else systems))
        excess -= len(systems) if is_sequence else 1
    values["as_path"] = tuple(_join([*kept, *long]))


def _count(path: tuple[Segment, ...]) -> int:
    return sum(len(systems) if is_sequence else 1 for is_sequence, systems in path)


def _decode_origin(value: bytes, values: Values, _four: bool) -> None:
    if len(value) != 1 or value[0] > 2:
        raise _AttributeError("origin", f"ORIGIN is {value[:8].hex()}")
    values["origin"] = value[0]


def _decode_path(value: bytes, values: Values, four: bool) -> None:
    values["as_path"] = decode_path(value, four_octets=four)


def _decode_next_hop(value: bytes, values: Values, _four: bool) -> None:
    if len(value) != 4:
        raise _AttributeError("next-hop", f"NEXT_HOP of {len(value)} octets")
    values["next_hop"] = value


def _number(name: str) -> Callable[[bytes, Values, bool], None]:
    def decode(value: bytes, values: Values, _four: bool) -> None:
        if len(value) != 4:
            raise _AttributeError(name.replace("_", "-"), f"{len(value)} octets")
        values[name] = int.from_bytes(value)

    return decode


def _decode_communities(value: bytes, values: Values, _four: bool) -> None:
    if not value or len(value) % 4:
        raise _AttributeError("communities", f"{len(value)} octets")
    values["communities"] = struct.unpack(f"!{len(value) // 4}I", value)


def _decode_clusters(value: bytes, values: Values, _four: bool) -> None:
    if not value or len(value) % 4:
        raise _AttributeError("cluster-list", f"{len(value)} octets")
    values["clusters"] = len(value) // 4


def _opaque(name: str, size: int) -> Callable[[bytes, Values, bool], None]:
    def decode(value: bytes, values: Values, _four: bool) -> None:
        if not value or len(value) % size:
            raise _AttributeError(f"{name}-communities", f"{len(value)} octets")
        values[name] = value

    return decode


def _decode_atomic(value: bytes, _values: Values, _four: bool) -> None:
    if value:
        raise _DiscardError("atomic-aggregate", f"{len(value)} octets")


def _decode_aggregator(value: bytes, _values: Values, four: bool) -> None:
    if len(value) != (8 if four else 6):
        raise _DiscardError("aggregator", f"{len(value)} octets")


def _decode_as4(_value: bytes, _values: Values, _four: bool) -> None:
    """Leave it to the end: it changes what the path said."""


_KNOWN: Final[dict[int, tuple[int, Callable[[bytes, Values, bool], None]]]] = {
    ORIGIN: (TRANSITIVE, _decode_origin),
    AS_PATH: (TRANSITIVE, _decode_path),
    NEXT_HOP: (TRANSITIVE, _decode_next_hop),
    MED: (OPTIONAL, _number("med")),
    LOCAL_PREF: (TRANSITIVE, _number("local_pref")),
    ATOMIC_AGGREGATE: (TRANSITIVE, _decode_atomic),
    AGGREGATOR: (OPTIONAL | TRANSITIVE, _decode_aggregator),
    COMMUNITIES: (OPTIONAL | TRANSITIVE, _decode_communities),
    ORIGINATOR_ID: (OPTIONAL, _number("originator")),
    CLUSTER_LIST: (OPTIONAL, _decode_clusters),
    EXTENDED_COMMUNITIES: (OPTIONAL | TRANSITIVE, _opaque("extended", 8)),
    AS4_PATH: (OPTIONAL | TRANSITIVE, _decode_as4),
    AS4_AGGREGATOR: (OPTIONAL | TRANSITIVE, _decode_as4),
    LARGE_COMMUNITIES: (OPTIONAL | TRANSITIVE, _opaque("large", 12)),
}
"""Flags and decoder by type."""
