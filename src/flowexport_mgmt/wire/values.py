"""Octets of a field to its value, by abstract data type (RFC 7011, section 6.1)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Final

from flowexport_mgmt.wire.elements import ELEMENTS, Element
from flowexport_mgmt.wire.messages import Value
from flowexport_mgmt.wire.templates import Field

REVERSE_PEN: Final = 29305
"""The enterprise whose elements are IANA's, of the flow's other direction (RFC 5103)."""

Convert = Callable[[bytes], Value]

_LONGEST_NUMBER: Final = 8  # octets
_NTP_TO_UNIX: Final = 2_208_988_800  # seconds from 1900 to 1970


def read_number(octets: bytes) -> Value:
    """Read an unsigned integer; what no integer of 64 bits can be is shown as octets."""
    return octets.hex() if len(octets) > _LONGEST_NUMBER else int.from_bytes(octets, "big")


def _address(octets: bytes) -> str:
    return str(ipaddress.ip_address(octets))


def _text(octets: bytes) -> str:
    return octets.rstrip(b"\0").decode(errors="replace")


def _mac(octets: bytes) -> str:
    return octets.hex(":")


def _octets(octets: bytes) -> str:
    return octets.hex()


def _ntp(per_second: int) -> Convert:
    """Make a conversion of NTP timestamps to Unix time in parts of a second."""

    def convert(octets: bytes) -> int:
        ntp = int.from_bytes(octets, "big") - (_NTP_TO_UNIX << 32)
        return (ntp * per_second + (1 << 31)) >> 32

    return convert


_CONVERSIONS: Final[dict[str, Convert]] = {
    "ipv4Address": _address,
    "ipv6Address": _address,
    "macAddress": _mac,
    "string": _text,
    "octetArray": _octets,
    "dateTimeMicroseconds": _ntp(1_000_000),
    "dateTimeNanoseconds": _ntp(1_000_000_000),
}


def find_element(field: Field) -> Element | None:
    """Look an element up; None when it is nobody's that is known here."""
    element = ELEMENTS.get(field.element)
    if element is None or field.enterprise == 0:
        return element
    if field.enterprise != REVERSE_PEN:
        return None
    name = f"reverse{element.name[0].upper()}{element.name[1:]}"
    return Element(element.id, name, element.type)


def name_field(field: Field) -> str:
    """Name a field as IANA does; elements that are unknown are named by their numbers."""
    element = find_element(field)
    if element is not None:
        return element.name
    prefix = f"enterprise{field.enterprise}." if field.enterprise else ""
    return f"{prefix}element{field.element}"


def choose_conversion(field: Field) -> Convert:
    """Find how a field is read; one of a length that its type cannot have is shown as octets."""
    element = find_element(field)
    if element is None:
        return _octets
    if element.type.startswith("unsigned"):
        return read_number
    fits = element.accepts(field.length)
    return _CONVERSIONS.get(element.type, read_number) if fits else _octets
