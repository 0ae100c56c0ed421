from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.support.edits import collector, edits, flow_export, server, shown, whole_collector
from tests.support.stores import Operator, Recorder, open_store

from flowexport_mgmt.datastore import Datastore, EditOptions, Store, TestOption
from flowexport_mgmt.errors import Fault, ManagementError
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.edits import Operation
from flowexport_mgmt.schema.tree import Format

A = "/fe:flow-export/fe:collector[fe:name='a']"
ONE = flow_export(whole_collector("a"))
RUNNING, CANDIDATE = Store.RUNNING, Store.CANDIDATE


@pytest.fixture
async def store(schema: SchemaContext, tmp_path: Path) -> AsyncIterator[Datastore]:
    store = open_store(schema, tmp_path)
    yield store
    await store.stop()


@pytest.fixture
def ann(store: Datastore) -> Operator:
    return Operator(store, "ann")


@pytest.fixture
def bob(store: Datastore) -> Operator:
    return Operator(store, "bob")


def content(store: Datastore, which: Store) -> Any:
    with store.read(which) as tree:
        return json.loads(tree.print(Format.JSON) or b"{}")


def names(store: Datastore, which: Store) -> list[str]:
    entries = content(store, which).get("flow-export:flow-export", {}).get("collector", [])
    return [entry["name"] for entry in entries]


async def refused(work: Any) -> tuple[Fault, ...]:
    with pytest.raises(ManagementError) as error:
        await work
    return error.value.faults


def refused_at_once(work: Any, *arguments: Any) -> Fault:
    with pytest.raises(ManagementError) as error:
        work(*arguments)
    (fault,) = error.value.faults
    return fault


# -- the candidate


async def test_an_edit_shows_only_in_the_candidate(store: Datastore, ann: Operator) -> None:
    await ann.edit(ONE)
    assert names(store, CANDIDATE) == ["a"]
    assert names(store, RUNNING) == []
    assert await ann.commit() == 1
    assert names(store, RUNNING) == ["a"]
    assert store.configuration.flow_export is not None
    assert store.record.user == "ann"


async def test_the_candidate_may_be_incomplete(store: Datastore, ann: Operator) -> None:
    await ann.edit(flow_export(collector("a")))
    faults = await refused(store.commit(ann.session))
    assert shown(faults) == [
        ("data-missing", "missing-mandatory", f"{A}/fe:address"),
        ("data-missing", "missing-mandatory", f"{A}/fe:protocol"),
    ]
    assert names(store, CANDIDATE) == ["a"]  # a failed commit leaves it
    await ann.edit(ONE)
    assert await ann.commit() == 1


async def test_a_refused_edit_changes_nothing(store: Datastore, ann: Operator) -> None:
    await ann.edit(ONE)
    before = content(store, CANDIDATE)
    xml = flow_export(collector("b"), collector("a", '<dscp>1</dscp><port nc:operation="delete"/>'))
    assert shown(await refused(ann.edit(xml))) == [("data-missing", "", f"{A}/fe:port")]
    assert content(store, CANDIDATE) == before


async def test_discard(store: Datastore, ann: Operator) -> None:
    await ann.edit(ONE)
    store.discard(ann.session)
    assert names(store, CANDIDATE) == []
    assert await ann.commit() == 0


async def test_validate(store: Datastore, ann: Operator, schema: SchemaContext) -> None:
    store.validate(ann.session, CANDIDATE)
    store.validate(ann.session, RUNNING)
    await ann.edit(flow_export(collector("a", "<protocol>sflow</protocol>")))
    assert refused_at_once(store.validate, ann.session, CANDIDATE).path == f"{A}/fe:address"
    assert names(store, CANDIDATE) == ["a"]
    store.validate(ann.session, RUNNING)
    inline = edits(schema, flow_export(collector("b", "<address>::1</address>")))
    assert refused_at_once(store.validate, ann.session, inline).path.endswith("fe:protocol")


