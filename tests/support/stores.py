"""A datastore for tests, and components that do as they are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from tests.support.edits import edits

from flowexport_mgmt.datastore import (
    Clock,
    Confirmed,
    Datastore,
    EditOptions,
    Session,
    Store,
)
from flowexport_mgmt.model.configuration import Configuration
from flowexport_mgmt.schema.context import SchemaContext


class Refusal(msgspec.Struct, frozen=True):
    """Why a component refuses."""

    path: str
    message: str


@dataclass
class Recorder:
    """A component that writes down what it is asked for."""

    paths: Sequence[str] = ("/flow-export",)
    refusals: Sequence[Refusal] = ()
    error: Exception | None = None
    calls: list[str] = field(default_factory=list)
    running: Configuration | None = None
    prepared: Configuration | None = None

    async def prepare(
        self, old: Configuration | None, new: Configuration, *, commit: int, strict: bool
    ) -> Sequence[Refusal]:
        self.calls.append(f"prepare {commit}" + ("" if strict else " leniently"))
        assert strict is (old is not None)
        if self.error:
            raise self.error
        self.prepared = new
        return self.refusals

    async def apply(self) -> None:
        self.calls.append("apply")
        assert self.prepared is not None
        self.running, self.prepared = self.prepared, None

    async def abort(self) -> None:
        self.calls.append("abort")
        self.prepared = None

    async def stop(self) -> None:
        self.calls.append("stop")


@dataclass
class Reporter:
    """A state provider with a fixed answer."""

    answer: Mapping[str, msgspec.Struct | Mapping[str, object]]
    paths: Sequence[str] = ("/flow-export",)
    asked: list[Sequence[str]] = field(default_factory=list)
    error: Exception | None = None

    async def state(
        self, paths: Sequence[str]
    ) -> Mapping[str, msgspec.Struct | Mapping[str, object]]:
        self.asked.append(paths)
        if self.error:
            raise self.error
        return self.answer


class Operator:
    """A session that edits; unless told otherwise it may do everything."""

    def __init__(self, store: Datastore, name: str = "ann", *, recovery: bool = True) -> None:
        self.store = store
        self.killed = False
        self.session: Session = store.open_session(
            name, "netconf-ssh", "192.0.2.9", self._kill, recovery=recovery
        )

    def _kill(self) -> None:
        self.killed = True

    async def edit(
        self, xml: str, target: Store = Store.CANDIDATE, options: EditOptions | None = None
    ) -> None:
        changes = edits(self.store.schema, xml)
        await self.store.edit(self.session, target, changes, options or EditOptions())

    async def commit(
        self, xml: str = "", confirmed: Confirmed | None = None, persist_id: str | None = None
    ) -> int:
        if xml:
            await self.edit(xml)
        done = await self.store.commit(self.session, confirmed=confirmed, persist_id=persist_id)
        return done.id


def open_store(
    schema: SchemaContext,
    folder: Path,
    init: Path | None = None,
    *,
    life: str = "life",
    clock: Clock | None = None,
) -> Datastore:
    """Load a datastore."""
    store = Datastore(schema, folder, life=life, clock=clock)
    store.load(init)
    return store
