"""Information elements that the codecs know by name (IANA registry "IPFIX Information Elements").

NetFlow v9 numbers its field types from the same space below 128 (RFC 7012, section 1), so that one
table serves both protocols.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

VARIABLE: Final = 0xFFFF
"""The field length that says "variable length" (RFC 7011, section 7)."""


class Type(enum.Enum):
    """Abstract data types (RFC 7011, section 6.1), by the lengths that a field may have."""

    UNSIGNED = "unsigned"
    OCTETS = "octets"
    STRING = "string"
    IPV4 = "ipv4"
    IPV6 = "ipv6"
    MAC = "mac"
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    NTP = "ntp"  # microseconds and nanoseconds: seconds and fraction (RFC 7011, 6.1.9 and 6.1.10)


@dataclass(frozen=True, slots=True)
class Element:
    """One information element.

    ``size`` is the length in octets of its abstract type, 0 for strings and octet arrays. Unsigned
    integers may be sent shorter (RFC 7011, section 6.2: reduced-size encoding), nothing may be
    sent longer.
    """

    id: int
    name: str
    type: Type
    size: int

    def accepts(self, length: int) -> bool:
        """Tell whether a template may give the element this length in octets."""
        if self.size == 0:
            return length > 0
        if self.type is Type.UNSIGNED:
            return 1 <= length <= self.size
        return length == self.size
