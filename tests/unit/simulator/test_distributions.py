"""What roles draw against the table of roles, by Pearson's chi-square test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

import numpy as np
import pytest

from flowexport_mgmt.simulator.draw import FlowDrawer, make_generator
from flowexport_mgmt.simulator.roles import ICMP, ROLES, TCP, UDP

DRAWN: Final = 40_000
BINS: Final = 10
CRITICAL: Final = {1: 15.1, 2: 18.4, 3: 21.1, 4: 23.5, 5: 25.7, 9: 33.7}
"""What one of 10,000 honest draws exceeds, by degrees of freedom."""

TCP_ONLY: Final = frozenset((22, 25, 80, 179, 445, 3260, 8080))
UDP_ONLY: Final = frozenset((67, 161, 4789, 4791))


def chi_square(found: Mapping[int, int], weights: Mapping[int, float]) -> float:
    """Compare counts with what the weights make one expect; nothing else may occur."""
    assert set(found) <= set(weights)
    total, whole = sum(found.values()), sum(weights.values())
    expected = {key: total * weight / whole for key, weight in weights.items()}
    return sum((found.get(key, 0) - e) ** 2 / e for key, e in expected.items())


@pytest.mark.parametrize("name", ROLES)
def test_protocols_ports_and_sizes_are_those_of_the_role(name: str) -> None:
    role = ROLES[name]
    drawn = FlowDrawer(role, make_generator(11, name)).draw(DRAWN)
    protocols = dict(zip((TCP, UDP, ICMP), map(float, role.mix), strict=True))
    assert chi_square(Counter(drawn.protocol.tolist()), protocols) < CRITICAL[2]
    for protocol, others in ((TCP, UDP_ONLY), (UDP, TCP_ONLY)):
        weights = {port: float(weight) for port, weight in role.ports if port not in others}
        found = Counter(drawn.service[drawn.protocol == protocol].tolist())
        if len(weights) > 1:
            assert chi_square(found, weights) < CRITICAL[len(weights) - 1]
        elif weights:
            assert set(found) == set(weights)
    least, most = role.octets
    counts, _ = np.histogram(drawn.octets, BINS, (least, most))
    sizes = dict(enumerate(counts.tolist()))
    assert chi_square(sizes, dict.fromkeys(range(BINS), 1.0)) < CRITICAL[BINS - 1]
    shortest, longest = (seconds * 1000 for seconds in role.seconds)
    counts, _ = np.histogram(drawn.duration_ms, BINS, (shortest, longest))
    lasting = dict(enumerate(counts.tolist()))
    assert chi_square(lasting, dict.fromkeys(range(BINS), 1.0)) < CRITICAL[BINS - 1]


def test_the_test_finds_what_is_wrong() -> None:
    role = ROLES["server"]
    drawn = FlowDrawer(role, make_generator(11, "x")).draw(DRAWN)
    skewed = {TCP: 84.0, UDP: 14.0, ICMP: 2.0}  # one in a hundred elsewhere
    assert chi_square(Counter(drawn.protocol.tolist()), skewed) > CRITICAL[2]
