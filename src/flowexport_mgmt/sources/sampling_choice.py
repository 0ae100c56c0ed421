"""Which of the ways to sample is taken."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from flowexport_mgmt.sources.psample import find_psample
from flowexport_mgmt.sources.sampling import Backend, Standing, Wanted, Way

_RETRY_S: Final = 30.0
"""How often psample is tried while packet sockets stand in: each time the kernel looks for it."""


def is_psample_loaded() -> bool:
    """Whether the kernel has psample now."""
    with contextlib.suppress(OSError):
        return find_psample() is not None
    return False


@dataclass(frozen=True, slots=True)
class Taken:
    """The way that is taken; ``fallback`` says why not psample, where that was not asked for."""

    backend: Backend
    way: Way
    fallback: str | None = None


class Choice:
    """Takes psample, or packet sockets where those are asked for or psample cannot be had.

    Used by one thread; ``taken`` is replaced as a whole.
    """

    def __init__(
        self,
        psample: Way,
        packet: Way,
        *,
        is_psample_loaded: Callable[[], bool] = is_psample_loaded,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ways = {Backend.PSAMPLE: psample, Backend.PACKET: packet}
        self._is_psample_loaded = is_psample_loaded
        self._clock = clock
        self._wanted: tuple[tuple[Wanted, ...], Backend | None] = ((), None)
        self._retry_at = 0.0
        self.taken = Taken(Backend.PSAMPLE, psample)

    def bring_about(self, wanted: Sequence[Wanted], backend: Backend | None) -> Standing:
        """Do what can be done, and say how things stand then; None leaves the choice to us."""
        is_new = self._wanted != (tuple(wanted), backend)
        self._wanted = tuple(wanted), backend
        if backend is not None or not wanted:
            return self._settle(backend or self.taken.backend, wanted)
        if self.taken.fallback is not None and not (is_new or self._is_due()):
            return self.taken.way.bring_about(wanted)
        return self._try_psample(wanted)

    def close(self) -> None:
        """Undo everything, and release it."""
        for way in self._ways.values():
            way.undo()
            way.close()

    def _is_due(self) -> bool:
        return self._clock() >= self._retry_at or self._is_psample_loaded()

    def _try_psample(self, wanted: Sequence[Wanted]) -> Standing:
        self._retry_at = self._clock() + _RETRY_S
        psample = self._ways[Backend.PSAMPLE]
        standing = psample.bring_about(wanted)
        if standing.lacking is not None:
            if self.taken.way is not psample:
                psample.undo()
            return self._settle(Backend.PACKET, wanted, standing.lacking)
        self._take(Backend.PSAMPLE)
        return standing

    def _settle(
        self, backend: Backend, wanted: Sequence[Wanted], fallback: str | None = None
    ) -> Standing:
        self._take(backend, fallback)
        return self.taken.way.bring_about(wanted)

    def _take(self, backend: Backend, fallback: str | None = None) -> None:
        """Go over to a way; what the other one set up is undone: nothing is sampled twice."""
        if backend is not self.taken.backend:
            self.taken.way.undo()
        self.taken = Taken(backend, self._ways[backend], fallback)
