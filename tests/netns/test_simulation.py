"""Simulated devices on a real network: local routes, namespaces, a data plane that runs them."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv4Network, ip_address
from pathlib import Path
from typing import Any

import pytest
from tests.netns.conftest import Wire
from tests.support.conditions import wait_until
from tests.support.interfaces import FakeKernel, FakeLink
from tests.support.namespaces import Namespace, namespaces
from tests.support.runtimes import Plane, fake_source, plane

from flowexport_mgmt.link.messages import GetDevices
from flowexport_mgmt.link.namespaces import make_namespace, open_in_namespace
from flowexport_mgmt.model.flow_export import Protocol
from flowexport_mgmt.model.simulation import (
    DeviceGroup,
    DeviceGroupFlow,
    Simulation,
    SimulationState,
)
from flowexport_mgmt.sources.local_routes import LocalRoutes
from flowexport_mgmt.wire.decoder import Decoder

pytestmark = pytest.mark.root

LAB = IPv4Network("10.66.0.0/24")
OTHER = IPv4Network("10.67.0.0/25")


def locals_of(space: Namespace) -> set[IPv4Network]:
    """List what is local beside loopback and the addresses of interfaces."""
    told = json.loads(space.run("ip", "-j", "route", "show", "table", "local", "proto", "static"))
    return {IPv4Network(route["dst"]) for route in told}


def routes(space: Namespace, memory: Path | None = None) -> LocalRoutes:
    return LocalRoutes(lambda f, k: open_in_namespace(space.name, f, k), memory, space.name)


@pytest.fixture
def space() -> Iterator[Namespace]:
    with namespaces(1) as (made,):
        yield made


def test_networks_become_local_and_cease_to_be(space: Namespace) -> None:
    local = routes(space)
    assert not local.want((LAB, OTHER))
    assert locals_of(space) == {LAB, OTHER}
    assert not local.want((OTHER,))
    assert locals_of(space) == {OTHER}
    local.close()
    assert not locals_of(space)


def test_what_a_process_that_died_left_is_taken_over(space: Namespace, tmp_path: Path) -> None:
    memory = tmp_path / "routes.json"
    dead = routes(space, memory)
    dead.want((LAB, OTHER))
    dead._requests.close()  # all that the kernel does at its death
    heir = routes(space, memory)
    assert not heir.want((LAB,))
    assert locals_of(space) == {LAB}
    heir.close()
    assert not locals_of(space)


def test_what_others_made_local_stays_theirs(space: Namespace) -> None:
    space.ip("route", "add", "local", str(LAB), "dev", "lo", "proto", "static")
    local = routes(space)
    assert not local.want((LAB,))
    local.close()
    assert locals_of(space) == {LAB}


def test_networks_of_neighbours_are_known(wire: Wire) -> None:
    local = routes(wire.near)
    assert local.overlaps_link(IPv4Network("10.7.0.128/25"))
    assert not local.overlaps_link(LAB)
    local.close()


def test_a_namespace_is_made_once() -> None:
    name = f"fx{secrets.token_hex(5)}"
    make_namespace(name)
    try:
        make_namespace(name)
        with open_in_namespace(name, socket.AF_INET, socket.SOCK_DGRAM) as link:
            link.bind(("127.0.0.1", 0))
            link.sendto(b"x", link.getsockname())  # loopback is up
            assert link.recv(9) == b"x"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
            ours.bind(("127.0.0.1", 0))  # this process stays where it was
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


# -- a data plane


@pytest.fixture
def data_plane(tmp_path: Path) -> Iterator[Plane]:
    source = fake_source(FakeKernel(FakeLink(7, "port7")))
    with plane(source, state_folder=tmp_path) as made:
        yield made


def group(name: str, start: str, collector: tuple[str, int], **flow: Any) -> DeviceGroup:
    address, port = collector
    to = DeviceGroupFlow(collector_address=address, collector_port=port, active_timeout=500, **flow)
    return DeviceGroup(name=name, start_address=start, count=40, flow=to)


def run_until_sent(data_plane: Plane) -> SimulationState:
    def all_sent() -> SimulationState | None:
        state = data_plane.simulation()
        _, *devices = data_plane.runtime.devices(GetDevices(limit=1000)).devices or [None]
        return state if devices and all(d and d.sent_records for d in devices) else None

    state = wait_until(all_sent, 20, "every device has sent records")
    assert state is not None
    return state


def receive(link: socket.socket) -> dict[str, int]:
    """Count flow records by source, each of which is to be a faultless exporter."""
    decoder, got = Decoder(), Counter[str]()
    link.setblocking(False)
    try:
        while True:
            data, (host, port, *_) = link.recvfrom(2000)
            message = decoder.receive(data, (host, port), 1 << 62)
            assert not message.faults
            assert not message.lost
            flows = [r for r in message.records if r.kind in ("data", "flow-sample")]
            got[host] += len(flows)
    except BlockingIOError:
        return got


def test_every_protocol_and_family_in_a_namespace_of_its_own(
    data_plane: Plane, space: Namespace
) -> None:
    listeners = {}
    for number, form in enumerate(Protocol):
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with space.inside():
                link = socket.socket(family, socket.SOCK_DGRAM)
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
            link.bind((host, 0))
            first = f"10.66.{number}.1" if family == socket.AF_INET else f"2001:db8:{number}::1"
            listeners[form, first] = link
    groups = tuple(
        group(f"{form}-{first}", first, link.getsockname()[:2], protocol=form)
        for (form, first), link in listeners.items()
    )
    data_plane.simulate(
        Simulation(network_namespace=space.name, tick_interval=200, seed=3, device_group=groups)
    )
    run_until_sent(data_plane)
    data_plane.simulate(
        Simulation(
            network_namespace=space.name,
            tick_interval=200,
            seed=3,
            device_group=groups,
            enabled=False,
        )
    )
    wait_until(lambda: data_plane.simulation().oper_status == "disabled", 20, "it rests")
    told = data_plane.runtime.devices(GetDevices(limit=1000))
    sent = {device.address: device.sent_records for device in told.devices}
    assert told.total == len(sent) == 40 * len(listeners)
    for (_, first), link in listeners.items():
        with link:
            got = receive(link)
        addresses = [str(ip_address(first) + number) for number in range(40)]
        assert {a: got.get(a, 0) for a in addresses} == {a: sent[a] for a in addresses}
        assert set(got) == set(addresses)
    data_plane.runtime.stop()
    assert not locals_of(space)


def test_a_namespace_is_made_when_it_is_absent(data_plane: Plane) -> None:
    name = f"fx{secrets.token_hex(5)}"
    try:
        data_plane.simulate(
            Simulation(
                network_namespace=name,
                tick_interval=200,
                device_group=(group("a", "10.66.0.1", ("127.0.0.1", 9)),),
            )
        )
        state = run_until_sent(data_plane)
        assert (state.oper_status, state.source_mode) == ("up", "per-device")
        assert all(network.subnet_of(LAB) for network in locals_of(Existing(name)))
    finally:
        data_plane.runtime.stop()
        subprocess.run(["ip", "netns", "delete", name], check=True)


class Existing(Namespace):
    """A namespace that somebody else made."""

    def __init__(self, name: str) -> None:
        self.name = name
