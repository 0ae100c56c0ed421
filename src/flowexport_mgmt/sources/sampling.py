"""The face of whatever samples packets, and of each way to do it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.records import SampleBatch

TakeBatch = Callable[[SampleBatch], None]
"""Takes sampled packets; called by a thread of the sampler."""


Fares = tuple[OperStatus, str | None]
"""How something fares, and why not well."""

UP: Final[Fares] = (OperStatus.UP, None)
PENDING: Final[Fares] = (OperStatus.DEGRADED, "it is being set up")
START_WITH_PRIVILEGE: Final = "start it as root or by its unit: systemctl start flowexportd"
NOT_THERE: Final[Fares] = (OperStatus.NOT_PRESENT, "there is no interface of this name")


class Backend(enum.Enum):
    """A way to sample."""

    PSAMPLE = "psample"
    PACKET = "packet"


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
class Totals:
    """What was sampled on an interface since it began to be.

    ``packets_seen`` is what the kernel counted where samples are taken, None when it does not tell.
    """

    samples: int = 0
    drops: int = 0
    pool: int = 0
    packets_seen: int | None = None


@dataclass(frozen=True, slots=True)
class InterfaceReport:
    """How sampling fares on one interface."""

    name: str
    status: OperStatus
    reason: str | None
    totals: Totals = Totals()


@dataclass(frozen=True, slots=True)
class Mishaps:
    """What came and was of no use.

    ``foreign`` are samples that others have taken, or of a link layer that sFlow has no name for,
    ``malformed`` messages that break their protocol, ``ambiguous`` samples of which it is not known
    where they were taken, ``overruns`` times that the kernel had no room for more samples.
    """

    foreign: int = 0
    malformed: int = 0
    ambiguous: int = 0
    overruns: int = 0


@dataclass(frozen=True, slots=True)
class SamplerReport:
    """How a sampler fares; ``fallback`` says why not by psample, where that was not asked for."""

    status: OperStatus
    reason: str | None
    backend: Backend = Backend.PSAMPLE
    fallback: str | None = None
    interfaces: tuple[InterfaceReport, ...] = ()
    mishaps: Mishaps = Mishaps()


@dataclass(frozen=True, slots=True)
class Standing:
    """How sampling fares, and whatever of what is wanted was seen to.

    ``lacking`` says what the kernel or this process lacks, for want of which nothing can be sampled
    this way.
    """

    overall: Fares = (OperStatus.DISABLED, None)
    interfaces: Mapping[Wanted, Fares] = field(default_factory=dict)
    lacking: str | None = None


def overall(fares: Mapping[Wanted, Fares]) -> Fares:
    """Sum up how interfaces fare: the first that does not fare well is named."""
    for one, (status, reason) in fares.items():
        if status is not OperStatus.UP:
            return OperStatus.DEGRADED, f"{one.name}: {reason}"
    return UP


class Way(Protocol):
    """One way to sample; led by one thread, asked by any."""

    def bring_about(self, wanted: Sequence[Wanted]) -> Standing:
        """Do what can be done to sample these and no others, and say how things stand then."""

    def undo(self) -> None:
        """Sample nothing any more, and leave nothing in the kernel."""

    def close(self) -> None:
        """Release what is left, after `undo`."""

    def totals(self) -> Mapping[str, Totals]:
        """Tell what was sampled, by interface."""

    def mishaps(self) -> Mishaps:
        """Tell what came and was of no use."""


class Watcher(Protocol):
    """What a sampler tells of itself; called by its threads, it neither blocks nor calls back."""

    def status_changed(self, status: OperStatus, reason: str | None) -> None:
        """Learn that the sampler fares otherwise than before."""

    def samples_lost(self, interface: str, drops: int, total: int) -> None:
        """Learn that so many further samples of an interface were lost."""


class Sampler(Protocol):
    """Samples packets on interfaces; called from one thread."""

    def configure(self, wanted: Sequence[Wanted], backend: Backend | None = None) -> None:
        """Sample these interfaces from now on and no others; what does not change feels nothing.

        Without a ``backend`` it is psample, or packet sockets where that cannot be had.
        """

    def report(self) -> SamplerReport:
        """Tell how it fares."""

    def stop(self) -> None:
        """Undo what was set up in the kernel, and end, within a second."""
