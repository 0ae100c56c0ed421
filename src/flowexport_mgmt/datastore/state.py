"""Operational state: asked from the providers, merged, and made into a tree for the doors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from flowexport_mgmt.datastore.changes import overlaps
from flowexport_mgmt.datastore.components import StateProvider, StateSnapshot, StateValue
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.from_structs import Encoder
from flowexport_mgmt.schema.library import LibraryError
from flowexport_mgmt.schema.tree import Format, Tree
from flowexport_mgmt.schema.yang_library import modules_state, yang_library

_TIMEOUT = 5.0
"""Seconds that a provider may take."""

_log = logging.getLogger(__name__)


class StateReader:
    """Asks the providers."""

    def __init__(self, schema: SchemaContext) -> None:
        self._schema = schema
        self._providers: list[StateProvider] = []
        self._encoders: dict[str, Encoder] = {}

    def register(self, *providers: StateProvider) -> None:
        """Ask some providers from now on."""
        self._providers += providers

    async def read(self, paths: Sequence[str]) -> StateSnapshot:
        """Ask all whose paths overlap with the given ones, at the same time."""
        asked = [provider for provider in self._providers if _concerns(provider.paths, paths)]
        answers = await asyncio.gather(
            *(asyncio.wait_for(provider.state(paths), _TIMEOUT) for provider in asked),
            return_exceptions=True,
        )
        nodes: dict[str, StateValue] = {}
        failures = []
        for provider, answer in zip(asked, answers, strict=True):
            if isinstance(answer, BaseException):
                if not isinstance(answer, Exception):
                    raise answer
                failures.append(f"{type(provider).__name__}: {answer or type(answer).__name__}")
                continue
            for name, value in answer.items():
                nodes[name] = merge(nodes[name], value) if name in nodes else value
        if failures:
            _log.warning("state is incomplete: %s", "; ".join(failures))
        return StateSnapshot(nodes, tuple(failures))

    def add_to(
        self, tree: Tree, snapshot: StateSnapshot, paths: Sequence[str], running: Tree
    ) -> Tree:
        """Add state to a tree, and give the same tree back.

        State below a container whose presence means something stays out while nobody configured
        that: it would look configured.
        """
        present = {f"{node.schema.module}:{node.schema.name}" for node in running.top()}
        values = {**snapshot.nodes, **self._library(paths)}
        for name, value in values.items():
            schema = self._schema.top_by_json_name.get(name)
            if schema is None or (schema.config and schema.presence and name not in present):
                continue
            try:
                self._add(tree, name, value)
            except (LibraryError, KeyError) as error:
                _log.error("state of %s does not fit its schema: %s", name, error)
        return tree

    def _add(self, tree: Tree, name: str, value: StateValue) -> None:
        if isinstance(value, Struct):
            value = self._encoder(name).encode(msgspec.to_builtins(value))
        document = msgspec.json.encode({name: value})
        with Tree.parse(self._schema, document, Format.JSON, state=True) as part:
            tree.merge(part)

    def _encoder(self, name: str) -> Encoder:
        if name not in self._encoders:
            self._encoders[name] = Encoder(self._schema.top_by_json_name[name])
        return self._encoders[name]

    def _library(self, paths: Sequence[str]) -> Mapping[str, StateValue]:
        found: dict[str, StateValue] = {}
        if _concerns(("/yang-library",), paths):
            found["ietf-yang-library:yang-library"] = yang_library(self._schema)
        if _concerns(("/modules-state",), paths):
            found["ietf-yang-library:modules-state"] = modules_state(self._schema)
        return found


def _concerns(served: Iterable[str], wanted: Sequence[str]) -> bool:
    return any(overlaps(one.rstrip("/"), other.rstrip("/")) for one in served for other in wanted)


def merge(one: StateValue, other: StateValue) -> StateValue:
    """Merge two reports of one node; where both give a value the second counts."""
    if isinstance(one, Mapping) or isinstance(other, Mapping):
        return {**_plain(one), **_plain(other)}
    return _merge_structs(one, other)


def _plain(value: StateValue) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    plain: dict[str, Any] = msgspec.to_builtins(value)
    return plain


def _merge_structs(one: Struct, other: Struct) -> Struct:
    changed: dict[str, Any] = {}
    for name in one.__struct_fields__:
        mine, theirs = getattr(one, name), getattr(other, name)
        if isinstance(mine, Struct) and isinstance(theirs, Struct):
            changed[name] = _merge_structs(mine, theirs)
        elif isinstance(mine, tuple) and isinstance(theirs, tuple):
            changed[name] = _merge_entries(mine, theirs)
        elif theirs is not None:
            changed[name] = theirs
    return msgspec.structs.replace(one, **changed)


def _merge_entries(mine: tuple[Any, ...], theirs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Merge list entries by their first field, which is their key."""
    if not all(isinstance(entry, Struct) for entry in mine + theirs):
        return mine + theirs
    entries: dict[Any, Struct] = {}
    for entry in mine + theirs:
        key = getattr(entry, entry.__struct_fields__[0])
        entries[key] = _merge_structs(entries[key], entry) if key in entries else entry
    return tuple(entries.values())
