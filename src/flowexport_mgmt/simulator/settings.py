"""What simulated devices are to be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.simulator.flows import Timeouts
from flowexport_mgmt.simulator.formats import Endpoint, Format
from flowexport_mgmt.simulator.roles import Role

Address = IPv4Address | IPv6Address

_NETWORKS = 0xFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSettings:
    """A group of devices that send the same way; times are milliseconds.

    Device ``i`` has the ``i``-th address from ``first`` on; at an address that is ``excluded``
    there is none. Without a collector they are silent.
    """

    name: str
    first: Address
    count: int
    prefix_length: int | None = None
    excluded: frozenset[Address] = frozenset()
    role: Role
    interfaces: int = 2
    collector: Endpoint | None = None
    format: Format = Format.NETFLOW9
    tick_ms: int = 5000
    timeouts: Timeouts
    template_ms: int = 60_000
    classic: bool = True
    sub_agent_id: int = 0
    sampling_rate: int
    seed: int = 0
    max_size: int = 1472

    @property
    def last(self) -> Address:
        """The last address."""
        return self.first + (self.count - 1)

    @property
    def number(self) -> int:
        """Where the networks behind the devices begin: it follows from their addresses."""
        return int(self.first) & _NETWORKS

    @property
    def devices(self) -> int:
        """How many devices there are."""
        return self.count - len(self.excluded)

    def addresses(self) -> Iterator[Address]:
        """Give every address, in order, those that are excluded too."""
        return (self.first + offset for offset in range(self.count))

    def pack_addresses(self) -> NDArray[np.void]:
        """Give these addresses as octets, shape (count,), of type V4 or V16."""
        packed = b"".join(address.packed for address in self.addresses())
        return np.frombuffer(packed, f"V{self.first.max_prefixlen // 8}")

    def find_present(self) -> NDArray[np.bool_]:
        """Tell at which addresses there are devices, shape (count,)."""
        present = np.ones(self.count, np.bool_)
        present[[int(address) - int(self.first) for address in self.excluded]] = False
        return present


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSettings:
    """All groups, and what they share.

    ``rate_limit`` is in datagrams per second. With ``per_device`` each device sends from its own
    address, if that can be had; ``namespace`` is the network namespace to send in.
    """

    groups: tuple[GroupSettings, ...] = ()
    enabled: bool = True
    per_device: bool = True
    namespace: str | None = None
    rate_limit: int = 200_000


def domains_of(addresses: NDArray[np.void]) -> NDArray[np.uint32]:
    """Give the source id of each device: its IPv4 address, or what its IPv6 address folds to."""
    words = addresses.view(">u4").reshape(len(addresses), addresses.dtype.itemsize // 4)
    folded: NDArray[np.uint32] = np.bitwise_xor.reduce(words, axis=1).astype(np.uint32)
    return folded
