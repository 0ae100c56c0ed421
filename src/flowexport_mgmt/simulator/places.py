"""Where simulated flows come from and go to: addresses, masks, interfaces and systems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

_HOME4: Final = 10 << 24
"""Hosts behind devices: 10.0.0.0/8, a network of 24 bits for each device."""

_WORLD4: Final = (198 << 24) | (18 << 16)
"""What they talk to: 198.18.0.0/15, which is set aside for tests (RFC 2544)."""

_HOME6: Final = 0x20010DB8_00000000
"""2001:db8::/48, a network of 64 bits for each device (RFC 3849)."""

_WORLD6: Final = 0x20010DB8_FFFF0000
_HOPS4: Final = (172 << 24) | (16 << 16)
_FIRST_PRIVATE_AS: Final = 64_512
_PRIVATE_SYSTEMS: Final = 1000


@dataclass(frozen=True, slots=True)
class Places:
    """The surroundings of a group's devices, the first of which has number ``first``.

    Everything about a flow's place follows from its device and the random numbers of its hosts.
    """

    devices: int
    first: int
    interfaces: int
    version: Literal[4, 6] = 4

    def columns(
        self, devices: NDArray[np.intp], source: NDArray[np.uint32], target: NDArray[np.uint32]
    ) -> dict[str, Any]:
        """Make the columns of a FlowBatch that tell of places."""
        numbers = (devices + self.first).astype(np.uint32)
        hosts = source % 253 + np.uint32(1)
        make = self._addresses4 if self.version == 4 else self._addresses6
        incoming = source // 253 % np.uint32(self.interfaces)
        others = np.uint32(max(1, self.interfaces - 1))
        outgoing = (incoming + 1 + target % others) % np.uint32(self.interfaces)
        return {
            **make(numbers, hosts, target),
            "version": self.version,
            "in_if": incoming + np.uint32(1),
            "out_if": outgoing + np.uint32(1),
            "src_as": _FIRST_PRIVATE_AS + numbers % np.uint32(_PRIVATE_SYSTEMS),
            "dst_as": _FIRST_PRIVATE_AS + (target >> 12) % np.uint32(_PRIVATE_SYSTEMS),
        }

    def _addresses4(
        self, numbers: NDArray[np.uint32], hosts: NDArray[np.uint32], target: NDArray[np.uint32]
    ) -> dict[str, Any]:
        return {
            "src": _HOME4 | (numbers & np.uint32(0xFFFF)) << np.uint32(8) | hosts,
            "dst": _WORLD4 | (target & np.uint32(0x1FFFF)),
            "src_mask": np.full(len(hosts), 24, np.uint8),
            "dst_mask": np.full(len(hosts), 24, np.uint8),
            "next_hop": _HOPS4 | (numbers & np.uint32(0xFFFF)),
        }

    def _addresses6(
        self, numbers: NDArray[np.uint32], hosts: NDArray[np.uint32], target: NDArray[np.uint32]
    ) -> dict[str, Any]:
        network = np.uint64(_HOME6) | (numbers & np.uint32(0xFFFF))
        world = np.uint64(_WORLD6) | (target >> np.uint32(16))
        hop = np.full(len(hosts), 0xFE80 << 48, np.uint64)
        return {
            "src": _pairs(network, hosts),
            "dst": _pairs(world, target & np.uint32(0xFFFF)),
            "src_mask": np.full(len(hosts), 64, np.uint8),
            "dst_mask": np.full(len(hosts), 64, np.uint8),
            "next_hop": _pairs(hop, numbers),
        }


def _pairs(high: NDArray[Any], low: NDArray[Any]) -> NDArray[np.uint64]:
    """Put the halves of addresses side by side."""
    return np.stack((high.astype(np.uint64), low.astype(np.uint64)), axis=1)
