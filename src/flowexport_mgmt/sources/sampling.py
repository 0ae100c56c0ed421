"""The face of whatever samples packets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.records import SampleBatch

TakeBatch = Callable[[SampleBatch], None]
"""Takes sampled packets; called by a thread of the sampler."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be sampled on one interface: one packet in ``rate``, ``trunc`` octets of it."""

    name: str
    rate: int
    trunc: int
    group: int
    ingress: bool
    egress: bool


@dataclass(frozen=True, slots=True)
class InterfaceReport:
    """How sampling fares on one interface.

    ``samples``, ``drops`` and ``pool`` are totals since the interface began to be sampled.
    ``packets_seen`` is what the kernel counted where samples are taken, None when it does not tell.
    """

    name: str
    status: OperStatus
    reason: str | None
    samples: int = 0
    drops: int = 0
    pool: int = 0
    packets_seen: int | None = None


@dataclass(frozen=True, slots=True)
class SamplerReport:
    """How a sampler fares.

    ``foreign`` are samples that others have taken, ``malformed`` messages that break their
    protocol, ``ambiguous`` samples of which it is not known where they were taken, ``overruns``
    times that the kernel had no room for more samples.
    """

    status: OperStatus
    reason: str | None
    interfaces: tuple[InterfaceReport, ...] = ()
    foreign: int = 0
    malformed: int = 0
    ambiguous: int = 0
    overruns: int = 0


class Watcher(Protocol):
    """What a sampler tells of itself; called by its threads, it neither blocks nor calls back."""

    def status_changed(self, status: OperStatus, reason: str | None) -> None:
        """Learn that the sampler fares otherwise than before."""

    def samples_lost(self, interface: str, drops: int, total: int) -> None:
        """Learn that so many further samples of an interface were lost."""


class Sampler(Protocol):
    """Samples packets on interfaces; called from one thread."""

    def configure(self, wanted: Sequence[Wanted]) -> None:
        """Sample these interfaces from now on and no others; what does not change feels nothing."""

    def report(self) -> SamplerReport:
        """Tell how it fares."""

    def stop(self) -> None:
        """Undo what was set up in the kernel, and end, within a second."""
