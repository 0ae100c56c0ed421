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
    owners = datagrams.exporters[part]
    sizes = np.diff(datagrams.offsets[part.start : part.stop + 1])
    records = datagrams.records[part]
    if failures:
        failed = [failure.datagram - part.start for failure in failures]
        np.add.at(sent.failures, owners[failed], 1)
        totals.failures.update(failure.reason for failure in failures)
        owners, sizes, records = (np.delete(each, failed) for each in (owners, sizes, records))
    np.add.at(sent.datagrams, owners, 1)
    np.add.at(sent.octets, owners, sizes)
    np.add.at(sent.records, owners, records)
    totals.datagrams += len(owners)
    totals.octets += int(sizes.sum())
    totals.records += int(records.sum())
