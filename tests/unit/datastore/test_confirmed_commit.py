"""Confirmed commits: RFC 6241, section 8.4, rule by rule."""

from __future__ import annotations

import asyncio
import errno
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.clocks import ManualClock
from tests.support.edits import collector, flow_export, server, whole_collector
from tests.support.stores import Operator, Recorder, Refusal, Reporter, open_store

from flowexport_mgmt.datastore import (
    ConfigurationChanged,
    Confirmed,
    ConfirmedCommitChanged,
    Datastore,
    EditOptions,
    PendingConfirm,
    Store,
    Subscription,
    TestOption,
)
from flowexport_mgmt.datastore.confirm import MAX_TOKEN
from flowexport_mgmt.datastore.files import HISTORY, StateFolder
from flowexport_mgmt.errors import ExitCode, Fault, ManagementError, StartError
from flowexport_mgmt.schema.context import SchemaContext

RUNNING, CANDIDATE = Store.RUNNING, Store.CANDIDATE
BOUND = Confirmed()
LASTING = Confirmed(persist="token")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def store(
    schema: SchemaContext, tmp_path: Path, clock: ManualClock
) -> AsyncIterator[Datastore]:
    """A store whose collector a has port 1, by commit 1."""
    store = open_store(schema, tmp_path, clock=clock)
    await store.start()
    await Operator(store, "init").edit(flow_export(whole_collector("a", "<port>1</port>")), RUNNING)
    yield store
    await store.stop()


@pytest.fixture
def ann(store: Datastore) -> Operator:
    return Operator(store, "ann")


@pytest.fixture
def bob(store: Datastore) -> Operator:
    return Operator(store, "bob")


def port(number: int) -> str:
    return flow_export(collector("a", f"<port>{number}</port>"))


def pending(store: Datastore) -> PendingConfirm | None:
    """Ask anew: a type checker would remember the answer."""
    return store.pending


def port_of(store: Datastore) -> int:
    assert store.configuration.flow_export is not None
    return store.configuration.flow_export.collector[0].port


async def refused(work: Awaitable[object]) -> Fault:
    with pytest.raises(ManagementError) as error:
        await work
    (fault,) = error.value.faults
    assert fault.type == "protocol"
    return fault


async def settled(store: Datastore) -> None:
    """Wait for the rollback that was begun."""
    await store._commits.writes.drain()


def told(events: Subscription) -> list[tuple[str, int, int]]:
    """Give what the bus has told of confirmed commits: event, commit, session."""
    return [
        (event.event, event.record.id, event.session)
        for event in events._events
        if isinstance(event, ConfirmedCommitChanged)
    ]


Restart = Callable[..., Datastore]


@pytest.fixture
async def restart(
    schema: SchemaContext,
    store: Datastore,  # noqa: ARG001 - what wrote the folder, and is done with it later
    clock: ManualClock,
    tmp_path: Path,
) -> AsyncIterator[Restart]:
    """Load the folder as a manager does that is started again, in the same or another life."""
    opened = []

    def restart(life: str = "life") -> Datastore:
        clock.timers.clear()
        opened.append(open_store(schema, tmp_path, life=life, clock=clock))
        return opened[-1]

    yield restart
    for other in opened:
        await other.stop()


# -- the timer


async def test_it_runs_at_once_and_is_rolled_back_after_ten_minutes(
    store: Datastore, ann: Operator, clock: ManualClock
) -> None:
    with store.events.subscribe() as events:
        assert await ann.commit(port(2), BOUND) == 2
        assert port_of(store) == 2
        clock.advance(599)
        await settled(store)
        assert port_of(store) == 2
        clock.advance(1)
        await settled(store)
        assert port_of(store) == 1
        assert told(events) == [("start", 2, ann.session.id), ("timeout", 3, 0)]
    assert (store.record.id, store.record.door, store.record.user) == (3, "rollback", "")
    assert store.record.comment == "commit 2 was not confirmed in time"
    assert store.record.changes == 1
    assert store.pending is None
    assert not clock.armed


async def test_a_commit_confirms(store: Datastore, ann: Operator, clock: ManualClock) -> None:
    with store.events.subscribe() as events:
        await ann.commit(port(2), BOUND)
        assert await ann.commit() == 2
        assert told(events) == [("start", 2, ann.session.id), ("complete", 2, ann.session.id)]
    assert store.pending is None
    assert not clock.armed
    store.close_session(ann.session)
    clock.advance(10_000)
    await settled(store)
    assert port_of(store) == 2


