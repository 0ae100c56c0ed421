"""The faces of what takes part in commits and of what reports state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from msgspec import Struct

from flowexport_mgmt.model.configuration import Configuration

StateValue = Struct | Mapping[str, Any]
"""A generated state struct, or a plain object in the form of RFC 7951."""


class Refusal(Protocol):
    """Why a component cannot take a configuration: the instance path to blame, and the reason."""

    @property
    def path(self) -> str:
        """The instance path of the node to blame, with module names or with prefixes."""

    @property
    def message(self) -> str:
        """The reason, in words an operator can act on."""


class Component(Protocol):
    """Something that runs by the configuration.

    ``paths`` are schema paths without prefixes (``/flow-export``, ``/server/http``): a commit that
    changes nothing at, below or above one of them leaves the component alone. ``prepare`` does all
    that can fail and changes nothing that others see; ``apply`` follows once the commit is on disk,
    or else ``abort``, which a component that refused is told as well. ``old`` is None the first
    time. ``commit`` is the number that the configuration has, or will have.
    """

    @property
    def paths(self) -> Sequence[str]:
        """The schema paths of the configuration that it runs by."""

    async def prepare(
        self, old: Configuration | None, new: Configuration, *, commit: int, strict: bool
    ) -> Sequence[Refusal]:
        """Make ready for ``new``; strict: refuse what cannot be done, else restore what can."""

    async def apply(self) -> None:
        """Do what was prepared."""

    async def abort(self) -> None:
        """Forget what was prepared."""

    async def stop(self) -> None:
        """End, and release everything."""


class StateProvider(Protocol):
    """Something that reports state.

    The result maps a top node (``flow-export:flow-export``) to a generated state struct, or, for a
    module that has no generated types, to a plain object in the form of RFC 7951.
    """

    @property
    def paths(self) -> Sequence[str]:
        """The schema paths of what it reports."""

    async def state(self, paths: Sequence[str]) -> Mapping[str, StateValue]:
        """Report what lies at, above or below the given schema paths."""


@dataclass(frozen=True, slots=True)
class StateSnapshot:
    """What the providers reported, merged, by top node; ``failures`` are providers that failed."""

    nodes: Mapping[str, StateValue]
    failures: tuple[str, ...] = field(default=())