async def test_test_options(store: Datastore, ann: Operator) -> None:
    incomplete = flow_export(collector("a"))
    for option in (TestOption.TEST_THEN_SET, TestOption.TEST_ONLY):
        await refused(ann.edit(incomplete, options=EditOptions(test_option=option)))
        assert names(store, CANDIDATE) == []
    await ann.edit(ONE, options=EditOptions(test_option=TestOption.TEST_ONLY))
    assert names(store, CANDIDATE) == []
    await ann.edit(ONE, RUNNING, EditOptions(test_option=TestOption.TEST_ONLY))
    assert names(store, RUNNING) == []
    await ann.edit(ONE, options=EditOptions(test_option=TestOption.TEST_THEN_SET))
    assert names(store, CANDIDATE) == ["a"]
    await ann.edit(incomplete.replace("a<", "b<"), options=EditOptions(test_option=TestOption.SET))
    assert names(store, CANDIDATE) == ["a", "b"]


async def test_default_operations(store: Datastore, ann: Operator) -> None:
    await ann.commit(ONE)
    other = flow_export(whole_collector("b"))
    faults = await refused(ann.edit(other, options=EditOptions(default_operation=Operation.NONE)))
    assert shown(faults) == [("data-missing", "", A.replace("'a'", "'b'"))]
    await ann.edit(other, options=EditOptions(default_operation=Operation.REPLACE))
    assert names(store, CANDIDATE) == ["b"]


# -- running


async def test_running_is_edited_as_a_transaction(store: Datastore, ann: Operator) -> None:
    await ann.edit(ONE, RUNNING)
    assert (names(store, RUNNING), names(store, CANDIDATE)) == (["a"], ["a"])
    assert store.record.id == 1
    await refused(ann.edit(flow_export(collector("b")), RUNNING))
    assert (names(store, RUNNING), store.record.id) == (["a"], 1)


async def test_edits_are_replayed_on_what_was_committed_since(
    store: Datastore, ann: Operator, bob: Operator
) -> None:
    await ann.edit(ONE)
    await bob.edit(flow_export(whole_collector("b")), RUNNING)
    assert (names(store, CANDIDATE), names(store, RUNNING)) == (["a"], ["b"])
    store.validate(ann.session, CANDIDATE)
    assert await ann.commit() == 2
    assert names(store, RUNNING) == ["b", "a"]


async def test_a_conflict_names_both(store: Datastore, ann: Operator, bob: Operator) -> None:
    await ann.commit(ONE)
    await ann.edit(flow_export(collector("a", attributes='nc:operation="delete"')))
    await bob.edit(flow_export(collector("a", attributes='nc:operation="delete"')), RUNNING)
    (fault,) = await refused(store.commit(ann.session))
    assert (fault.tag, fault.app_tag, fault.path) == ("operation-failed", "replay-conflict", A)
    assert "commit 1" in fault.message
    assert "commit 2 (bob through netconf-ssh)" in fault.message
    assert refused_at_once(store.validate, ann.session, CANDIDATE).app_tag == "replay-conflict"
    store.discard(ann.session)
    assert await ann.commit() == 2


async def test_nothing_to_commit_makes_no_commit(store: Datastore, ann: Operator) -> None:
    assert await ann.commit() == 0
    assert await ann.commit(ONE) == 1
    assert await ann.commit(ONE) == 1
    await ann.edit(flow_export(collector("a", "<port>1</port>")))
    await ann.edit(flow_export(collector("a", '<port nc:operation="delete"/>')))
    assert await ann.commit() == 1
    store.lock(ann.session, CANDIDATE)  # so the candidate is not taken for modified


# -- whole datastores


async def test_copying(store: Datastore, ann: Operator, schema: SchemaContext) -> None:
    await ann.commit(ONE)
    inline = edits(schema, flow_export(whole_collector("b")), operations=False)
    await store.copy(ann.session, CANDIDATE, inline)
    assert names(store, CANDIDATE) == ["b"]
    await store.copy(ann.session, CANDIDATE, RUNNING)
    assert names(store, CANDIDATE) == ["a"]
    await store.copy(ann.session, RUNNING, inline)
    assert (names(store, RUNNING), names(store, CANDIDATE)) == (["b"], ["b"])
    await ann.edit(flow_export(whole_collector("c")))
    await store.copy(ann.session, RUNNING, CANDIDATE)
    assert (names(store, RUNNING), store.record.id) == (["b", "c"], 3)


async def test_copying_replaces_what_was_edited(
    store: Datastore, ann: Operator, schema: SchemaContext
) -> None:
    await ann.edit(server("<http><port>99</port></http>"))
    await store.copy(ann.session, CANDIDATE, edits(schema, ONE, operations=False))
    assert list(content(store, CANDIDATE)) == ["flow-export:flow-export"]