async def test_the_confirming_commit_may_bring_changes(
    store: Datastore, ann: Operator, clock: ManualClock, tmp_path: Path
) -> None:
    await ann.commit(port(2), BOUND)
    assert await ann.commit(port(3)) == 3
    clock.advance(10_000)
    await settled(store)
    assert (port_of(store), store.record.id, store.pending) == (3, 3, None)
    assert set(json.loads((tmp_path / "running.json").read_bytes())) == {"commit", "configuration"}


async def test_a_follow_up_resets_the_timer_and_keeps_the_first_backup(
    store: Datastore, ann: Operator, clock: ManualClock
) -> None:
    with store.events.subscribe() as events:
        await ann.commit(port(2), Confirmed(timeout=100))
        clock.advance(90)
        await ann.commit(port(3), Confirmed(timeout=50))
        clock.advance(40)
        await ann.commit(confirmed=Confirmed(timeout=20))  # without changes
        assert store.pending is not None
        assert (store.pending.back_to, store.pending.timeout) == (1, 20)
        clock.advance(19)
        await settled(store)
        assert port_of(store) == 3
        clock.advance(1)
        await settled(store)
        assert told(events) == [
            ("start", 2, ann.session.id),
            ("extend", 3, ann.session.id),
            ("extend", 3, ann.session.id),
            ("timeout", 4, 0),
        ]
    assert port_of(store) == 1


async def test_the_backup_outlives_the_history(store: Datastore, ann: Operator) -> None:
    for number in range(2, HISTORY + 5):
        await ann.commit(port(number), BOUND)
    assert 1 not in [record.id for record in store.history]
    await store.cancel_commit(ann.session)
    assert port_of(store) == 1


async def test_one_without_changes_goes_back_to_the_same(
    store: Datastore, ann: Operator, clock: ManualClock, tmp_path: Path
) -> None:
    with store.events.subscribe() as events:
        assert await ann.commit(confirmed=BOUND) == 1
        assert store.pending is not None
        clock.advance(600)
        await settled(store)
        assert (store.record.id, pending(store)) == (1, None)
        assert not [e for e in events._events if isinstance(e, ConfigurationChanged)]
    assert [record.id for record in store.history] == [1]
    entry = json.loads((tmp_path / "history" / "1.json").read_bytes())
    assert set(entry) == {"commit", "configuration"}


@pytest.mark.parametrize(
    "confirmed",
    [
        Confirmed(timeout=0),
        Confirmed(timeout=1 << 32),
        Confirmed(persist=""),
        Confirmed(persist="x" * (MAX_TOKEN + 1)),
    ],
)
async def test_a_bad_parameter_arms_nothing(
    store: Datastore, ann: Operator, clock: ManualClock, confirmed: Confirmed
) -> None:
    await ann.edit(port(2))
    fault = await refused(ann.commit(confirmed=confirmed))
    assert fault.tag == "invalid-value"
    assert fault.info["bad-element"] in ("confirm-timeout", "persist")
    assert (port_of(store), store.pending, clock.armed) == (1, None, [])
    assert await ann.commit(confirmed=Confirmed(timeout=0xFFFFFFFF)) == 2
    assert store.pending is not None
    assert store.pending.deadline.startswith("2162-")


@pytest.mark.parametrize("why", ["validation", "component", "disk"])
async def test_a_failed_one_arms_nothing(
    store: Datastore, ann: Operator, clock: ManualClock, why: str
) -> None:
    component = Recorder()
    store.register(component)
    await ann.edit(port(2))
    with pytest.MonkeyPatch.context() as patch:
        if why == "validation":
            await ann.edit(flow_export(collector("b")))
        elif why == "component":
            component.refusals = [Refusal("", "no")]
        else:
            patch.setattr(StateFolder, "write", fail_to_write)
        with pytest.raises(ManagementError):
            await ann.commit(confirmed=BOUND)
    assert (port_of(store), store.pending, clock.armed) == (1, None, [])


