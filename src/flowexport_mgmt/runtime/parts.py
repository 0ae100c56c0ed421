"""What the data plane is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from flowexport_mgmt.export import Facilities, Instant
from flowexport_mgmt.link.messages import Event, Refusal, SourceStateChange
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.pipeline import Pipeline

Wish = TypeVar("Wish")
"""What a part reads of the configuration."""


class Part(Protocol):
    """One part of the data plane; it follows its own slice of the configuration.

    All methods are called from one thread. Nothing that a part does in `prepare` may be felt by
    what runs, and nothing may fail in `apply`: what the kernel refuses by then shows in the state
    and is tried again.
    """

    def prepare(self, new: fe.FlowExport | None, *, strict: bool) -> Sequence[Refusal]:
        """Make ready to run ``new``, in place of what was prepared before.

        Returns:
            With ``strict``, what cannot work because of the configuration. Otherwise nothing.
        """

    def apply(self) -> None:
        """Run what was prepared."""

    def abort(self) -> None:
        """Forget what was prepared, if anything was."""

    def finish(self, deadline: float) -> None:
        """Hand on what is known and was told to nobody yet, until that monotonic time at most.

        Called before `stop`, of what feeds others before what is fed.
        """

    def stop(self) -> None:
        """End every thread and release every descriptor, within a second."""

    def state(self, paths: Sequence[str]) -> fe.FlowExportState:
        """Report what lies at, above or below any of the schema paths; leave out all else."""


class WillingPart(Generic[Wish]):
    """The first half of a part that refuses nothing: it notes what is wished for, and follows."""

    def __init__(self) -> None:
        self._prepared: tuple[Wish] | None = None

    def prepare(self, new: fe.FlowExport | None, *, strict: bool) -> Sequence[Refusal]:
        """Note what is wished for; what the kernel lacks is no fault of the configuration."""
        del strict
        self._prepared = (self._read(new),)
        return ()

    def apply(self) -> None:
        """Follow what was noted, if anything was."""
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            self._follow(*prepared)

    def abort(self) -> None:
        """Forget what was noted."""
        self._prepared = None

    def finish(self, deadline: float) -> None:
        """Do nothing: nothing is kept back."""

    def _read(self, new: fe.FlowExport | None) -> Wish:
        """Read what concerns this part."""
        raise NotImplementedError

    def _follow(self, wish: Wish) -> None:
        """Do as is wished from now on."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the parts share."""

    pipeline: Pipeline
    clock: Callable[[], Instant]
    tell: Callable[[Event], None]
    """Posts an event; called from any thread, it neither blocks nor calls back."""
    facilities: Facilities
    state_folder: Path | None = None
    """Where a part may leave word for the next process; None where nothing is kept."""


def tell_source(
    tell: Callable[[Event], None], name: str, status: OperStatus, reason: str | None
) -> None:
    """Post that the status of a source of records changed."""
    tell(SourceStateChange(name=name, oper_status=status, oper_reason=reason))
