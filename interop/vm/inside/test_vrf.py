"""The tables of VRFs, which not every kernel has, against what the kernel says of each address."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import numpy as np
import pytest
from tests.support.conditions import wait_until
from tests.support.namespaces import Namespace, join, namespaces
from tests.support.routes import add, ask_kernel, flows, following, interfaces

from flowexport_mgmt.enrich import Fib

DESTINATIONS = ["10.1.2.3", "10.2.2.3", "10.0.2.1", "10.0.2.9", "10.9.9.9"]


@pytest.fixture
def router() -> Iterator[Namespace]:
    """A host with two wires, 10.0.N.1/24 on ``wN``, the second one in the VRF ``blue``."""
    subprocess.run(["modprobe", "vrf"], check=True)
    with namespaces(3) as (host, *others):
        add(host, "link add blue type vrf table 1001", "link set blue up")
        for number, other in enumerate(others, 1):
            join(host, f"w{number}", other, "far")
        add(
            host,
            "link set w2 master blue",
            "address add 10.0.1.1/24 dev w1",
            "address add 10.0.2.1/24 dev w2",
            "route add 10.1.0.0/16 via 10.0.1.2",
            "route add 10.1.0.0/16 via 10.0.2.2 vrf blue",
            "route add 10.2.0.0/16 via 10.0.2.3 vrf blue",
        )
        yield host


def outputs(fib: Fib, host: Namespace, interface: str) -> list[str]:
    """Give the names of the interfaces that packets from one interface leave by."""
    names = interfaces(host)
    ifindex = next(index for index, name in names.items() if name == interface)
    seen = np.full(len(DESTINATIONS), ifindex, np.uint32)
    batch = fib.flows(flows(["192.0.2.1"] * len(DESTINATIONS), DESTINATIONS, in_if=seen))
    return [names[int(index)] for index in batch.out_if]


def expected(host: Namespace, *words: str) -> list[str]:
    return [
        "" if answer is None or not answer.hops else next(iter(answer.hops))[0]
        for answer in ask_kernel(host, DESTINATIONS, *words)
    ]


def test_a_vrf_has_tables_of_its_own(router: Namespace) -> None:
    with following(router) as fib:
        assert outputs(fib, router, "w2") == expected(router, "vrf", "blue")
        assert outputs(fib, router, "w2") == ["w2", "w2", "", "w2", ""]
        assert outputs(fib, router, "w1") == ["w1", "", "", "", ""]
        add(router, "route replace 10.1.0.0/16 via 10.0.1.7 dev w1 table 1001")
        wait_until(lambda: outputs(fib, router, "w2")[0] == "w1")
        add(router, "link set w2 nomaster")
        wait_until(lambda: outputs(fib, router, "w2")[0] == outputs(fib, router, "w1")[0])
