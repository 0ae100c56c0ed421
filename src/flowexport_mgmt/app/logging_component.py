"""server/logging as a part of the transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flowexport_mgmt.link.messages import Refusal
from flowexport_mgmt.model.configuration import Configuration


class LoggingComponent:
    """Changes how every process logs; ``adjust`` takes a level and a format."""

    paths: Sequence[str] = ("/server/logging",)

    def __init__(self, adjust: Callable[[str, str], None]) -> None:
        self._adjust = adjust
        self._next: tuple[str, str] | None = None

    async def prepare(
        self,
        old: Configuration | None,  # noqa: ARG002 - adjusting again what is the same does no harm
        new: Configuration,
        *,
        commit: int,  # noqa: ARG002 - it does not matter which commit it is
        strict: bool,  # noqa: ARG002 - nothing can be refused
    ) -> Sequence[Refusal]:
        """Remember what is wanted."""
        self._next = (new.server.logging.level, new.server.logging.format)
        return ()

    async def apply(self) -> None:
        """Log as wanted from now on."""
        if self._next is not None:
            self._adjust(*self._next)
            self._next = None

    async def abort(self) -> None:
        """Forget what was wanted."""
        self._next = None

    async def stop(self) -> None:
        """Do nothing: logs go on to the end."""
