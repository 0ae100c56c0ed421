"""Set (specification, section 3.4): all operations in order as one transaction."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from flowexport_mgmt.datastore import Datastore, Session, Step, StepRefusedError
from flowexport_mgmt.errors import Fault, ManagementError
from flowexport_mgmt.north.gnmi import lines
from flowexport_mgmt.north.gnmi.edits import Remove, Write, locate, unite
from flowexport_mgmt.north.gnmi.extensions import Arbiter, check_commit, read_duration
from flowexport_mgmt.north.gnmi.messages import Operation, SetRequest, SetResponse
from flowexport_mgmt.north.gnmi.paths import CLI, Pattern, read_path, resolve
from flowexport_mgmt.north.gnmi.reading import nanoseconds
from flowexport_mgmt.north.gnmi.requests import parse, read_extensions
from flowexport_mgmt.north.gnmi.status import RpcError, code_of, invalid, unimplemented
from flowexport_mgmt.north.gnmi.typed import qualify_root, read_value
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.paths import parse_path

_MAX_OPERATIONS: Final = 10_000
_TURN: Final = 100
"""Operations that are read before others have their turn."""


@dataclass(frozen=True, slots=True)
class _Made:
    """An operation of the request: its kind and path, and the steps that it comes to."""

    kind: Operation
    path: Any
    pattern: Pattern
    steps: Sequence[Step]


class Setter:
    """Answers Set."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        self._schema = datastore.schema
        self._arbiter = Arbiter()

    async def answer(self, session: Session, octets: bytes) -> Any:
        """Carry a request out.

        Raises:
            RpcError: nothing was done, and why.
        """
        request = parse(SetRequest, octets)
        allowed = ("master_arbitration", "commit")
        extensions = read_extensions(request.extension, allowed=allowed)
        self._arbiter.admit(extensions.arbitration)
        operations = await _Operations(self._schema, request).read()
        if extensions.commit is None:
            await self._transact(session, operations)
        else:
            await self._commit(session, extensions.commit, operations)
        return self._respond(request, operations)

    async def _commit(self, session: Session, commit: Any, operations: Sequence[_Made]) -> None:
        """Begin, confirm, extend or cancel a confirmed commit."""
        pending, token = self._datastore.pending, str(commit.id)
        action = check_commit(commit, pending, has_operations=bool(operations))
        if action == "commit":
            confirmed = replace(read_duration(commit.commit), persist=token)
            await self._transact(session, operations, confirmed=confirmed)
        elif action == "confirm":
            await self._transact(session, (), persist_id=token)
        elif action == "cancel":
            await _refusing(self._datastore.cancel_commit(session, token))
        else:
            confirmed = read_duration(commit.set_rollback_duration, needed=True)
            await self._transact(session, (), confirmed=confirmed, persist_id=token)

    async def _transact(
        self, session: Session, operations: Sequence[_Made], **options: Any
    ) -> None:
        steps = [(step, made) for made in operations for step in made.steps]
        try:
            await self._datastore.transact(session, [step for step, _ in steps], **options)
        except StepRefusedError as error:
            raise _at(steps[error.index][1], error) from None
        except ManagementError as error:
            culprit = _culprit(operations, error.faults)
            raise (RpcError.of(error) if culprit is None else _at(culprit, error)) from None

    def _respond(self, request: Any, operations: Sequence[_Made]) -> Any:
        response = SetResponse(timestamp=nanoseconds(self._datastore.record.time))
        response.prefix.CopyFrom(request.prefix)
        for made in operations:
            response.response.add(path=made.path, op=int(made.kind))
        return response


async def _refusing(work: Any) -> None:
    try:
        await work
    except ManagementError as error:
        raise RpcError.of(error) from None


def _at(made: _Made, error: ManagementError) -> RpcError:
    """Tell which operation was refused."""
    message = f"{made.kind.name.lower()} {made.pattern}: {error}"
    return RpcError(code_of(error), message, error.faults)


def _culprit(operations: Sequence[_Made], faults: Sequence[Fault]) -> _Made | None:
    """Find the operation that wrote what the first fault is about: the last that covers it."""
    names = _names(faults[0].path)
    covering = [
        made
        for made in operations
        if names[: len(made.pattern.elements)] == [e.name for e in made.pattern.elements]
    ]
    return max(covering, key=lambda made: len(made.pattern.elements), default=None)


