"""What waits for a subscriber, and the messages that are made of it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.gnmi import path, schema, values, write_path

from flowexport_mgmt.north.gnmi import messages as m
from flowexport_mgmt.north.gnmi.paths import Instance, read_path, resolve, select
from flowexport_mgmt.north.gnmi.subscribe.backlog import Backlog
from flowexport_mgmt.north.gnmi.subscribe.rows import CHUNK, Batch, Update, Writer
from flowexport_mgmt.north.gnmi.subscribe.terms import Class, read_terms

LIST = "/flow-export/collector"


@pytest.fixture
def writer() -> Writer:
    request = m.SubscribeRequest()
    request.subscribe.encoding = 2
    request.subscribe.prefix.target = "box"
    request.subscribe.subscription.add(path=path(LIST))
    return Writer(read_terms(schema(), request, "ann", recovery=False, shortest=1))


def instance(name: str) -> tuple[Instance, dict[str, Instance]]:
    """Give a collector, and the ways from there to its leaves."""
    entry = {"name": name, "port": 1, "dscp": 2, "address": "192.0.2.1"}
    data = {"flow-export:flow-export": {"collector": [entry]}}
    pattern, _ = resolve(schema(), read_path(schema(), m.Path(), path(f"{LIST}/*")))
    found = [place for place, _ in select(schema(), pattern, data, {})]
    return found[0][:-1], {place[-1].schema.name: place[-1:] for place in found}


def row(writer: Writer, name: str, when: int = 1, **leaves: Any) -> Update:
    outer, ways = instance(name)
    given = {ways[leaf]: value for leaf, value in leaves.items()}
    return writer.update((outer, Class.CONFIGURATION), given, when)


def drain(backlog: Backlog) -> list[Any]:
    found = []
    while len(backlog):
        found.append(m.SubscribeResponse.FromString(backlog.take()).update)
    assert backlog.octets == 0
    return found


def test_rows_of_one_moment_are_one_message_for_all(writer: Writer) -> None:
    batch = Batch([row(writer, "a", port=1), row(writer, "b", port=2)])
    (chunk,) = batch.chunks
    for _ in range(2):
        backlog = Backlog(writer)
        backlog.put(0, batch)
        assert (len(backlog), backlog.octets) == (1, len(chunk.message))
        assert backlog.take() is chunk.message
    told = m.SubscribeResponse.FromString(chunk.message).update
    assert (told.timestamp, told.prefix.target) == (1, "box")
    assert values(told) == {f"{LIST}[name=a]/port": 1, f"{LIST}[name=b]/port": 2}
    assert m.SubscribeResponse(update=told).SerializeToString() == chunk.message


def test_another_moment_and_too_many_octets_begin_another_message(writer: Writer) -> None:
    rows = [row(writer, f"x{n}", when=1 + n // 2, port=n) for n in range(4)]
    assert [len(chunk.rows) for chunk in Batch(rows).chunks] == [2, 2]
    large = [row(writer, f"x{n}", address="x" * 1000) for n in range(200)]
    chunks = Batch(large).chunks
    assert len(chunks) > 2
    assert all(len(chunk.message) < CHUNK + 100 for chunk in chunks)
    assert [one for chunk in chunks for one in chunk.rows] == large
    assert Batch([]).chunks == ()


def test_newer_values_replace_those_in_a_message_that_waits(writer: Writer) -> None:
    backlog = Backlog(writer)
    backlog.put(0, Batch([row(writer, "a", port=1), row(writer, "b", port=2)]))
    backlog.put(0, Batch([row(writer, "b", 2, port=3), row(writer, "c", 2, port=4)]))
    assert backlog.coalesced == 1
    told = drain(backlog)
    assert [(one.timestamp, *values(one).values()) for one in told] == [(1, 1), (2, 3), (2, 4)]
    assert [one.update[0].duplicates for one in told] == [0, 1, 0]


def test_leaves_of_a_row_are_joined(writer: Writer) -> None:
    backlog = Backlog(writer)
    for when, leaves in ((1, {"port": 1, "dscp": 1}), (2, {"port": 2}), (3, {"address": "::1"})):
        backlog.put(0, Batch([row(writer, "a", when, **leaves)]))
    (told,) = drain(backlog)
    assert (told.timestamp, told.prefix.target) == (3, "box")
    assert sorted(map(str, values(told).values())) == ["1", "2", "::1"]
    assert {write_path(one.path)[-4:]: one.duplicates for one in told.update}["port"] == 1


def test_a_deletion_takes_what_waits_below_it_along(writer: Writer) -> None:
    outer, ways = instance("a")
    backlog = Backlog(writer)
    backlog.put(0, Batch([row(writer, "a", port=1, dscp=1), row(writer, "b", port=2)]))
    backlog.put(0, writer.deletion((*outer, *ways["port"]), 2))
    first, second, third = drain(backlog)
    assert values(first) == {f"{LIST}[name=a]/dscp": 1}
    assert values(second) == {f"{LIST}[name=b]/port": 2}
    assert [write_path(one) for one in third.delete] == [f"{LIST}[name=a]/port"]
    backlog.put(0, Batch([row(writer, "a", port=1)]))
    backlog.put(0, writer.deletion(outer, 2))
    backlog.put(0, Batch([row(writer, "a", 3, port=5), row(writer, "b", 3, port=6)]))
    deleted, told = drain(backlog)
    assert (len(deleted.delete), len(told.update)) == (1, 2)


def test_what_is_about_other_rows_opens_no_message(writer: Writer) -> None:
    backlog = Backlog(writer)
    for source in (0, 1):
        backlog.put(source, Batch([row(writer, "a", port=1), row(writer, "b", port=2)]))
    backlog.put(0, Batch([row(writer, "c", port=3)]))
    assert (len(backlog), backlog.coalesced) == (3, 0)
    backlog.clear()
    assert (len(backlog), backlog.octets) == (0, 0)