def fail_to_write(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_failed_follow_up_leaves_the_timer_as_it_was(
    store: Datastore, ann: Operator, clock: ManualClock
) -> None:
    await ann.commit(port(2), Confirmed(timeout=100))
    clock.advance(60)
    with pytest.raises(ManagementError):
        await ann.commit(flow_export(collector("b")), Confirmed(timeout=100))
    store.discard(ann.session)
    clock.advance(40)
    await settled(store)
    assert port_of(store) == 1


async def test_the_wall_clock_may_jump(store: Datastore, ann: Operator, clock: ManualClock) -> None:
    await ann.commit(port(2), Confirmed(timeout=100))
    for wall in (datetime(1970, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        clock.wall = wall - timedelta(days=1) if wall.year > 2000 else wall
        clock.advance(30)
        await settled(store)
        assert port_of(store) == 2
    clock.advance(40)
    await settled(store)
    assert port_of(store) == 1


async def test_a_confirmation_that_waits_is_not_overtaken_by_the_timer(
    store: Datastore, ann: Operator, clock: ManualClock
) -> None:
    """The deadline passes while the confirming commit is being prepared: it was in time."""
    await ann.commit(port(2), BOUND)
    entered, go_on = asyncio.Event(), asyncio.Event()

    class Slow(Recorder):
        async def prepare(self, *arguments: Any, **named: Any) -> Any:
            entered.set()
            await go_on.wait()
            return await super().prepare(*arguments, **named)

    store.register(Slow())
    commit = asyncio.create_task(ann.commit(port(3)))
    await entered.wait()
    clock.advance(600)
    go_on.set()
    assert await commit == 3
    await settled(store)
    assert (port_of(store), store.pending) == (3, None)


# -- who may do what


async def test_a_commit_from_elsewhere_is_refused(
    store: Datastore, ann: Operator, bob: Operator
) -> None:
    await ann.commit(port(2), BOUND)
    for confirmed in (None, BOUND, LASTING):
        fault = await refused(bob.commit(confirmed=confirmed))
        assert fault.tag == "in-use"
        assert f"session {ann.session.id} (ann)" in fault.message
    fault = await refused(bob.commit(persist_id="token"))
    assert (fault.tag, fault.info["bad-element"]) == ("invalid-value", "persist-id")
    assert store.pending is not None
    assert await ann.commit() == 2


async def test_a_token_lets_any_session_extend_and_confirm(
    store: Datastore, ann: Operator, bob: Operator, clock: ManualClock
) -> None:
    await ann.commit(port(2), LASTING)
    for operator in (ann, bob):
        assert (await refused(operator.commit())).tag == "in-use"
        assert (await refused(operator.commit(persist_id="other"))).tag == "invalid-value"
    await bob.commit(confirmed=Confirmed(timeout=50), persist_id="token")
    assert store.pending is not None
    assert store.pending.persist == "token"
    await bob.commit(confirmed=Confirmed(timeout=50, persist="new"), persist_id="token")
    assert (await refused(bob.commit(persist_id="token"))).tag == "invalid-value"
    assert await bob.commit(persist_id="new") == 2
    assert (pending(store), clock.armed) == (None, [])
    assert (await refused(bob.commit(persist_id="new"))).tag == "invalid-value"


async def test_a_bound_one_can_be_made_to_last(
    store: Datastore, ann: Operator, bob: Operator
) -> None:
    await ann.commit(port(2), BOUND)
    await ann.commit(confirmed=LASTING)
    store.close_session(ann.session)
    await settled(store)
    assert await bob.commit(persist_id="token") == 2


@pytest.mark.parametrize("confirmed", [BOUND, LASTING])
async def test_running_is_not_written_directly_meanwhile(
    store: Datastore, ann: Operator, bob: Operator, confirmed: Confirmed
) -> None:
    await ann.commit(port(2), confirmed)
    for operator in (ann, bob):
        writes = [
            operator.edit(port(3), RUNNING),
            operator.edit(port(3), RUNNING, EditOptions(test_option=TestOption.TEST_ONLY)),
            store.copy(operator.session, RUNNING, ()),
            store.copy(operator.session, RUNNING, CANDIDATE),
        ]
        for write in writes:
            assert (await refused(write)).tag == "in-use"
        await operator.edit(port(3))
    store.discard(bob.session)
    assert port_of(store) == 2
    assert store.pending is not None


def lock_fault(store: Datastore, operator: Operator, target: Store = RUNNING) -> Fault:
    with pytest.raises(ManagementError) as error:
        store.lock(operator.session, target)
    return error.value.faults[0]


async def test_running_is_not_locked_by_others_meanwhile(
    store: Datastore, ann: Operator, bob: Operator
) -> None:
    await ann.commit(port(2), LASTING)
    fault = lock_fault(store, bob)
    assert (fault.tag, fault.type) == ("lock-denied", "protocol")
    assert fault.info["session-id"] == str(ann.session.id)
    store.lock(bob.session, CANDIDATE)
    store.lock(ann.session, RUNNING)
    store.unlock(ann.session, RUNNING)
    store.close_session(ann.session)
    assert lock_fault(store, bob).info["session-id"] == "0"
    await bob.commit(persist_id="token")
    store.lock(bob.session, RUNNING)


async def test_locks_of_others_stand_before_all(
    store: Datastore, ann: Operator, bob: Operator
) -> None:
    store.lock(bob.session, RUNNING)
    await ann.edit(port(2))
    assert (await refused(ann.commit(confirmed=BOUND))).tag == "in-use"
    store.unlock(bob.session, RUNNING)
    await ann.commit(confirmed=LASTING)
    store.lock(ann.session, RUNNING)
    assert (await refused(store.cancel_commit(bob.session, "token"))).tag == "in-use"
    assert (await refused(bob.commit(persist_id="token"))).tag == "in-use"


# -- cancel-commit


async def test_cancel(store: Datastore, ann: Operator, bob: Operator, clock: ManualClock) -> None:
    await ann.commit(port(2), BOUND)
    assert (await refused(store.cancel_commit(bob.session))).tag == "in-use"
    assert (await refused(store.cancel_commit(ann.session, "token"))).tag == "invalid-value"
    with store.events.subscribe() as events:
        await store.cancel_commit(ann.session)
        assert told(events) == [("cancel", 3, ann.session.id)]
    assert (port_of(store), store.record.user, store.record.door) == (1, "ann", "netconf-ssh")
    assert store.record.comment == "commit 2 was cancelled"
    assert (pending(store), clock.armed) == (None, [])
    assert (await refused(store.cancel_commit(ann.session))).tag == "operation-failed"


async def test_cancel_by_a_token(store: Datastore, ann: Operator, bob: Operator) -> None:
    await ann.commit(port(2), LASTING)
    for operator in (ann, bob):
        assert (await refused(store.cancel_commit(operator.session))).tag == "in-use"
        fault = await refused(store.cancel_commit(operator.session, "x"))
        assert (fault.tag, fault.info["bad-element"]) == ("invalid-value", "persist-id")
    await store.cancel_commit(bob.session, "token")
    assert port_of(store) == 1


# -- the end of the session


@pytest.mark.parametrize("how", ["close", "kill"])
async def test_the_end_of_its_session_rolls_back(
    store: Datastore, ann: Operator, bob: Operator, how: str
) -> None:
    await ann.commit(port(2), BOUND)
    with store.events.subscribe() as events:
        if how == "close":
            store.close_session(ann.session)
        else:
            store.kill_session(bob.session, ann.session.id)
        assert await bob.commit(port(3)) == 4  # it waited for its turn
        assert told(events) == [("cancel", 3, ann.session.id)]
    assert port_of(store) == 3
    number = ann.session.id
    assert store.history[-2].comment == f"session {number} ended before it confirmed commit 2"


async def test_the_end_of_another_session_does_nothing(
    store: Datastore, ann: Operator, bob: Operator
) -> None:
    await ann.commit(port(2), BOUND)
    store.close_session(bob.session)
    await settled(store)
    assert port_of(store) == 2


async def test_a_lasting_one_outlives_its_session(
    store: Datastore, ann: Operator, clock: ManualClock
) -> None:
    await ann.commit(port(2), LASTING)
    store.close_session(ann.session)
    clock.advance(599)
    await settled(store)
    assert port_of(store) == 2
    clock.advance(1)
    await settled(store)
    assert port_of(store) == 1


async def test_a_session_that_dies_in_its_confirmed_commit(
    store: Datastore, ann: Operator, bob: Operator
) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    class Slow(Recorder):
        async def prepare(self, *arguments: Any, **named: Any) -> Any:
            entered.set()
            await go_on.wait()
            return await super().prepare(*arguments, **named)

    store.register(Slow())
    commit = asyncio.create_task(ann.commit(port(2), BOUND))
    await entered.wait()
    store.kill_session(bob.session, ann.session.id)
    go_on.set()
    assert await commit == 2
    await settled(store)
    assert (port_of(store), pending(store)) == (1, None)


# -- what a rollback does


async def test_components_restore_what_they_can(store: Datastore, ann: Operator) -> None:
    export, http = Recorder(), Recorder(["/server/http"])
    for component in (export, http):
        store.register(component)
    await store.start()
    await ann.commit(port(2), BOUND)
    for component in (export, http):
        component.calls.clear()
    export.refusals = [Refusal("", "not now")]
    await store.cancel_commit(ann.session)
    assert export.calls == ["prepare 3 leniently", "apply"]
    assert http.calls == []
    assert export.running == store.configuration


async def test_it_is_told_like_every_change(store: Datastore, ann: Operator) -> None:
    await ann.commit(server("<http><port>99</port></http>") + port(2), BOUND)
    with store.events.subscribe() as events:
        await store.cancel_commit(ann.session)
        event = await anext(aiter(events))
    assert isinstance(event, ConfigurationChanged)
    assert {(change.kind, change.path) for change in event.changes} == {
        ("changed", "/fe:flow-export/fe:collector[fe:name='a']/fe:port"),
        ("deleted", "/fxs:server/fxs:http/fxs:port"),
    }
    assert event.session == ann.session.id


async def test_a_row_that_ends_where_it_began(
    store: Datastore, ann: Operator, clock: ManualClock
) -> None:
    await ann.commit(port(2), BOUND)
    await ann.commit(port(1), BOUND)
    with store.events.subscribe() as events:
        await store.cancel_commit(ann.session)
        assert not [e for e in events._events if isinstance(e, ConfigurationChanged)]
    assert (store.record.id, pending(store), port_of(store), clock.armed) == (3, None, 1, [])


async def test_after_a_restart_it_is_found_out_what_changes(
    restart: Restart, ann: Operator
) -> None:
    await ann.commit(server("<http><port>99</port></http>") + port(2), LASTING)
    other = restart()
    bob = Operator(other, "bob")
    await bob.commit(port(3), BOUND, "token")
    with other.events.subscribe() as events:
        await other.cancel_commit(bob.session, "token")
        event = await anext(aiter(events))
    assert isinstance(event, ConfigurationChanged)
    assert {(change.kind, change.path) for change in event.changes} == {
        ("changed", "/fe:flow-export/fe:collector[fe:name='a']/fe:port"),
        ("deleted", "/fxs:server"),
    }
    assert port_of(other) == 1


async def test_edits_of_the_candidate_stay(store: Datastore, ann: Operator, bob: Operator) -> None:
    await ann.commit(port(2), BOUND)
    await bob.edit(flow_export(whole_collector("b")))
    await store.cancel_commit(ann.session)
    assert await bob.commit() == 4
    assert store.configuration.flow_export is not None
    assert [(c.name, c.port) for c in store.configuration.flow_export.collector] == [
        ("a", 1),
        ("b", 6343),
    ]


async def test_a_full_disk_stops_no_rollback(
    restart: Restart, store: Datastore, ann: Operator, clock: ManualClock, tmp_path: Path
) -> None:
    await ann.commit(port(2), BOUND)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StateFolder, "write", fail_to_write)
        clock.advance(600)
        await settled(store)
    assert (port_of(store), store.pending, store.record.id) == (1, None, 3)
    assert not (tmp_path / "history" / "3.json").exists()
    other = restart()  # what is on disk still has to go back
    assert (port_of(other), other.pending, other.record.id) == (1, None, 3)


async def test_one_that_fails_is_tried_again(
    store: Datastore, ann: Operator, clock: ManualClock
) -> None:
    await ann.commit(port(2), BOUND)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StateFolder, "write", lambda *_: 1 // 0)
        clock.advance(600)
        await settled(store)
        assert port_of(store) == 2
        with pytest.raises(ManagementError) as error:
            await store.cancel_commit(ann.session)
        assert error.value.faults[0].tag == "rollback-failed"
        assert store.pending is not None
    clock.advance(10)
    await settled(store)
    assert (port_of(store), pending(store)) == (1, None)


# -- restarts


@pytest.mark.parametrize("life", ["life", "next"])
@pytest.mark.parametrize("confirmed", [BOUND, LASTING])
async def test_a_restart(
    restart: Restart, ann: Operator, tmp_path: Path, confirmed: Confirmed, life: str
) -> None:
    """Only one with a token goes on, and only when the manager alone was started again."""
    await ann.commit(port(2), confirmed)
    other = restart(life)
    if confirmed is LASTING and life == "life":
        assert other.pending is not None
        assert port_of(other) == 2
        return
    assert (port_of(other), other.pending) == (1, None)
    assert (other.record.id, other.record.door) == (3, "rollback")
    assert "commit 2" in other.record.comment
    assert other.history[-1] == other.record
    written = json.loads((tmp_path / "running.json").read_bytes())
    assert set(written) == {"commit", "configuration"}
    assert written["commit"]["id"] == 3


async def test_a_restart_does_not_prolong_it(
    restart: Restart, ann: Operator, clock: ManualClock
) -> None:
    await ann.commit(port(2), LASTING)
    clock.advance(500)
    clock.wall -= timedelta(days=400)
    other = restart()
    await other.start()
    assert lock_fault(other, Operator(other)).info["session-id"] == "0"
    clock.advance(99)
    await settled(other)
    assert port_of(other) == 2
    clock.advance(1)
    await settled(other)
    assert port_of(other) == 1


async def test_a_deadline_that_passed_meanwhile(
    restart: Restart, ann: Operator, clock: ManualClock
) -> None:
    await ann.commit(port(2), LASTING)
    clock.timers.clear()
    clock.advance(1000)
    other = restart()
    await other.start()
    clock.advance(0)
    await settled(other)
    assert port_of(other) == 1


async def test_it_can_be_confirmed_after_a_restart(restart: Restart, ann: Operator) -> None:
    await ann.commit(port(2), LASTING)
    assert await Operator(restart()).commit(persist_id="token") == 2
    assert port_of(restart("next")) == 2


async def test_stopping_leaves_the_rollback_to_the_next_start(
    schema: SchemaContext, tmp_path: Path, clock: ManualClock
) -> None:
    store = open_store(schema, tmp_path, clock=clock)
    ann = Operator(store)
    await ann.commit(flow_export(whole_collector("a")), BOUND)
    await store.stop()
    store.close_session(ann.session)
    assert not clock.armed
    other = open_store(schema, tmp_path)
    assert other.configuration.flow_export is None
    await other.stop()


@pytest.mark.parametrize("damage", ["no backup", "unusable backup"])
async def test_a_backup_that_cannot_be_used(
    schema: SchemaContext, ann: Operator, tmp_path: Path, damage: str
) -> None:
    await ann.commit(port(2), BOUND)
    file = tmp_path / "running.json"
    content = json.loads(file.read_bytes())
    if damage == "no backup":
        del content["backup"]
    else:
        content["backup"]["configuration"] = {"flow-export:nothing": 1}
    file.write_text(json.dumps(content))
    with pytest.raises(StartError) as error:
        open_store(schema, tmp_path)
    assert error.value.code is ExitCode.CONFIGURATION
    assert "go back to" in str(error.value)


# -- state


async def test_state_says_what_is_pending(
    store: Datastore, ann: Operator, clock: ManualClock
) -> None:
    assert "pending-confirm" not in await server_state(store)
    await ann.commit(port(2), LASTING)
    clock.advance(1.5)
    assert (await server_state(store))["pending-confirm"] == {
        "commit": "2",
        "user": "ann",
        "door": "netconf-ssh",
        "session": ann.session.id,
        "persistent": True,
        "timeout": 600,
        "deadline": "2026-01-01T00:10:00.000+00:00",
        "remaining": 599,
        "back-to": "1",
    }
    store.close_session(ann.session)
    assert "session" not in (await server_state(store))["pending-confirm"]
    shown = json.dumps(await server_state(store))
    assert "token" not in shown


async def server_state(store: Datastore) -> Any:
    from flowexport_mgmt.schema.tree import Format

    store.register_state(Reporter({}))
    with await store.operational(["/server/pending-confirm"]) as tree:
        data = json.loads(tree.print(Format.JSON))
    return data.get("flow-export-server:server", {})
