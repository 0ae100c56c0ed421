"""The kernel's routes as they are followed, against what the kernel itself says of each address."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from tests.support.conditions import wait_until
from tests.support.namespaces import Namespace, join, namespaces
from tests.support.routes import (
    NOWHERE,
    Answer,
    add,
    ask_kernel,
    flows,
    following,
    interfaces,
    random_addresses,
)

from flowexport_mgmt.enrich import Fib

pytestmark = pytest.mark.root

INSIDE = ("10.1.0.0/16", "10.2.0.0/20", "10.3.0.0/24", "10.4.0.0/30", "0.0.0.0/0")
INSIDE6 = ("fd01::/32", "fd02:0:1::/48", "fd03::/64", "fd04::/125", "::/0")


@pytest.fixture
def router() -> Iterator[Namespace]:
    """A host with three wires: 10.0.N.1/24 and fd00:N::1/64 on ``wN``."""
    with namespaces(4) as (host, *others):
        for number, other in enumerate(others, 1):
            join(host, f"w{number}", other, "far")
            host.ip("address", "add", f"10.0.{number}.1/24", "dev", f"w{number}")
            host.ip("address", "add", f"fd00:{number}::1/64", "dev", f"w{number}", "nodad")
        yield host


def chosen(
    host: Namespace, fib: Fib, destinations: list[str], source: str = ""
) -> list[tuple[int, tuple[str, str]]]:
    """Give prefix length and hop that records to these destinations get."""
    is_4 = "." in destinations[0]
    given = source or ("192.0.2.1" if is_4 else "2001:db8::1")
    batch = fib.flows(flows([given] * len(destinations), destinations))
    assert batch.dst_mask is not None
    assert batch.next_hop is not None
    names = interfaces(host)
    found = []
    for length, ifindex, hop in zip(batch.dst_mask, batch.out_if, batch.next_hop, strict=True):
        number = int(hop) if is_4 else int(hop[0]) << 64 | int(hop[1])
        gateway = str(ipaddress.ip_address(number) if is_4 else ipaddress.IPv6Address(number))
        found.append((int(length), (names[int(ifindex)], gateway if number else "")))
    return found


def agrees(answer: Answer | None, found: tuple[int, tuple[str, str]]) -> bool:
    if answer is None:
        return found[1] == NOWHERE
    return found[0] == answer.length and found[1] in (answer.hops or {NOWHERE})


def differences(host: Namespace, fib: Fib, destinations: Iterable[str]) -> list[object]:
    """Compare with the kernel; give what differs."""
    asked = list(destinations)
    answers = ask_kernel(host, asked)
    return [
        (each, answer, found)
        for each, answer, found in zip(asked, answers, chosen(host, fib, asked), strict=True)
        if not agrees(answer, found)
    ]


def await_agreement(host: Namespace, fib: Fib, destinations: list[str]) -> None:
    wait_until(lambda: not differences(host, fib, destinations), 20.0)


TABLES = (
    "route add default via 10.0.1.2",
    "route add 10.1.0.0/16 via 10.0.2.2",
    "route add 10.1.128.0/17 via 10.0.3.2 metric 50",
    "route add 10.1.128.0/17 via 10.0.1.9 metric 90",
    "route add 10.2.0.0/20 nexthop via 10.0.1.3 weight 1 nexthop via 10.0.2.3 weight 3",
    "route add blackhole 10.2.8.0/22",
    "route add unreachable 10.3.0.0/25",
    "route add prohibit 10.3.0.128/26",
    "route add 10.3.0.192/27 dev w3",
    "route add 10.4.0.1/32 via 10.0.2.7",
    "route add throw 10.4.0.2/32",
    "route add ::/0 via fd00:1::2",
    "route add fd01::/32 via fd00:2::2",
    "route add fd01:0:8000::/33 via fd00:3::2 metric 50",
    "route add fd02:0:1::/48 nexthop via fd00:1::3 nexthop via fd00:2::3",
    "route add blackhole fd03::/65",
    "route add fd04::4/128 dev w2",
)


def test_tables_that_were_there_before(router: Namespace) -> None:
    add(router, *TABLES)
    with following(router) as fib:
        own = ["10.0.1.1", "10.0.1.2", "10.0.1.255", "10.0.2.200", "127.0.0.1", "127.9.9.9"]
        destinations = [a for a in random_addresses(1, INSIDE, 60) if int(a.split(".")[0]) < 224]
        assert differences(router, fib, destinations + own) == []
        own6 = ["fd00:1::1", "fd00:1::2", "fd00:3::77", "::1", "fd04::4", "fd04::5"]
        destinations = [a for a in random_addresses(2, INSIDE6, 60) if not a.startswith("ff")]
        assert differences(router, fib, destinations + own6) == []
        assert (fib.report.resyncs, fib.report.reason) == (0, None)


def test_tables_that_change(router: Namespace) -> None:
    destinations = [a for a in random_addresses(3, INSIDE, 40) if int(a.split(".")[0]) < 224]
    destinations6 = [a for a in random_addresses(4, INSIDE6, 40) if not a.startswith("ff")]
    changes = (
        TABLES,
        (
            "route replace 10.1.0.0/16 via 10.0.3.9",
            "route del 10.1.128.0/17 metric 50",
            "route del blackhole 10.2.8.0/22",
            "route append 10.4.0.1/32 via 10.0.3.3",
            "route replace fd01::/32 via fd00:1::9",
            "route del fd02:0:1::/48 via fd00:1::3",
        ),
        (
            "route del 10.4.0.1/32 via 10.0.2.7",
            "route replace default via 10.0.3.2",
            "route del 10.2.0.0/20",
            "route append fd01::/32 via fd00:3::8",
            "route del ::/0",
        ),
        ("link set w2 down",),
        ("link set w2 up", "address add 10.0.9.1/24 dev w2", "route add 10.3.0.0/26 via 10.0.9.9"),
        ("address del 10.0.9.1/24 dev w2",),
        ("route flush table main",),
    )
    with following(router) as fib:
        for lines in changes:
            add(router, *lines)
            await_agreement(router, fib, destinations)
            await_agreement(router, fib, destinations6)
        assert fib.report.updates > 0
        assert fib.report.overruns == 0


def test_nexthop_objects_and_their_groups(router: Namespace) -> None:
    add(
        router,
        "nexthop add id 1 via 10.0.1.5 dev w1",
        "nexthop add id 2 via 10.0.2.5 dev w2",
        "nexthop add id 3 blackhole",
        "nexthop add id 10 group 1,3/2",
        "route add 10.1.0.0/16 nhid 10",
        "route add 10.2.0.0/16 nhid 1",
        "route add 10.3.0.0/16 nhid 3",
    )
    destinations = random_addresses(5, INSIDE[:3], 30)
    with following(router) as fib:
        assert differences(router, fib, destinations) == []
        add(router, "nexthop replace id 1 via 10.0.3.5 dev w3")
        await_agreement(router, fib, destinations)
        assert ("w3", "10.0.3.5") in {hop for _, hop in chosen(router, fib, destinations)}
        add(router, "nexthop del id 2")
        await_agreement(router, fib, destinations)
        assert {hop for _, hop in chosen(router, fib, destinations)} == {
            ("w3", "10.0.3.5"),
            NOWHERE,
        }


def test_hops_of_one_route_share_by_their_weights(router: Namespace) -> None:
    add(router, "route add 10.1.0.0/16 nexthop dev w1 weight 1 nexthop dev w2 weight 3")
    destinations = random_addresses(6, ["10.1.0.0/16"], 4000)
    with following(router) as fib:
        found = Counter(hop[0] for _, hop in chosen(router, fib, destinations))
        assert found.keys() == {"w1", "w2"}
        assert found["w2"] / found["w1"] == pytest.approx(3, rel=0.2)
        assert chosen(router, fib, destinations) == chosen(router, fib, destinations)


def test_rules_send_to_other_tables(router: Namespace) -> None:
    add(
        router,
        "route add default via 10.0.1.2",
        "route add default via 10.0.2.2 table 100",
        "route add 10.4.0.0/16 via 10.0.3.2 table 200",
        "rule add from 10.77.0.0/16 lookup 100 priority 100",
        "rule add to 10.4.0.0/17 lookup 200 priority 101",
        "rule add lookup main suppress_prefixlength 0 priority 50",
        "rule add fwmark 7 lookup 200 priority 49",
    )
    destinations = ["10.4.1.1", "10.4.200.1", "8.8.8.8", "10.0.3.9", "10.0.1.1"]
    with following(router) as fib:
        assert [hop for _, hop in chosen(router, fib, destinations)] == [
            ("w3", "10.0.3.2"),
            ("w1", "10.0.1.2"),
            ("w1", "10.0.1.2"),
            ("w3", ""),
            NOWHERE,
        ]
        assert [hop for _, hop in chosen(router, fib, destinations, "10.77.1.1")] == [
            ("w2", "10.0.2.2"),
            ("w2", "10.0.2.2"),
            ("w2", "10.0.2.2"),
            ("w3", ""),
            NOWHERE,
        ]
        add(router, "rule del priority 100")
        wait_until(
            lambda: chosen(router, fib, ["8.8.8.8"], "10.77.1.1")[0][1] == ("w1", "10.0.1.2")
        )


def test_both_ways_of_a_flow(router: Namespace) -> None:
    add(router, "route add default via 10.0.1.2", "route add 10.5.0.0/16 via 10.0.2.2")
    names = {name: ifindex for ifindex, name in interfaces(router).items()}
    with following(router) as fib:
        batch = fib.flows(flows(["10.5.1.1", "10.0.3.1"], ["8.8.8.8", "10.5.0.9"]))
        assert batch.in_if.tolist() == [names["w2"], 0]
        assert batch.out_if.tolist() == [names["w1"], names["w2"]]
        assert batch.src_mask is not None
        assert batch.src_mask.tolist() == [16, 32]
        known = np.array([7, 8], np.uint32)
        batch = fib.flows(flows(["10.5.1.1"] * 2, ["8.8.8.8"] * 2, in_if=known, out_if=known))
        assert batch.in_if.tolist() == batch.out_if.tolist() == [7, 8]


def test_ten_thousand_routes_in_a_burst(router: Namespace) -> None:
    networks = [f"10.{100 + i // 250}.{i % 250}" for i in range(10_000)]
    with following(router) as fib:
        before = fib.report.ipv4_routes
        add(router, *(f"route add {n}.0/24 via 10.0.{i % 3 + 1}.2" for i, n in enumerate(networks)))
        wait_until(lambda: fib.report.ipv4_routes == before + 10_000, 30.0)
        destinations = [f"{network}.9" for network in networks[::97]]
        assert differences(router, fib, destinations) == []
        add(router, *(f"route del {n}.0/24" for n in networks[::2]))
        wait_until(lambda: fib.report.ipv4_routes == before + 5_000, 30.0)
        assert differences(router, fib, destinations) == []
    with following(router) as fib:
        assert fib.report.ipv4_routes == before + 5_000
        assert differences(router, fib, destinations) == []


def test_more_changes_than_the_buffer_holds(
    router: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowexport_mgmt.enrich.kernel_routes._MONITOR_BUFFER", 4096)
    networks = [f"10.{100 + i // 250}.{i % 250}" for i in range(3_000)]
    with following(router) as fib:
        before = fib.report.ipv4_routes
        add(router, *(f"route add {n}.0/24 via 10.0.1.2" for n in networks))
        wait_until(lambda: fib.report.ipv4_routes == before + 3_000, 30.0)
        assert fib.report.overruns > 0
        assert fib.report.resyncs > 0
        assert differences(router, fib, [f"{n}.1" for n in networks[::50]]) == []
