"""OPEN and the capabilities in it (RFC 4271, section 4.2; RFC 5492)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from flowexport_mgmt.wire.bgp.errors import BgpError, ErrorCode
from flowexport_mgmt.wire.bgp.messages import MessageType, encode

Version = Literal[4, 6]

AS_TRANS: Final = 23456
AFI: Final = {4: 1, 6: 2}
UNICAST: Final = 1
VERSION_OF_AFI: Final[dict[int, Version]] = {1: 4, 2: 6}

_FIXED: Final = struct.Struct("!BHHIB")
_MULTIPROTOCOL, _REFRESH, _RESTART, _AS4, _ADD_PATH, _ENHANCED_REFRESH = 1, 2, 64, 65, 69, 70
_OLD_REFRESH: Final = 128
_EXTENDED_PARAMETERS: Final = 255
_CAPABILITIES: Final = 2
_FAMILY: Final = struct.Struct("!HBB")
_RECEIVE, _SEND = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """What a speaker says of itself; ``asn`` is its AS number of 4 octets if it told that.

    ``families`` are those of unicast that it can, ``add_path_send`` those that it wants to send
    several paths of, ``add_path_receive`` those that it wants to get them of (RFC 7911, section
    4). ``restart_time`` is None without graceful restart; ``kept`` are the families whose
    forwarding state it kept over a restart (RFC 4724, section 3).
    """

    asn: int
    hold_time: int
    identifier: int
    families: frozenset[Version] = frozenset((4,))
    four_octets: bool = False
    refresh: bool = False
    enhanced_refresh: bool = False
    add_path_send: frozenset[Version] = frozenset()
    add_path_receive: frozenset[Version] = frozenset()
    restart_time: int | None = None
    restarted: bool = False
    kept: frozenset[Version] = frozenset()


def encode_open(told: Open) -> bytes:
    """Make an OPEN with each capability in one parameter of options."""
    short = told.asn if told.asn <= 0xFFFF else AS_TRANS
    capabilities = b"".join(
        bytes([code, len(value)]) + value for code, value in _list_capabilities(told)
    )
    options = bytes([_CAPABILITIES, len(capabilities)]) + capabilities
    fixed = _FIXED.pack(4, short, told.hold_time, told.identifier, len(options))
    return encode(MessageType.OPEN, fixed + options)


def _list_capabilities(told: Open) -> Iterator[tuple[int, bytes]]:
    for version in sorted(told.families):
        yield _MULTIPROTOCOL, _FAMILY.pack(AFI[version], 0, UNICAST)
    if told.refresh:
        yield _REFRESH, b""
    if told.enhanced_refresh:
        yield _ENHANCED_REFRESH, b""
    if told.four_octets:
        yield _AS4, told.asn.to_bytes(4)
    paths = {
        version: _SEND * (version in told.add_path_send)
        | _RECEIVE * (version in told.add_path_receive)
        for version in (4, 6)
    }
    if any(paths.values()):
        yield (
            _ADD_PATH,
            b"".join(
                struct.pack("!HBB", AFI[version], UNICAST, mode)
                for version, mode in paths.items()
                if mode
            ),
        )
    if told.restart_time is not None:
        begin = (0x8000 if told.restarted else 0) | told.restart_time & 0xFFF
        families = b"".join(
            struct.pack("!HBB", AFI[version], UNICAST, 0x80 if version in told.kept else 0)
            for version in sorted(told.families)
        )
        yield _RESTART, begin.to_bytes(2) + families


def decode_open(body: bytes) -> Open:
    """Decode the body of an OPEN, which `split` has seen to hold what is fixed.

    Raises:
        BgpError: it breaks the protocol (RFC 4271, section 6.2).
    """
    version, asn, hold_time, identifier, size = _FIXED.unpack_from(body)
    if version != 4:
        raise BgpError(ErrorCode.OPEN, 1, "version", f"BGP version {version}", data=b"\x00\x04")
    if hold_time in {1, 2}:
        raise BgpError(ErrorCode.OPEN, 6, "hold-time", f"a hold time of {hold_time} s")
    if not identifier:
        raise BgpError(ErrorCode.OPEN, 3, "identifier", "the BGP identifier is 0")
    found = _Found()
    for kind, value in _split_options(body[_FIXED.size :], size):
        if kind != _CAPABILITIES:
            raise BgpError(ErrorCode.OPEN, 4, "parameter", f"there is no parameter {kind}")
        for code, content in _split_values(value, "capability"):
            found.take(code, content)
    return found.make(asn, hold_time, identifier)


def _split_options(options: bytes, size: int) -> Iterator[tuple[int, bytes]]:
    """Yield the parameters, in the long form too (RFC 9072)."""
    is_long = size == _EXTENDED_PARAMETERS and options[:1] == bytes([_EXTENDED_PARAMETERS])
    width, begin = (2, 3) if is_long else (1, 0)
    if is_long:
        size = int.from_bytes(options[1:3])
    if len(options) - begin != size:
        raise BgpError(ErrorCode.OPEN, 0, "parameter-length", "parameters end elsewhere")
    yield from _split_values(options[begin:], "parameter", width)


def _split_values(data: bytes, what: str, width: int = 1) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        begin = at + 1 + width
        end = begin + int.from_bytes(data[at + 1 : begin])
        if begin > len(data) or end > len(data):
            raise BgpError(ErrorCode.OPEN, 0, f"{what}-length", f"a {what} is cut off")
        yield data[at], data[begin:end]
        at = end


class _Found:
    """The capabilities that were found; those of a strange length are as if not there."""

    def __init__(self) -> None:
        self._families: set[Version] = set()
        self._has_families = False
        self._asn: int | None = None
        self._refresh = self._enhanced_refresh = self._restarted = False
        self._send: set[Version] = set()
        self._receive: set[Version] = set()
        self._restart_time: int | None = None
        self._kept: set[Version] = set()

    def take(self, code: int, value: bytes) -> None:
        if code == _MULTIPROTOCOL and len(value) == 4:
            self._has_families = True
            self._families |= _versions(value[:2] + value[3:])
        elif code in {_REFRESH, _OLD_REFRESH}:
            self._refresh = True
        elif code == _ENHANCED_REFRESH:
            self._enhanced_refresh = True
        elif code == _AS4 and len(value) == 4:
            self._asn = int.from_bytes(value)
        elif code == _ADD_PATH and len(value) % 4 == 0:
            self._take_add_path(value)
        elif code == _RESTART and len(value) % 4 == 2:
            self._take_restart(value)

    def _take_add_path(self, value: bytes) -> None:
        for at in range(0, len(value), 4):
            versions, mode = _versions(value[at : at + 3]), value[at + 3]
            if mode & _SEND and mode <= 3:
                self._send |= versions
            if mode & _RECEIVE and mode <= 3:
                self._receive |= versions

    def _take_restart(self, value: bytes) -> None:
        self._restarted = bool(value[0] & 0x80)
        self._restart_time = int.from_bytes(value[:2]) & 0xFFF
        for at in range(2, len(value), 4):
            if value[at + 3] & 0x80:
                self._kept |= _versions(value[at : at + 3])

    def make(self, asn: int, hold_time: int, identifier: int) -> Open:
        return Open(
            asn=asn if self._asn is None else self._asn,
            hold_time=hold_time,
            identifier=identifier,
            families=frozenset(self._families) if self._has_families else frozenset((4,)),
            four_octets=self._asn is not None,
            refresh=self._refresh,
            enhanced_refresh=self._enhanced_refresh,
            add_path_send=frozenset(self._send),
            add_path_receive=frozenset(self._receive),
            restart_time=self._restart_time,
            restarted=self._restarted,
            kept=frozenset(self._kept),
        )


def _versions(family: bytes) -> set[Version]:
    """Give the family of an AFI and a SAFI, if it is one of unicast."""
    version = VERSION_OF_AFI.get(int.from_bytes(family[:2]))
    return {version} if version is not None and family[2] == UNICAST else set()