def _names(path: str) -> list[str]:
    try:
        return [step.name for step in parse_path(path)]
    except ValueError:
        return []


class _Operations:
    """Reads the operations of a request, in the order in which they count."""

    def __init__(self, schema: SchemaContext, request: Any) -> None:
        self._schema = schema
        self._request = request

    async def read(self) -> list[_Made]:
        """Read them all, and let others have their turn now and then.

        Raises:
            RpcError: the first that is wrong.
        """
        request = self._request
        given = (request.delete, request.replace, request.update, request.union_replace)
        if sum(map(len, given)) > _MAX_OPERATIONS:
            raise invalid(f"a Set has at most {_MAX_OPERATIONS} operations")
        made: list[_Made] = []
        for one in self._each(request):
            made.append(one)
            if len(made) % _TURN == 0:
                await asyncio.sleep(0)
        return made

    def _each(self, request: Any) -> Iterator[_Made]:
        yield from (self._delete(path) for path in request.delete)
        yield from (self._write(update, Operation.REPLACE) for update in request.replace)
        yield from (self._write(update, Operation.UPDATE) for update in request.update)
        yield from self._union(request.union_replace)

    def _delete(self, path: Any) -> _Made:
        pattern = read_path(self._schema, self._request.prefix, path)
        if pattern.origin == CLI:
            raise unimplemented("nothing is deleted by a path of origin cli: delete with a line")
        with _naming(Operation.DELETE, pattern):
            pattern, nodes = resolve(self._schema, pattern)
            if nodes and not any(node.config for node in nodes):
                raise invalid("this is operational state, and cannot be written")
        return _Made(Operation.DELETE, path, pattern, (Remove(self._schema, pattern),))

    def _write(self, update: Any, kind: Operation) -> _Made:
        pattern = read_path(self._schema, self._request.prefix, update.path)
        with _naming(kind, pattern):
            if pattern.origin == CLI:
                steps = self._lines(pattern, update, replaces=kind is Operation.REPLACE)
            else:
                instance = locate(self._schema, pattern)
                data = self._value(instance[-1].schema if instance else None, update)
                replaces = kind is not Operation.UPDATE
                if replaces and instance and instance[-1].keys and data == {}:
                    raise invalid("an entry is replaced by one with its keys, and not by {}")
                steps = [Write(self._schema, instance, data, replaces=replaces)]
        return _Made(kind, update.path, pattern, steps)

    def _value(self, node: Any, update: Any) -> Any:
        data = read_value(node, update.val)
        if node is not None:
            return data
        if not isinstance(data, Mapping):
            raise invalid("the root is an object in JSON")
        return qualify_root(self._schema.top_by_json_name, data)

    def _lines(self, pattern: Pattern, update: Any, *, replaces: bool) -> list[Step]:
        if pattern.elements:
            raise invalid("a path of origin cli has no elements")
        if update.val.WhichOneof("value") != "ascii_val":
            raise unimplemented("the value of origin cli is ascii_val")
        steps: list[Step] = []
        for part in lines.read(self._schema, update.val.ascii_val):
            if isinstance(part, lines.Sets):
                steps.append(Write(self._schema, (), part.data))
            elif replaces:
                raise invalid("a replacement only has set lines")
            else:
                steps.append(Remove(self._schema, resolve(self._schema, part.pattern)[0]))
        if replaces:
            data: Any = next((step.data for step in steps if isinstance(step, Write)), {})
            return [Write(self._schema, (), data, replaces=True)]
        return steps

    def _union(self, updates: Iterable[Any]) -> list[_Made]:
        """Let the first that concerns a place replace it, and the others add to that."""
        made = [self._write(update, Operation.UNION_REPLACE) for update in updates]
        writes = [step for one in made for step in one.steps if isinstance(step, Write)]
        if any(not isinstance(step, Write) for one in made for step in one.steps):
            raise invalid("a union_replace of origin cli only has set lines")
        united: Sequence[Step] = unite(writes)
        return [replace(one, steps=united if index == 0 else ()) for index, one in enumerate(made)]


@contextlib.contextmanager
def _naming(kind: Operation, pattern: Pattern) -> Iterator[None]:
    """Put the operation before the message of what is wrong with it."""
    try:
        yield
    except RpcError as error:
        text = error.message.removeprefix(f"{pattern}: ")
        words = f"{kind.name.lower()} {pattern}"
        raise RpcError(error.code, f"{words}: {text}", error.faults) from None
