"""Headers of sFlow v5 datagrams."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Final

import numpy as np
from numpy.typing import NDArray

_VERSION: Final = 5
_NAMES: Final = (
    "version",
    "address_type",
    "agent",
    "sub_agent_id",
    "sequence",
    "uptime",
    "samples",
)
_ADDRESS_TYPES: Final = {4: 1, 16: 2}  # by octets
_HEADERS: Final = {
    size: np.dtype([(name, f"V{size}" if name == "agent" else ">u4") for name in _NAMES])
    for size in _ADDRESS_TYPES
}


def header_size(agent: IPv4Address | IPv6Address) -> int:
    """Give the octets of a datagram's header."""
    return 24 + agent.max_prefixlen // 8


def make_headers(
    samples: NDArray[np.int64],
    *,
    agent: IPv4Address | IPv6Address,
    sub_agent_id: int,
    sequence: int,
    uptime_ms: int,
) -> NDArray[np.void]:
    """Make the headers of datagrams that hold so many samples each.

    ``sequence`` numbers the first; ``uptime_ms`` is milliseconds since boot, sent modulo 2^32.
    """
    headers = empty_headers(len(samples), agent.max_prefixlen // 8)
    headers["agent"] = np.void(agent.packed)
    headers["sub_agent_id"] = sub_agent_id
    headers["sequence"] = (sequence + np.arange(len(samples))) & 0xFFFFFFFF
    headers["uptime"] = uptime_ms & 0xFFFFFFFF
    headers["samples"] = samples
    return headers


def empty_headers(count: int, address_size: int) -> NDArray[np.void]:
    """Make headers of which only the version and the type of the address are filled."""
    headers = np.zeros(count, _HEADERS[address_size])
    headers["version"] = _VERSION
    headers["address_type"] = _ADDRESS_TYPES[address_size]
    return headers
