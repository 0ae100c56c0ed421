"""What a tracked flow is known by from dump to dump."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.wire.conntrack import Entries

Keys = NDArray[np.uint64]

_FIRST: Final = np.uint64(0x9E3779B97F4A7C15)
_SECOND: Final = np.uint64(0xBF58476D1CE4E5B9)
_THIRD: Final = np.uint64(0x94D049BB133111EB)
_TUPLE: Final = (
    "protocol", "src_port", "dst_port", "reply_src_port", "reply_dst_port",
    "icmp_id", "icmp_type", "icmp_code",
)  # fmt: skip


def make_keys(entries: Entries, seed: int) -> Keys:
    """Make a key of 64 bits for each entry.

    The kernel's id is not unique and is used again. With the time at which the entry was made it
    is; where the kernel keeps no times, the tuples stand in. The zone is part of both. ``seed``
    keeps strangers from choosing flows whose keys collide.
    """
    key = np.full(len(entries), seed, np.uint64)
    key = _mix(key, entries.column("id"))
    key = _mix(key, entries.zones())
    if entries.has("start_ns"):
        return _mix(key, entries.column("start_ns"))
    for name in ("src", "dst", "reply_src", "reply_dst"):
        addresses = entries.addresses(name)
        for half in addresses.T if addresses.ndim > 1 else (addresses,):
            key = _mix(key, half)
    for name in _TUPLE:
        if entries.has(name):
            key = _mix(key, entries.column(name))
    return key


def _mix(key: Keys, value: NDArray[Any]) -> Keys:
    """Take 64 bits more into the keys (the finaliser of splitmix64)."""
    mixed = (key ^ value.astype(np.uint64)) + _FIRST
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _SECOND
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _THIRD
    keys: Keys = mixed ^ (mixed >> np.uint64(31))
    return keys