async def test_what_cannot_be_copied_or_deleted(
    store: Datastore, ann: Operator, schema: SchemaContext
) -> None:
    (fault,) = await refused(store.copy(ann.session, RUNNING, RUNNING))
    assert fault.tag == "invalid-value"
    incomplete = edits(schema, flow_export(collector("a")), operations=False)
    assert len(await refused(store.copy(ann.session, RUNNING, incomplete))) == 2
    for which in Store:
        assert refused_at_once(store.delete, ann.session, which).tag == "operation-not-supported"


# -- locks and sessions


async def test_a_lock_keeps_others_out(store: Datastore, ann: Operator, bob: Operator) -> None:
    store.lock(ann.session, RUNNING)
    store.lock(ann.session, CANDIDATE)
    for which in Store:
        fault = refused_at_once(store.lock, bob.session, which)
        assert (fault.tag, fault.info["session-id"]) == ("lock-denied", str(ann.session.id))
        assert (await refused(bob.edit(ONE, which)))[0].tag == "in-use"
        assert (await refused(store.copy(bob.session, which, ())))[0].tag == "in-use"
    assert (await refused(store.commit(bob.session)))[0].tag == "in-use"
    assert refused_at_once(store.discard, bob.session).tag == "in-use"
    assert refused_at_once(store.unlock, bob.session, RUNNING).tag == "operation-failed"
    assert await ann.commit(ONE) == 1
    store.unlock(ann.session, RUNNING)
    store.lock(bob.session, RUNNING)
    assert (await refused(store.commit(ann.session)))[0].tag == "in-use"


async def test_locks_of_a_session_itself(store: Datastore, ann: Operator) -> None:
    assert refused_at_once(store.unlock, ann.session, RUNNING).tag == "operation-failed"
    store.lock(ann.session, RUNNING)
    fault = refused_at_once(store.lock, ann.session, RUNNING)
    assert (fault.tag, fault.info["session-id"]) == ("lock-denied", str(ann.session.id))


async def test_a_modified_candidate_cannot_be_locked(
    store: Datastore, ann: Operator, bob: Operator
) -> None:
    await ann.edit(ONE)
    assert refused_at_once(store.lock, bob.session, CANDIDATE).tag == "lock-denied"
    store.discard(ann.session)
    store.lock(bob.session, CANDIDATE)


async def test_a_session_that_ends_leaves_no_locks(
    store: Datastore, ann: Operator, bob: Operator
) -> None:
    store.lock(ann.session, CANDIDATE)
    store.lock(ann.session, RUNNING)
    await ann.edit(ONE)
    store.close_session(ann.session)
    store.close_session(ann.session)
    assert names(store, CANDIDATE) == []  # only its holder can have edited a locked candidate
    store.lock(bob.session, CANDIDATE)
    store.lock(bob.session, RUNNING)
    assert [session.id for session in store.sessions] == [bob.session.id]


async def test_edits_outlive_a_session_that_locked_nothing(store: Datastore, ann: Operator) -> None:
    await ann.edit(ONE)
    store.close_session(ann.session)
    assert names(store, CANDIDATE) == ["a"]


async def test_killing(store: Datastore, ann: Operator, bob: Operator) -> None:
    store.lock(ann.session, RUNNING)
    store.kill_session(bob.session, ann.session.id)
    assert ann.killed
    store.lock(bob.session, RUNNING)
    assert (await refused(ann.edit(ONE)))[0].tag == "operation-failed"
    for target in (bob.session.id, ann.session.id, 4711):
        assert refused_at_once(store.kill_session, bob.session, target).tag == "invalid-value"
    assert not bob.killed


async def test_session_ids_are_not_used_again(store: Datastore, ann: Operator) -> None:
    store.close_session(ann.session)
    assert Operator(store).session.id > ann.session.id


async def test_a_closed_session_can_do_nothing(store: Datastore, ann: Operator) -> None:
    store.close_session(ann.session)
    for work in (
        lambda: store.lock(ann.session, RUNNING),
        lambda: store.discard(ann.session),
        lambda: store.validate(ann.session, RUNNING),
        lambda: store.delete(ann.session, RUNNING),
    ):
        assert refused_at_once(work).tag == "operation-failed"


