"""What became of datagrams."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.wire.fleet import FleetDatagrams

Integers = NDArray[np.int64]


@dataclass(slots=True)
class Sent:
    """What became of the datagrams of each device, all arrays of shape (devices,)."""

    datagrams: Integers
    octets: Integers
    records: Integers
    failures: Integers

    @classmethod
    def nothing(cls, devices: int) -> Sent:
        """Make empty counts."""
        return cls(*np.zeros((4, devices), np.int64))

    def go_on(self, other: Sent, mine: slice, theirs: slice) -> None:
        """Count on from where the same devices were."""
        for name in ("datagrams", "octets", "records", "failures"):
            getattr(self, name)[mine] = getattr(other, name)[theirs]


@dataclass(slots=True)
class Totals:
    """What a collector was sent in one protocol since the simulator started."""

    datagrams: int = 0
    octets: int = 0
    records: int = 0
    failures: Counter[int] = field(default_factory=Counter)
    """Datagrams that failed, by errno."""
    last_template_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """The number of a datagram that the kernel refused, and the errno."""

    datagram: int
    reason: int


def count(
    datagrams: FleetDatagrams,
    part: slice,
    failures: Sequence[Failure],
    sent: Sent,
    totals: Totals,
) -> None:
    """Count some datagrams of which all but the failures were sent."""
    passed = np.ones(part.stop - part.start, np.bool_)
    passed[[failure.datagram - part.start for failure in failures]] = False
    owners = datagrams.exporters[part]
    sizes = np.diff(datagrams.offsets[part.start : part.stop + 1])
    records = datagrams.records[part]
    np.add.at(sent.datagrams, owners[passed], 1)
    np.add.at(sent.octets, owners[passed], sizes[passed])
    np.add.at(sent.records, owners[passed], records[passed])
    np.add.at(sent.failures, owners[~passed], 1)
    totals.datagrams += int(passed.sum())
    totals.octets += int(sizes[passed].sum())
    totals.records += int(records[passed].sum())
    totals.failures.update(failure.reason for failure in failures)
