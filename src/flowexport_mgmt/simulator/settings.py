"""What a group of simulated devices is to be."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.simulator.flows import Timeouts
from flowexport_mgmt.simulator.roles import Role

Address = IPv4Address | IPv6Address

_WORD: Final = 0xFFFF_FFFF


class Format(enum.StrEnum):
    """The protocols that devices speak, by their names in the model."""

    SFLOW = "sflow"
    NETFLOW5 = "netflow5"
    NETFLOW9 = "netflow9"
    IPFIX = "ipfix"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSettings:
    """A group of devices that send the same way; times are milliseconds.

    Device ``i`` has the ``i``-th address from ``first`` on that is not ``excluded``. ``number`` is
    how many devices of other groups have numbers before these, for the networks behind them.
    """

    name: str
    first: Address
    count: int
    excluded: frozenset[Address] = frozenset()
    role: Role
    interfaces: int = 2
    format: Format = Format.NETFLOW9
    tick_ms: int = 5000
    timeouts: Timeouts
    template_ms: int = 60_000
    classic: bool = True
    sub_agent_id: int = 0
    sampling_rate: int
    seed: int = 0
    number: int = 0
    max_size: int = 1472

    def addresses(self) -> Iterator[Address]:
        """Give the address of each device, in order."""
        for offset in range(self.count):
            address = self.first + offset
            if address not in self.excluded:
                yield address

    def pack_addresses(self) -> NDArray[np.void]:
        """Give the addresses as octets, shape (devices,), of type V4 or V16."""
        packed = b"".join(address.packed for address in self.addresses())
        return np.frombuffer(packed, f"V{self.first.max_prefixlen // 8}")


def domains_of(addresses: NDArray[np.void]) -> NDArray[np.uint32]:
    """Give the source id of each device: its IPv4 address, or what its IPv6 address folds to."""
    words = addresses.view(">u4").reshape(len(addresses), addresses.dtype.itemsize // 4)
    folded: NDArray[np.uint32] = np.bitwise_xor.reduce(words, axis=1).astype(np.uint32)
    return folded
