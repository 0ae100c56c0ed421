"""Drawing flows at random, many at a time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.simulator.roles import ICMP, TCP, UDP, Role

_ICMP_MESSAGES: Final = ((8, 0, 70), (3, 1, 10), (3, 3, 10), (11, 0, 10))
"""Type, code and weight: echo requests, what is unreachable, and what took too long."""

_SMALLEST: Final = 40  # octets of a packet
_LARGEST: Final = 1500
_FIRST_EPHEMERAL: Final = 32_768
_LAST_EPHEMERAL: Final = 60_999
_RESET_SHARE: Final = 0.05


def make_generator(seed: int, name: str) -> np.random.Generator:
    """Make the source of chance of one group: the same seed and name give the same draws."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    key = int.from_bytes(digest[:16], "little")
    return np.random.Generator(np.random.Philox(key=key))


@dataclass(frozen=True, slots=True)
class Drawn:
    """New flows as columns of equal length.

    ``service`` is the destination port, of ICMP type * 256 + code; ``duration_ms`` is one at least,
    so are ``packets``.
    """

    protocol: NDArray[np.uint8]
    service: NDArray[np.uint16]
    port: NDArray[np.uint16]
    octets: NDArray[np.int64]
    packets: NDArray[np.int64]
    duration_ms: NDArray[np.int64]
    resets: NDArray[np.bool_]


class FlowDrawer:
    """Draws flows of one role."""

    def __init__(self, role: Role, generator: np.random.Generator) -> None:
        self._role = role
        self._generator = generator
        protocols, services, weights = zip(*_services(role), strict=True)
        self._protocols = np.array(protocols, np.uint8)
        self._services = np.array(services, np.uint16)
        self._bounds = np.cumsum(np.array(weights))[:-1]

    def draw(self, count: int) -> Drawn:
        """Draw so many flows."""
        role, generator = self._role, self._generator
        chosen = np.searchsorted(self._bounds, generator.random(count), side="right")
        protocol = self._protocols[chosen]
        ports = generator.integers(_FIRST_EPHEMERAL, _LAST_EPHEMERAL + 1, count, np.uint16)
        octets, packets = self._draw_volume(count)
        shortest, longest = role.seconds
        seconds = generator.uniform(shortest, longest, count)
        return Drawn(
            protocol=protocol,
            service=self._services[chosen],
            port=np.where(protocol == ICMP, 0, ports).astype(np.uint16),
            octets=octets,
            packets=packets,
            duration_ms=np.maximum(1, seconds * 1000).astype(np.int64),
            resets=generator.random(count) < _RESET_SHARE,
        )

    def _draw_volume(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw octets and packets such that packets of a plausible length come out."""
        integers = self._generator.integers
        octets = np.maximum(integers(*self._role.octets, count, endpoint=True), _SMALLEST)
        packets = integers(*self._role.packets, count, endpoint=True)
        least, most = -(-octets // _LARGEST), octets // _SMALLEST
        return octets, np.clip(packets, least, most)


def _services(role: Role) -> list[tuple[int, int, float]]:
    """List protocol, service and share of what a role's flows are for."""
    found: list[tuple[int, int, float]] = []
    for protocol, percent in zip((TCP, UDP), role.mix, strict=False):
        services = role.services(protocol)
        total = sum(weight for _, weight in services)
        found += [(protocol, port, percent / 100 * w / total) for port, w in services]
    total = sum(weight for *_, weight in _ICMP_MESSAGES)
    percent = role.mix[2]
    found += [
        (ICMP, kind << 8 | code, percent / 100 * w / total) for kind, code, w in _ICMP_MESSAGES
    ]
    return found


def jittered(generator: np.random.Generator, milliseconds: int, count: int) -> NDArray[Any]:
    """Spread a time over a quarter less to a quarter more of itself."""
    spread: NDArray[np.int64] = (generator.uniform(0.75, 1.25, count) * milliseconds).astype(
        np.int64
    )
    return spread
