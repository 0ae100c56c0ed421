"""The components of a commit: prepared together, then all applied or all aborted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterable, Sequence

from flowexport_mgmt.datastore.changes import Change, touches
from flowexport_mgmt.datastore.components import Component, Refusal
from flowexport_mgmt.errors import ErrorTag, Fault, ManagementError
from flowexport_mgmt.model.configuration import Configuration
from flowexport_mgmt.schema.context import SchemaContext

_TIMEOUT = 30.0
"""Seconds that a component may take for one step."""

_log = logging.getLogger(__name__)


class Participants:
    """The registered components, in the order of registration."""

    def __init__(self, schema: SchemaContext) -> None:
        self._schema = schema
        self._components: list[Component] = []

    def register(self, component: Component) -> None:
        """Let a component take part from now on."""
        self._components.append(component)

    def concerned(self, changes: Sequence[Change]) -> list[Component]:
        """Give the components whose slice of the configuration changes."""
        return [c for c in self._components if touches(changes, c.paths)]

    async def prepare(
        self, chosen: Sequence[Component], old: Configuration, new: Configuration, commit: int
    ) -> None:
        """Prepare components strictly; when one refuses, all are aborted.

        Raises:
            ManagementError: every refusal.
        """
        faults: list[Fault] = []
        asked: list[Component] = []
        try:
            for component in chosen:
                asked.append(component)
                faults += await self._ask(component, old, new, commit)
        except BaseException:
            await self.abort(asked)
            raise
        if faults:
            await self.abort(asked)
            raise ManagementError(faults)

    async def _ask(
        self, component: Component, old: Configuration, new: Configuration, commit: int
    ) -> list[Fault]:
        preparing = component.prepare(old, new, commit=commit, strict=True)
        try:
            refusals = await asyncio.wait_for(preparing, _TIMEOUT)
        except ManagementError as error:
            return list(error.faults)
        except TimeoutError:
            return [_failed(component, f"did not answer within {_TIMEOUT:.0f} s")]
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not half make a commit
            _log.exception("%s could not prepare commit %d", _name(component), commit)
            return [_failed(component, f"{type(error).__name__}: {error}")]
        return [self._fault(refusal) for refusal in refusals]

    def _fault(self, refusal: Refusal) -> Fault:
        path, message = self._schema.prefixed(refusal.path), refusal.message
        if refusal.path and not path:  # not a path that a door could render, but worth telling
            message = f"{refusal.path}: {message}"
        return Fault(tag=ErrorTag.OPERATION_FAILED, message=message, path=path)

    async def apply(self, chosen: Iterable[Component]) -> None:
        """Apply what was prepared; the commit stands, so a failure is the component's to mend."""
        for component in chosen:
            await _step(component, "apply", component.apply())

    async def abort(self, chosen: Iterable[Component]) -> None:
        """Forget what was prepared."""
        for component in chosen:
            await _step(component, "abort", component.abort())

    async def restore(
        self, configuration: Configuration, commit: int, chosen: Sequence[Component] | None = None
    ) -> None:
        """Give a configuration to components that then do of it what they can; None: to all.

        Nothing is applied before all have prepared, so that what they read anew, such as a
        certificate of two doors, changes for all of them at once.
        """
        ready = []
        for component in self._components if chosen is None else chosen:
            preparing = component.prepare(None, configuration, commit=commit, strict=False)
            if await _step(component, "prepare", preparing):
                ready.append(component)
        await self.apply(ready)

    async def stop(self) -> None:
        """Stop all, the last registered first."""
        for component in reversed(self._components):
            await _step(component, "stop", component.stop())
        self._components.clear()


async def _step(component: Component, what: str, step: Awaitable[object]) -> bool:
    """Run a step that must not keep others from theirs; say whether it worked."""
    try:
        await asyncio.wait_for(step, _TIMEOUT)
    except Exception:  # noqa: BLE001 - logged, and the other components go on
        _log.exception("%s failed to %s", _name(component), what)
        return False
    return True


def _failed(component: Component, reason: str) -> Fault:
    return Fault(tag=ErrorTag.OPERATION_FAILED, message=f"{_name(component)}: {reason}")


def _name(component: Component) -> str:
    return type(component).__name__
