"""Sessions, locks, candidate and confirmed commits against a small model of RFC 6241.

Hypothesis drives both with the same 10,000 operations; the model says of each whether it is refused
and with which tag, and what is in running and in the candidate afterwards.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from tests.support.clocks import ManualClock
from tests.support.edits import collector, edits, flow_export, whole_collector
from tests.support.stores import Operator, open_store

from flowexport_mgmt.datastore import Confirmed, Datastore, EditOptions, Store
from flowexport_mgmt.errors import ManagementError
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.tree import Tree

EXAMPLES, STEPS = 100, 100
RUNNING, CANDIDATE = Store.RUNNING, Store.CANDIDATE
LEAVES = ("port", "dscp")
Values = dict[str, str]

stores = st.sampled_from(Store)
leaves = st.tuples(st.sampled_from(LEAVES), st.integers(1, 3).map(str))
tokens = st.sampled_from([None, "red", "green"])
timeouts = st.sampled_from([0, 10, 20])


@dataclass
class Pending:
    """A confirmed commit that waits."""

    owner: Operator | None
    token: str | None
    deadline: float
    back: Values


@dataclass
class Model:
    """What RFC 6241 says there is; times are those of the clock."""

    running: Values
    base: Values
    edits: Values = field(default_factory=dict)
    logged: bool = False
    modified: bool = False
    open: list[Operator] = field(default_factory=list)
    locks: dict[Store, Operator] = field(default_factory=dict)
    pending: Pending | None = None

    @property
    def candidate(self) -> Values:
        return self.base | self.edits

    def renew(self) -> None:
        """Make the candidate equal to running."""
        self.base, self.edits, self.logged, self.modified = dict(self.running), {}, False, False

    def set_running(self, values: Values) -> None:
        self.running = values
        if not self.logged:
            self.renew()

    def roll_back(self) -> None:
        assert self.pending is not None
        back, self.pending = self.pending.back, None
        self.set_running(back)

    def end(self, who: Operator) -> None:
        self.open.remove(who)
        held = [store for store, holder in self.locks.items() if holder is who]
        for store in held:
            del self.locks[store]
        if CANDIDATE in held:
            self.renew()
        if self.pending is not None and self.pending.owner is who:
            if self.pending.token is None:
                self.roll_back()
            else:
                self.pending.owner = None

    # -- what is refused, and how; None when it is not

    def blocked(self, who: Operator, *targets: Store) -> str | None:
        if who not in self.open:
            return "operation-failed"
        held = any(self.locks.get(store, who) is not who for store in targets)
        return "in-use" if held else None

    def direct(self, who: Operator) -> str | None:
        return self.blocked(who, RUNNING) or ("in-use" if self.pending else None)

    def access(self, who: Operator, token: str | None) -> str | None:
        own = self.pending.token if self.pending else None
        if token is not None:
            return None if token == own else "invalid-value"
        if own is not None:
            return "in-use"
        other = self.pending is not None and self.pending.owner is not who
        return "in-use" if other else None

    def lockable(self, who: Operator, store: Store) -> str | None:
        if who not in self.open:
            return "operation-failed"
        if store is CANDIDATE and self.modified:
            return "lock-denied"
        if store is RUNNING and self.pending and self.pending.owner is not who:
            return "lock-denied"
        return "lock-denied" if store in self.locks else None


class Machine(RuleBasedStateMachine):
    """Drives a datastore and the model."""

    schema: SchemaContext
    steps = 0
    operators = Bundle("operators")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="fx-model-"))
        self.clock = ManualClock()
        self.life = 0
        self.store = self.load()
        first = Operator(self.store, "init")
        values = {"port": "1", "dscp": "1"}
        xml = flow_export(whole_collector("a", "<port>1</port><dscp>1</dscp>"))
        self.run(first.edit(xml, RUNNING))
        self.store.close_session(first.session)
        self.model = Model(dict(values), dict(values))

    def load(self) -> Datastore:
        store = open_store(self.schema, self.folder, life=str(self.life), clock=self.clock)
        self.run(store.start())
        return store

    def run(self, work: Awaitable[Any]) -> None:
        self.loop.run_until_complete(self.settled(work))

    async def settled(self, work: Awaitable[Any]) -> None:
        """Do something, and let the rollback end that it may have begun."""
        await work
        if hasattr(self, "store"):
            await self.store._commits.writes.drain()

    async def later(self, call: Any, *arguments: Any) -> None:
        call(*arguments)

    def tries(self, work: Awaitable[Any], expected: str | None) -> bool:
        """Try something that has to be refused in one way or not at all; whether it was done."""
        Machine.steps += 1
        try:
            self.run(work)
        except ManagementError as error:
            tags = [str(fault.tag) for fault in error.faults]
        else:
            tags = []
        assert tags == ([expected] if expected else [])
        return not tags

    def teardown(self) -> None:
        self.run(self.store.stop())
        self.loop.close()
        shutil.rmtree(self.folder)

    # -- sessions

    @initialize(target=operators)
    def begin(self) -> Any:
        return multiple(self.opened(), self.opened())

    @rule(target=operators)
    def opens(self) -> Any:
        if len(self.model.open) >= 4:
            return multiple()
        return self.opened()

    def opened(self) -> Operator:
        operator = Operator(self.store)
        self.model.open.append(operator)
        return operator

    @rule(who=operators)
    def closes(self, who: Operator) -> None:
        if who.store is self.store:  # a session of an earlier manager went with it
            self.tries(self.later(self.store.close_session, who.session), None)
        if who in self.model.open:
            self.model.end(who)

    @rule(who=operators, victim=operators)
    def kills(self, who: Operator, victim: Operator) -> None:
        if who not in self.model.open or victim.store is not self.store:
            return  # an id of an earlier manager means nothing to this one
        alive = victim in self.model.open and victim is not who
        kill = self.later(self.store.kill_session, who.session, victim.session.id)
        if self.tries(kill, None if alive else "invalid-value"):
            assert victim.killed
            self.model.end(victim)

    # -- locks

    @rule(who=operators, which=stores)
    def locks(self, who: Operator, which: Store) -> None:
        lock = self.later(self.store.lock, who.session, which)
        if self.tries(lock, self.model.lockable(who, which)):
            self.model.locks[which] = who

    @rule(who=operators, which=stores)
    def unlocks(self, who: Operator, which: Store) -> None:
        unlock = self.later(self.store.unlock, who.session, which)
        holds = self.model.locks.get(which) is who
        if self.tries(unlock, None if holds else "operation-failed"):
            del self.model.locks[which]

    # -- the candidate

    @rule(who=operators, leaf=leaves)
    def edits(self, who: Operator, leaf: tuple[str, str]) -> None:
        if self.tries(self.edit(who, leaf, CANDIDATE), self.model.blocked(who, CANDIDATE)):
            name, value = leaf
            self.model.modified |= self.model.candidate[name] != value
            self.model.logged = True
            self.model.edits[name] = value

    async def edit(self, who: Operator, leaf: tuple[str, str], target: Store) -> None:
        name, value = leaf
        xml = flow_export(collector("a", f"<{name}>{value}</{name}>"))
        await self.store.edit(who.session, target, edits(self.schema, xml), EditOptions())

    @rule(who=operators)
    def discards(self, who: Operator) -> None:
        discard = self.later(self.store.discard, who.session)
        if self.tries(discard, self.model.blocked(who, CANDIDATE)):
            self.model.renew()

    @rule(who=operators)
    def copies_running(self, who: Operator) -> None:
        copy = self.store.copy(who.session, CANDIDATE, RUNNING)
        if self.tries(copy, self.model.blocked(who, CANDIDATE)):
            self.model.renew()

    @rule(who=operators, source=stores)
    def validates(self, who: Operator, source: Store) -> None:
        validate = self.later(self.store.validate, who.session, source)
        self.tries(validate, None if who in self.model.open else "operation-failed")

    # -- running

    @rule(who=operators, leaf=leaves)
    def edits_running(self, who: Operator, leaf: tuple[str, str]) -> None:
        if self.tries(self.edit(who, leaf, RUNNING), self.model.direct(who)):
            self.model.set_running(self.model.running | dict([leaf]))

    @rule(who=operators)
    def copies_candidate(self, who: Operator) -> None:
        copy = self.store.copy(who.session, RUNNING, CANDIDATE)
        if self.tries(copy, self.model.direct(who)):
            self.model.running = self.model.running | self.model.edits
            self.model.renew()

    @rule(who=operators, token=tokens)
    def commits(self, who: Operator, token: str | None) -> None:
        commit = self.store.commit(who.session, persist_id=token)
        if self.tries(commit, self.may_commit(who, token)):
            self.model.running = self.model.running | self.model.edits
            self.model.pending = None
            self.model.renew()

    def may_commit(self, who: Operator, token: str | None) -> str | None:
        return self.model.blocked(who, RUNNING, CANDIDATE) or self.model.access(who, token)

    @rule(who=operators, timeout=timeouts, persist=tokens, token=tokens)
    def commits_for_a_while(
        self, who: Operator, timeout: int, persist: str | None, token: str | None
    ) -> None:
        confirmed = Confirmed(timeout=timeout, persist=persist)
        commit = self.store.commit(who.session, confirmed=confirmed, persist_id=token)
        expected = self.model.blocked(who, RUNNING, CANDIDATE)
        if expected is None and timeout == 0:
            expected = "invalid-value"
        if self.tries(commit, expected or self.model.access(who, token)):
            earlier, back = self.model.pending, dict(self.model.running)
            self.model.pending = Pending(
                owner=who,
                token=persist or (earlier.token if earlier else None),
                deadline=self.clock.seconds + timeout,
                back=earlier.back if earlier else back,
            )
            self.model.running = self.model.running | self.model.edits
            self.model.renew()

    @rule(who=operators, token=tokens)
    def cancels(self, who: Operator, token: str | None) -> None:
        expected = self.model.blocked(who, RUNNING) or self.model.access(who, token)
        if expected is None and self.model.pending is None:
            expected = "operation-failed"
        if self.tries(self.store.cancel_commit(who.session, token), expected):
            self.model.roll_back()

    # -- time and death

    @rule(seconds=st.sampled_from([1, 9, 10, 15]))
    def waits(self, seconds: int) -> None:
        self.tries(self.later(self.clock.advance, seconds), None)
        pending = self.model.pending
        if pending is not None and pending.deadline <= self.clock.seconds:
            self.model.roll_back()

    @rule(daemon=st.booleans(), seconds=st.sampled_from([0, 5]))
    def starts_again(self, daemon: bool, seconds: int) -> None:
        """Let the manager, or all of flowexportd, die and come back a little later."""
        Machine.steps += 1
        self.run(self.store.stop())
        self.clock.timers.clear()
        self.clock.seconds += seconds
        self.life += daemon
        del self.store
        self.store = self.load()
        self.clock.advance(0)
        self.run(asyncio.sleep(0))
        pending = self.model.pending
        for who in self.model.open:
            who.session.closed = True
        self.model.open.clear()
        self.model.locks.clear()
        if pending is not None:
            pending.owner = None
            if daemon or pending.token is None or pending.deadline <= self.clock.seconds:
                self.model.roll_back()
        self.model.renew()

    # -- what always holds

    def values(self, which: Store) -> Values:
        tree = self.store._candidates.tree(which)  # read() would copy it, which is slow
        node = tree.find("/flow-export:flow-export/collector[name='a']")
        assert node is not None
        return {n.schema.name: n.value for n in node.children() if n.schema.name in LEAVES}

    @invariant()
    def running_is_as_it_should_be(self) -> None:
        assert self.values(RUNNING) == self.model.running
        assert self.values(CANDIDATE) == self.model.candidate

    @invariant()
    def what_is_pending_is_as_it_should_be(self) -> None:
        pending, expected = self.store.pending, self.model.pending
        assert (pending is None) is (expected is None)
        armed = [timer for timer in self.clock.armed if timer.due > self.clock.seconds]
        assert len(armed) == (pending is not None)
        if pending is not None and expected is not None:
            assert (pending.persist, pending.expires) == (expected.token, expected.deadline)

    @invariant()
    def locks_are_as_they_should_be(self) -> None:
        held = {store: self.store.lock_of(store) for store in Store}
        found = {store: lock.session for store, lock in held.items() if lock is not None}
        assert found == {store: who.session for store, who in self.model.locks.items()}

    @invariant()
    def the_history_ends_with_running(self) -> None:
        assert self.store.history[-1].id == self.store.record.id
        assert len(self.store.sessions) == len(self.model.open)


@pytest.mark.timeout(600)
def test_the_datastore_does_what_the_model_says(schema: SchemaContext) -> None:
    Machine.schema, Machine.steps = schema, 0
    before = Tree.alive
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert Tree.alive == before
    assert Machine.steps >= EXAMPLES * STEPS // 2
