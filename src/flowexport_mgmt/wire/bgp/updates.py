"""UPDATE: routes that are there and that are gone (RFC 4271, section 4.3; RFC 4760)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire.bgp.attributes import (
    AS_PATH,
    EXTENDED,
    MP_REACH,
    MP_UNREACH,
    NEXT_HOP,
    OPTIONAL,
    ORIGIN,
    TRANSITIVE,
    Attributes,
    decode_attributes,
)
from flowexport_mgmt.wire.bgp.errors import BgpError, ErrorCode
from flowexport_mgmt.wire.bgp.opening import UNICAST, VERSION_OF_AFI, Version

_WIDTH: Final = {4: 4, 6: 16}
_MASKS: Final = {
    version: [(1 << 8 * width) - (1 << 8 * width - length) for length in range(8 * width + 1)]
    for version, width in _WIDTH.items()
}
_NEXT_HOPS: Final = {4: (4, 16, 32), 6: (16, 32)}
_MOST_KNOWN: Final = 1 << 14


class Routes(NamedTuple):
    """Prefixes of one family as columns; addresses are numbers, path identifiers 0 for none.

    ``next_hop`` is an address of 4 or 16 octets, empty for routes that are gone.
    """

    version: Version
    addresses: list[int]
    lengths: list[int]
    paths: list[int]
    next_hop: bytes = b""


@dataclass(frozen=True, slots=True)
class Update:
    """What an UPDATE says.

    ``attributes`` are those of all routes in ``announced``, None when there are none;
    ``end_of_rib`` is the family whose first table is complete (RFC 4724, section 2). Routes of
    damaged attributes are among the withdrawn, and ``faults`` says why (RFC 7606).
    """

    announced: tuple[Routes, ...] = ()
    withdrawn: tuple[Routes, ...] = ()
    attributes: Attributes | None = None
    end_of_rib: Version | None = None
    faults: tuple[DecodeError, ...] = ()


class _Parts(NamedTuple):
    """An UPDATE, its attributes apart: those of RFC 4760 and the others."""

    spans: dict[int, tuple[int, bytes]]
    reach: tuple[int, bytes] | None
    unreach: tuple[int, bytes] | None
    fault: DecodeError | None


class UpdateDecoder:
    """Decodes the UPDATEs of one peer.

    Attributes that came lately need no second look; at most 16384 sets of them are remembered.
    """

    def __init__(
        self, *, four_octets: bool = True, add_path: frozenset[Version] = frozenset()
    ) -> None:
        """Set the width of AS numbers, and of which families paths have identifiers."""
        self.four_octets = four_octets
        self.add_path = add_path
        self._known: dict[bytes, Attributes] = {}

    def decode(self, body: bytes) -> Update:
        """Decode the body of an UPDATE.

        Raises:
            BgpError: the session cannot go on, as what the message says of which routes cannot be
                told.
        """
        middle = 2 + int.from_bytes(body[:2])
        end = middle + 2 + int.from_bytes(body[middle : middle + 2])
        if len(body) < middle + 2 or len(body) < end:
            raise BgpError(ErrorCode.UPDATE, 1, "attribute-length", "the attributes are cut off")
        if len(body) == 4:
            return Update(end_of_rib=4)
        gone = _decode_prefixes(4, body[2:middle], has_ids=4 in self.add_path)
        there = _decode_prefixes(4, body[end:], has_ids=4 in self.add_path)
        block = body[middle + 2 : end]
        known = self._known.get(block)
        if known is not None and (not there.lengths or known.next_hop):
            return _make(known, [there], [gone])
        return self._decode_attributes(block, there, gone)

    def _decode_attributes(self, block: bytes, there: Routes, gone: Routes) -> Update:
        parts = _split_attributes(block)
        announced, withdrawn = [there], [gone]
        end_of_rib = None
        if parts.reach is not None:
            announced.append(self._decode_reach(*parts.reach))
        if parts.unreach is not None:
            unreach = self._decode_unreach(*parts.unreach)
            withdrawn.append(unreach)
            is_end = not (unreach.lengths or parts.reach or there.lengths or gone.lengths)
            end_of_rib = unreach.version if is_end and not parts.spans else None
        if not any(routes.lengths for routes in announced):
            ignored = () if parts.fault is None else (parts.fault,)
            return Update((), _keep(withdrawn), None, end_of_rib, ignored)
        try:
            attributes, faults = self._understand(block, parts, needs_hop=bool(there.lengths))
        except DecodeError as error:
            return Update((), _keep([*withdrawn, *announced]), None, None, (error,))
        return replace(_make(attributes, announced, withdrawn), faults=faults)

    def _understand(
        self, block: bytes, parts: _Parts, *, needs_hop: bool
    ) -> tuple[Attributes, tuple[DecodeError, ...]]:
        if parts.fault is not None:
            raise parts.fault
        for kind in (ORIGIN, AS_PATH, *((NEXT_HOP,) if needs_hop else ())):
            if kind not in parts.spans:
                raise DecodeError("attribute-missing", f"attribute {kind} is not there")
        attributes, faults = decode_attributes(parts.spans, four_octets=self.four_octets)
        if parts.reach is None and parts.unreach is None and not faults:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[block] = attributes
        return attributes, tuple(faults)

    def _decode_reach(self, flags: int, value: bytes) -> Routes:
        version = _family(value, 5)
        _check_flags(flags, MP_REACH)
        if version is None:
            return Routes(4, [], [], [])
        size = value[3]
        if size not in _NEXT_HOPS[version] or len(value) < 5 + size:
            raise _broken("mp-next-hop", f"a next hop of {size} octets")
        has_ids = version in self.add_path
        routes = _decode_prefixes(version, value[5 + size :], has_ids=has_ids)
        return routes._replace(next_hop=value[4 : 4 + min(size, 16)])

    def _decode_unreach(self, flags: int, value: bytes) -> Routes:
        version = _family(value, 3)
        _check_flags(flags, MP_UNREACH)
        if version is None:
            return Routes(4, [], [], [])
        return _decode_prefixes(version, value[3:], has_ids=version in self.add_path)


def _make(attributes: Attributes, announced: list[Routes], withdrawn: list[Routes]) -> Update:
    """Put routes together with what is said of them."""
    there = tuple(
        routes if routes.next_hop else routes._replace(next_hop=attributes.next_hop)
        for routes in announced
        if routes.lengths
    )
    return Update(there, _keep(withdrawn), attributes if there else None)


def _keep(parts: list[Routes]) -> tuple[Routes, ...]:
    return tuple(routes._replace(next_hop=b"") for routes in parts if routes.lengths)


def _split_attributes(block: bytes) -> _Parts:
    """Find the attributes; of one that is there twice the first counts (RFC 7606, 3 g)."""
    spans: dict[int, tuple[int, bytes]] = {}
    special: dict[int, tuple[int, bytes]] = {}
    fault: DecodeError | None = None
    at, end = 0, len(block)
    while at < end:
        begin = at + (4 if block[at] & EXTENDED else 3)
        if begin > end:
            fault = DecodeError("attribute-length", "an attribute is cut off")
            break
        flags, kind = block[at], block[at + 1]
        at = begin + int.from_bytes(block[at + 2 : begin])
        if at > end:
            fault = DecodeError("attribute-length", f"attribute {kind} is cut off")
            break
        if kind in {MP_REACH, MP_UNREACH}:
            if kind in special:
                raise _broken("attribute-twice", f"attribute {kind} is there twice")
            special[kind] = (flags, block[begin:at])
        elif kind not in spans:
            spans[kind] = (flags, block[begin:at])
    return _Parts(spans, special.get(MP_REACH), special.get(MP_UNREACH), fault)


def _family(value: bytes, least: int) -> Version | None:
    """Tell the family of an attribute; None for one that nothing was agreed of."""
    if len(value) < least:
        raise _broken("mp-length", f"an attribute of RFC 4760 of {len(value)} octets")
    return VERSION_OF_AFI.get(int.from_bytes(value[:2])) if value[2] == UNICAST else None


def _check_flags(flags: int, kind: int) -> None:
    if flags & (OPTIONAL | TRANSITIVE) != OPTIONAL:
        raise _broken("attribute-flags", f"flags {flags:#x} of attribute {kind}")


def _broken(code: str, message: str) -> BgpError:
    return BgpError(ErrorCode.UPDATE, 9, code, message)


def _decode_prefixes(version: Version, data: bytes, *, has_ids: bool) -> Routes:
    """Decode prefixes, each behind an identifier of its path if there are such (RFC 7911)."""
    addresses: list[int] = []
    lengths: list[int] = []
    paths: list[int] = []
    masks, bits = _MASKS[version], 8 * _WIDTH[version]
    at, end = 0, len(data)
    while at < end:
        if has_ids:
            paths.append(int.from_bytes(data[at : at + 4]))
            at += 4
            if at >= end:
                raise BgpError(ErrorCode.UPDATE, 10, "prefix-length", "a path is cut off")
        length = data[at]
        after = at + 1 + (length + 7 >> 3)
        if length > bits or after > end:
            raise BgpError(ErrorCode.UPDATE, 10, "prefix-length", f"a prefix of {length} bits")
        number = int.from_bytes(data[at + 1 : after]) << bits - 8 * (after - at - 1)
        addresses.append(number & masks[length])
        lengths.append(length)
        at = after
    return Routes(version, addresses, lengths, paths if has_ids else [0] * len(lengths))