# -- at the same time


@dataclass
class Gate(Recorder):
    """A component that prepares when it is let."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    async def prepare(self, *arguments: Any, **options: Any) -> Any:
        self.reached.set()
        await self.open.wait()
        return await super().prepare(*arguments, **options)


async def test_a_commit_outlives_whoever_began_it(store: Datastore, ann: Operator) -> None:
    gate = Gate(running=store.configuration)
    store.register(gate)
    await ann.edit(ONE)
    task = asyncio.create_task(store.commit(ann.session))
    await gate.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    store.close_session(ann.session)
    gate.open.set()
    bob = Operator(store, "bob")
    assert await bob.commit(flow_export(collector("a", "<port>7</port>"))) == 2
    assert [record.user for record in store.history] == ["ann", "bob"]


async def test_edits_wait_for_a_commit(store: Datastore, ann: Operator, bob: Operator) -> None:
    gate = Gate(running=store.configuration)
    store.register(gate)
    await ann.edit(ONE)
    commit = asyncio.create_task(store.commit(ann.session))
    await gate.reached.wait()
    edit = asyncio.create_task(bob.edit(flow_export(whole_collector("b"))))
    await asyncio.sleep(0)
    assert names(store, CANDIDATE) == ["a"]
    gate.open.set()
    await asyncio.gather(commit, edit)
    assert (names(store, RUNNING), names(store, CANDIDATE)) == (["a"], ["a", "b"])


async def test_the_candidate_can_be_read_at_any_step_of_a_commit(
    store: Datastore, ann: Operator, bob: Operator
) -> None:
    """Running changes under candidates that were made from it; none may look at what is gone."""
    seen: list[list[str]] = []

    class Reader(Recorder):
        async def prepare(self, *arguments: Any, **options: Any) -> Any:
            seen.append(names(store, CANDIDATE))
            return await super().prepare(*arguments, **options)

        async def apply(self) -> None:
            seen.append(names(store, CANDIDATE))
            seen.append(names(store, RUNNING))
            await super().apply()

    store.register(Reader(running=store.configuration))
    await ann.commit(ONE)
    assert seen == [["a"], ["a"], ["a"]]
    seen.clear()
    await bob.edit(flow_export(whole_collector("b")), RUNNING)
    assert seen == [["a"], ["a", "b"], ["a", "b"]]
    seen.clear()
    await ann.edit(flow_export(whole_collector("c")))
    await bob.edit(flow_export(collector("b", attributes='nc:operation="delete"')), RUNNING)
    assert seen == [["a", "b", "c"], ["a", "b", "c"], ["a"]]
    assert await ann.commit() == 4
    assert names(store, RUNNING) == ["a", "c"]


async def test_a_refused_commit_leaves_the_candidate_as_it_was(
    store: Datastore, ann: Operator
) -> None:
    await ann.commit(flow_export(whole_collector("a", "<template-refresh>9</template-refresh>")))
    await ann.edit(flow_export(collector("a", "<protocol>sflow</protocol>"), collector("b")))
    before = content(store, CANDIDATE)
    assert len(await refused(store.commit(ann.session))) == 2
    assert content(store, CANDIDATE) == before  # with the leaf that validation would delete
    await ann.edit(flow_export(collector("b", attributes='nc:operation="delete"')))
    assert await ann.commit() == 2
    assert "template-refresh" not in str(content(store, RUNNING))


async def test_the_log_of_a_candidate_is_bounded(
    store: Datastore, ann: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowexport_mgmt.datastore.candidate.LIMIT", 6)
    await ann.edit(ONE)
    (fault,) = await refused(ann.edit(flow_export(collector("a", "<port>1</port>"))))
    assert fault.tag == "resource-denied"
    store.discard(ann.session)
    await ann.edit(ONE)


async def test_many_commits_at_once_all_happen(store: Datastore) -> None:
    operators = [Operator(store, f"user{n}") for n in range(8)]
    work = (
        operator.edit(flow_export(whole_collector(f"c{n}")), RUNNING)
        for n, operator in enumerate(operators)
    )
    await asyncio.gather(*work)
    assert sorted(names(store, RUNNING)) == [f"c{n}" for n in range(8)]
    assert store.record.id == 8
