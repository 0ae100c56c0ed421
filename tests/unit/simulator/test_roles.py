"""Roles, and what is drawn for them."""

from __future__ import annotations

import numpy as np
import pytest

from flowexport_mgmt.simulator.draw import FlowDrawer, make_generator
from flowexport_mgmt.simulator.roles import DEVICE_TYPES, ICMP, ROLES, TCP, UDP

COUNT = 40_000
WELL_KNOWN_UDP_ONLY = {67, 161, 4789, 4791}
WELL_KNOWN_TCP_ONLY = {22, 25, 80, 179, 445, 3260, 8080}


def test_the_eight_roles_and_their_device_types() -> None:
    assert len(ROLES) == 8
    assert len(DEVICE_TYPES) == 28
    assert {role.name for role in DEVICE_TYPES.values()} == set(ROLES)
    assert DEVICE_TYPES["asr9k"] is ROLES["core-router"]
    rates = {role.name: role.sampling_rate for role in ROLES.values()}
    assert (rates["edge-router"], rates["core-router"], rates["gpu-server"]) == (1280, 2000, 80)


@pytest.mark.parametrize("name", ROLES)
def test_flows_are_within_the_bounds_of_the_role(name: str) -> None:
    role = ROLES[name]
    drawn = FlowDrawer(role, make_generator(1, name)).draw(COUNT)
    assert drawn.octets.min() >= max(role.octets[0], 40)
    assert drawn.octets.max() <= role.octets[1]
    assert drawn.packets.min() >= 1
    per_packet = drawn.octets / drawn.packets
    assert per_packet.min() >= 40
    assert per_packet.max() <= 1500
    assert drawn.duration_ms.min() >= role.seconds[0] * 1000 - 1
    assert drawn.duration_ms.max() <= role.seconds[1] * 1000


@pytest.mark.parametrize("name", ROLES)
def test_protocols_come_in_the_shares_of_the_role(name: str) -> None:
    role = ROLES[name]
    drawn = FlowDrawer(role, make_generator(2, name)).draw(COUNT)
    for protocol, percent in zip((TCP, UDP, ICMP), role.mix, strict=True):
        share = (drawn.protocol == protocol).mean()
        sigma = (percent / 100 * (1 - percent / 100) / COUNT) ** 0.5
        assert abs(share - percent / 100) < 5 * sigma


@pytest.mark.parametrize("name", ROLES)
def test_protocol_and_port_agree(name: str) -> None:
    drawn = FlowDrawer(ROLES[name], make_generator(3, name)).draw(COUNT)
    services = {
        protocol: set(drawn.service[drawn.protocol == protocol].tolist())
        for protocol in (TCP, UDP, ICMP)
    }
    assert not services[UDP] & WELL_KNOWN_TCP_ONLY
    assert not services[TCP] & WELL_KNOWN_UDP_ONLY
    assert services[TCP] | services[UDP] == {port for port, _ in ROLES[name].ports}
    assert services[ICMP] == {0x0800, 0x0301, 0x0303, 0x0B00}
    assert not drawn.port[drawn.protocol == ICMP].any()


def test_ports_come_by_their_weights() -> None:
    role = ROLES["gpu-server"]
    drawn = FlowDrawer(role, make_generator(4, "")).draw(COUNT)
    of_udp = drawn.service[drawn.protocol == UDP]
    assert abs((of_udp == 4791).mean() - 60 / 80) < 0.02


def test_the_same_seed_and_name_draw_the_same() -> None:
    def draw(seed: int, name: str) -> bytes:
        generator = make_generator(seed, name)
        return FlowDrawer(ROLES["server"], generator).draw(50).octets.tobytes()

    assert draw(1, "a") == draw(1, "a")
    assert len({draw(1, "a"), draw(2, "a"), draw(1, "b")}) == 3


def test_numbers_are_of_numpys_own_types() -> None:
    drawn = FlowDrawer(ROLES["server"], make_generator(1, "")).draw(3)
    assert drawn.protocol.dtype == np.uint8
    assert drawn.service.dtype == drawn.port.dtype == np.uint16
