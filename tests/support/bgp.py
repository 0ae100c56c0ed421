"""Captures of BGP and BMP, and messages made by hand."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from flowexport_mgmt.wire import bgp, bmp

FOLDER = Path(__file__).resolve().parents[1] / "vectors" / "bmp"

NAMES = sorted(path.stem for path in FOLDER.glob("*.bin"))


class Captured(NamedTuple):
    """An UPDATE of a capture and how to decode it."""

    message: bytes
    four_octets: bool
    add_path: bool

    def decode(self) -> bgp.Update:
        families: frozenset[bgp.Version] = frozenset((4, 6) if self.add_path else ())
        decoder = bgp.UpdateDecoder(four_octets=self.four_octets, add_path=families)
        return decoder.decode(self.message[19:])


def read_updates(data: bytes, *, is_bmp: bool) -> list[Captured]:
    """List all UPDATEs of a capture."""
    if is_bmp:
        monitored = [frame.message for frame in bmp.split(data)]
        return [
            Captured(
                bgp.encode(bgp.MessageType.UPDATE, message.update),
                not message.peer.legacy,
                add_path=False,
            )
            for message in monitored
            if isinstance(message, bmp.RouteMonitoring)
        ]
    return [
        Captured(bgp.encode(frame.kind, frame.body), four_octets=True, add_path=True)
        for frame in bgp.split(data)
        if frame.kind is bgp.MessageType.UPDATE
    ]


def describe(update: bgp.Update) -> dict[str, Any]:
    """Write an UPDATE as the vectors have it."""
    routes = [
        [action, _prefix(routes.version, address, length), path, _address(routes.next_hop)]
        for action, part in (("withdraw", update.withdrawn), ("announce", update.announced))
        for routes in part
        for address, length, path in zip(
            routes.addresses, routes.lengths, routes.paths, strict=True
        )
    ]
    told = update.attributes or bgp.Attributes()
    return {
        "routes": routes,
        "as_path": [asn for _, systems in told.as_path for asn in systems],
        "communities": [f"{each >> 16}:{each & 0xFFFF}" for each in told.communities],
    }


def _prefix(version: int, address: int, length: int) -> str:
    text = ipaddress.IPv4Address(address) if version == 4 else ipaddress.IPv6Address(address)
    return f"{text}/{length}"


def _address(packed: bytes) -> str:
    return str(ipaddress.ip_address(packed)) if packed else ""


def attribute(flags: int, kind: int, value: bytes) -> bytes:
    if len(value) > 255:
        return bytes([flags | 0x10, kind]) + len(value).to_bytes(2) + value
    return bytes([flags, kind, len(value)]) + value


def path(*systems: int, kind: int = 2, width: int = 4) -> bytes:
    code = "I" if width == 4 else "H"
    return bytes([kind, len(systems)]) + struct.pack(f"!{len(systems)}{code}", *systems)


ORIGIN = attribute(0x40, 1, b"\0")
AS_PATH = attribute(0x40, 2, path(65002, 64501))
NEXT_HOP = attribute(0x40, 3, bytes([192, 0, 2, 1]))
GOOD = ORIGIN + AS_PATH + NEXT_HOP
PREFIX = bytes([24, 203, 0, 113])
"""203.0.113.0/24."""


def body(attributes: bytes = b"", prefixes: bytes = b"", withdrawn: bytes = b"") -> bytes:
    """Make the body of an UPDATE."""
    parts = (withdrawn, attributes)
    return b"".join(len(part).to_bytes(2) + part for part in parts) + prefixes


def iterate(update: bgp.Update) -> Iterator[bgp.Routes]:
    yield from update.withdrawn
    yield from update.announced
