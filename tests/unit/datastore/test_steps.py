"""Transactions of several steps in a private candidate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.clocks import ManualClock
from tests.support.edits import collector, edits, flow_export, whole_collector
from tests.support.stores import Operator, Recorder, Refusal, open_store

from flowexport_mgmt.datastore import (
    Confirmed,
    Datastore,
    LogEntry,
    PendingError,
    Step,
    StepRefusedError,
    Store,
)
from flowexport_mgmt.errors import ManagementError
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.edits import Operation
from flowexport_mgmt.schema.tree import Tree


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def store(
    schema: SchemaContext, tmp_path: Path, clock: ManualClock
) -> AsyncIterator[Datastore]:
    store = open_store(schema, tmp_path, clock=clock)
    await store.start()
    yield store
    await store.stop()


@pytest.fixture
def ann(store: Datastore) -> Operator:
    return Operator(store)


def step(schema: SchemaContext, *collectors: str) -> Step:
    """Make a step that gives the edits of collectors."""
    return lambda _: LogEntry(edits(schema, flow_export(*collectors)), Operation.MERGE)


def ports(store: Datastore) -> dict[str, int]:
    flow_export = store.configuration.flow_export
    return {one.name: one.port for one in flow_export.collector} if flow_export else {}


async def test_steps_are_one_commit_and_see_what_the_steps_before_made(
    store: Datastore, ann: Operator
) -> None:
    seen: list[int] = []

    def look(tree: Tree) -> LogEntry:
        seen.append(len(tree.find_all("/flow-export:flow-export/collector")))
        return step(store.schema, collector("a", "<port>2</port>"))(tree)

    steps = [step(store.schema, whole_collector("a", "<port>1</port>")), look]
    record = await store.transact(ann.session, steps, comment="both")
    assert (record.id, record.comment, seen, ports(store)) == (1, "both", [1], {"a": 2})


async def test_a_refused_step_is_named_and_leaves_everything_as_it_was(
    store: Datastore, ann: Operator
) -> None:
    good = step(store.schema, whole_collector("a"))
    bad = step(store.schema, collector("b", attributes='nc:operation="delete"'))
    with pytest.raises(StepRefusedError) as refused:
        await store.transact(ann.session, [good, bad, good])
    assert refused.value.index == 1
    assert refused.value.faults[0].tag == "data-missing"
    assert (store.record.id, ports(store)) == (0, {})


async def test_a_refusal_of_the_whole_is_no_steps(store: Datastore, ann: Operator) -> None:
    with pytest.raises(ManagementError) as refused:
        await store.transact(ann.session, [step(store.schema, collector("a"))])
    assert not isinstance(refused.value, StepRefusedError)
    path = "/fe:flow-export/fe:collector[fe:name='a']/fe:port"
    store.register(Recorder(refusals=[Refusal(path, "taken")]))
    with pytest.raises(ManagementError, match="taken"):
        await store.transact(ann.session, [step(store.schema, whole_collector("a"))])


async def test_access_is_checked_step_by_step(store: Datastore) -> None:
    bob = Operator(store, "bob", recovery=False)
    with pytest.raises(StepRefusedError) as refused:
        await store.transact(bob.session, [step(store.schema, whole_collector("a"))])
    assert {fault.tag for fault in refused.value.faults} == {"access-denied"}


async def test_the_shared_candidate_is_none_of_its_business(
    store: Datastore, ann: Operator
) -> None:
    await ann.edit(flow_export(whole_collector("draft")))
    await store.transact(ann.session, [step(store.schema, whole_collector("a"))])
    assert list(ports(store)) == ["a"]
    assert await ann.commit() == 2
    assert sorted(ports(store)) == ["a", "draft"]


async def test_a_lock_of_somebody_else_keeps_it_out(store: Datastore, ann: Operator) -> None:
    store.lock(Operator(store, "bob").session, Store.RUNNING)
    with pytest.raises(ManagementError) as refused:
        await store.transact(ann.session, [])
    assert refused.value.faults[0].tag == "in-use"
    assert not isinstance(refused.value, PendingError)


async def test_a_pending_commit_lets_in_only_who_knows_its_token(
    store: Datastore, ann: Operator, clock: ManualClock
) -> None:
    first = step(store.schema, whole_collector("a"))
    await store.transact(ann.session, [first], confirmed=Confirmed(timeout=60, persist="id"))
    with pytest.raises(PendingError):
        await store.transact(ann.session, [first])
    with pytest.raises(ManagementError, match="token"):
        await store.transact(ann.session, [], persist_id="other")
    await store.transact(ann.session, [], confirmed=Confirmed(timeout=300), persist_id="id")
    assert store.pending is not None
    assert store.pending.timeout == 300
    clock.advance(200)
    await store.transact(ann.session, [], persist_id="id")
    clock.advance(200)
    await asyncio.sleep(0)
    assert list(ports(store)) == ["a"]
    assert not store.record.pending


async def test_a_pending_commit_that_nobody_confirms_is_rolled_back(
    store: Datastore, ann: Operator, clock: ManualClock
) -> None:
    first = step(store.schema, whole_collector("a"))
    await store.transact(ann.session, [first], confirmed=Confirmed(timeout=60, persist="id"))
    store.close_session(ann.session)
    assert list(ports(store)) == ["a"]
    clock.advance(61)
    await store.transact(Operator(store).session, [])
    assert ports(store) == {}


async def test_transactions_wait_for_each_other_and_lose_nothing(
    store: Datastore, ann: Operator
) -> None:
    names = [f"c{number}" for number in range(8)]
    await asyncio.gather(
        *(store.transact(ann.session, [step(store.schema, whole_collector(n))]) for n in names),
        *(ann.edit(flow_export(whole_collector(f"n{n}")), Store.RUNNING) for n in names),
    )
    assert sorted(ports(store)) == sorted([*names, *(f"n{name}" for name in names)])
    assert store.record.id == 16
