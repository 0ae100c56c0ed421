from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flowexport_mgmt.north.netconf.gate import GRACE, MAX_WAITING, Gate, Visitor


class Crowd:
    """Strangers before a gate, and what became of them."""

    def __init__(self, limit: int) -> None:
        self.gate = Gate(limit)
        self.now = 0.0
        self.admitted: list[str] = []
        self.dismissed: list[str] = []

    def arrive(self, address: str, name: str = "") -> Visitor:
        name = name or address
        visitor = Visitor(
            address, lambda: self.admitted.append(name), lambda: self.dismissed.append(name)
        )
        self.gate.arrive(visitor, self.now)
        return visitor

    def leave(self, visitor: Visitor) -> None:
        self.gate.leave(visitor, self.now)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.gate.move(self.now)


def test_strangers_are_bounded_in_all_and_the_next_waits_for_a_place() -> None:
    crowd = Crowd(4)
    first, *_ = [crowd.arrive(f"192.0.2.{host}") for host in range(5)]
    assert (crowd.gate.inside, crowd.gate.waiting) == (4, 1)
    crowd.leave(first)
    assert crowd.admitted[4:] == ["192.0.2.4"]
    assert crowd.gate.waiting == 0
    crowd.leave(first)
    assert crowd.gate.inside == 4


def test_one_source_leaves_room_for_others() -> None:
    crowd = Crowd(4)
    for name in "abc":
        crowd.arrive("192.0.2.1", name)
    crowd.arrive("192.0.2.2", "other")
    assert crowd.admitted == ["a", "b", "other"]


def test_who_stays_for_long_makes_room_for_the_next_of_the_same_source() -> None:
    crowd = Crowd(4)
    for name in "abc":
        crowd.arrive("192.0.2.1", name)
    assert crowd.gate.due == GRACE
    crowd.wait(GRACE / 2)
    assert not crowd.dismissed
    crowd.wait(GRACE / 2)
    assert crowd.dismissed == ["a"]
    assert crowd.admitted == ["a", "b", "c"]
    assert crowd.gate.due is None


def test_nobody_has_to_go_while_nobody_waits() -> None:
    crowd = Crowd(4)
    for host in range(4):
        crowd.arrive(f"192.0.2.{host}")
    crowd.wait(1000)
    assert not crowd.dismissed
    assert crowd.gate.due is None


def test_a_full_gate_is_cleared_where_most_are() -> None:
    crowd = Crowd(6)
    for source, count in (("192.0.2.1", 3), ("192.0.2.2", 1), ("192.0.2.3", 2)):
        for index in range(count):
            crowd.arrive(source, f"{source}/{index}")
    crowd.arrive("192.0.2.4")
    crowd.wait(GRACE)
    assert crowd.dismissed == ["192.0.2.1/0"]
    assert crowd.admitted[-1] == "192.0.2.4"


def test_the_latest_of_a_source_is_next_and_sources_take_turns() -> None:
    crowd = Crowd(2)
    inside = crowd.arrive("192.0.2.1", "a")
    for name in "bcd":
        crowd.arrive("192.0.2.1", name)
    crowd.arrive("192.0.2.2", "other")
    assert crowd.admitted == ["a", "other"]
    crowd.leave(inside)
    assert crowd.admitted == ["a", "other", "d"]


def test_when_too_many_wait_the_oldest_of_the_loudest_goes() -> None:
    crowd = Crowd(2)
    for index in range(MAX_WAITING + 1):
        crowd.arrive("192.0.2.1", str(index))
    crowd.arrive("192.0.2.2", "other")
    assert crowd.admitted == ["0", "other"]
    assert (crowd.dismissed, crowd.gate.waiting) == ([], MAX_WAITING)
    crowd.arrive("192.0.2.2", "again")
    assert crowd.dismissed == ["1"]
    assert crowd.gate.waiting == MAX_WAITING


def test_an_ipv6_source_is_its_64() -> None:
    crowd = Crowd(4)
    for address in ("2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"):
        crowd.arrive(address)
    assert crowd.admitted == ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]


def test_a_mapped_address_is_the_ipv4_source_and_a_zone_changes_nothing() -> None:
    crowd = Crowd(2)
    crowd.arrive("::ffff:192.0.2.1")
    crowd.arrive("192.0.2.1")
    assert crowd.gate.waiting == 1
    zoned = crowd.arrive("fe80::1%lo")
    assert crowd.gate.inside == 2
    crowd.leave(zoned)
    assert crowd.gate.inside == 1


def test_a_limit_of_one_admits_one() -> None:
    crowd = Crowd(1)
    crowd.arrive("192.0.2.1")
    crowd.arrive("192.0.2.2")
    assert crowd.admitted == ["192.0.2.1"]


def test_a_closed_gate_has_nobody_left() -> None:
    crowd = Crowd(1)
    crowd.arrive("192.0.2.1", "a")
    crowd.arrive("192.0.2.1", "b")
    crowd.gate.close()
    assert sorted(crowd.dismissed) == ["a", "b"]
    assert (crowd.gate.inside, crowd.gate.waiting, crowd.gate.due) == (0, 0, None)


@given(
    st.integers(1, 8),
    st.lists(st.tuples(st.sampled_from("aldw"), st.integers(0, 5)), max_size=80),
)
def test_everybody_is_somewhere_and_no_bound_is_passed(
    limit: int, steps: list[tuple[str, int]]
) -> None:
    crowd = Crowd(limit)
    visitors: list[tuple[str, Visitor]] = []
    left: set[str] = set()
    for step, number in steps:
        if step == "a":
            name = str(len(visitors))
            visitors.append((name, crowd.arrive(f"192.0.2.{number}", name)))
        elif step == "w":
            crowd.wait(number / 2)
        elif visitors:
            name, visitor = visitors[number % len(visitors)]
            crowd.leave(visitor)
            if name not in crowd.dismissed:
                left.add(name)
        assert crowd.gate.inside <= limit
        assert (crowd.gate.waiting == 0) or crowd.gate.due is not None
    there = crowd.gate.inside + crowd.gate.waiting
    assert there + len(left) + len(crowd.dismissed) == len(visitors)
    assert len(crowd.dismissed) == len(set(crowd.dismissed))
    assert not left & set(crowd.dismissed)
