from __future__ import annotations

from flowexport_mgmt.north.netconf.gate import Gate


def test_strangers_are_bounded_in_all() -> None:
    gate = Gate(4)
    assert [gate.enter(f"192.0.2.{host}") for host in range(5)] == [True] * 4 + [False]
    gate.leave("192.0.2.0")
    assert gate.enter("192.0.2.9")


def test_one_source_leaves_room_for_others() -> None:
    gate = Gate(4)
    assert [gate.enter("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert gate.enter("192.0.2.2")
    gate.leave("192.0.2.1")
    assert gate.enter("192.0.2.1")
    assert gate.inside == 3


def test_an_ipv6_source_is_its_64() -> None:
    gate = Gate(4)
    assert gate.enter("2001:db8::1")
    assert gate.enter("2001:db8::2")
    assert not gate.enter("2001:db8::3")
    assert gate.enter("2001:db8:0:1::1")


def test_a_mapped_address_is_the_ipv4_source_and_a_zone_changes_nothing() -> None:
    gate = Gate(2)
    assert gate.enter("::ffff:192.0.2.1")
    assert not gate.enter("192.0.2.1")
    assert gate.enter("fe80::1%lo")
    gate.leave("fe80::2%lo")
    assert gate.inside == 1


def test_a_limit_of_one_admits_one() -> None:
    gate = Gate(1)
    assert gate.enter("192.0.2.1")
    assert not gate.enter("192.0.2.2")
