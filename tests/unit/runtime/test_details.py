"""What the host and drivers count is read once for all collectors of sFlow, and for no others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.interfaces import FakeKernel, FakeLink
from tests.support.receiver import receiver
from tests.support.runtimes import plane
from tests.support.sessions import config

from flowexport_mgmt.records import ETHERNET_DTYPE, HostCounters
from flowexport_mgmt.sources import CounterSource, Details, Link
from flowexport_mgmt.sources.details import Found
from flowexport_mgmt.sources.sysfs import UNKNOWN_SETTINGS
from flowexport_mgmt.sources.table import LinkTable


class Counted(Details):
    """Gives a number that grows with each read."""

    def __init__(self) -> None:
        self.reads = 0
        self.closed = False

    def read(self, links: Sequence[Link], rows: NDArray[np.void], monotonic: float) -> Found:
        assert len(links) == len(rows)
        assert monotonic
        self.reads += 1
        ethernet = np.zeros(1, ETHERNET_DTYPE)
        ethernet["ifindex"], ethernet["fcs_errors"] = 7, self.reads
        return Found(ethernet, HostCounters(counters={2003: {"contexts": self.reads}}))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def details() -> Counted:
    return Counted()


@pytest.fixture
def source(details: Counted) -> CounterSource:
    kernel = FakeKernel(FakeLink(1, "lo", flags=0x49), FakeLink(7, "port7"))
    return CounterSource(0, LinkTable(kernel, lambda *_: UNKNOWN_SETTINGS), details)


def test_one_read_serves_all_that_are_due(details: Counted, source: CounterSource) -> None:
    with receiver() as first, receiver() as second, plane(source) as made:
        made.commit(
            config("sflow", name="a", port=first.port, polling_interval=1),
            config("sflow", name="b", port=second.port, polling_interval=1),
        )
        told: dict[int, list[int | str | None]] = {}
        for peer in (first, second):
            found = told.setdefault(peer.port, [])
            while len(found) < 3:
                records = peer.receive().kinds("counter-sample")
                found += [r.fields["contexts"] for r in records if "contexts" in r.fields]
        shared = set(told[first.port]) & set(told[second.port])
        assert len(shared) >= 2  # they may have been added one after the other
        assert not details.closed
    assert details.closed


def test_ethernet_goes_with_its_interface(source: CounterSource) -> None:
    with receiver() as peer, plane(source) as made:
        made.commit(config("sflow", port=peer.port))
        (sample,) = [
            record.fields for record in peer.receive_until("counter-sample").kinds("counter-sample")
        ]
    assert (sample["ifIndex"], sample["dot3StatsFCSErrors"]) == (7, 1)


def test_other_protocols_do_not_ask_for_it(details: Counted, source: CounterSource) -> None:
    with receiver() as peer, plane(source) as made:
        made.commit(config("ipfix", port=peer.port, polling_interval=1))
        peer.receive_until("data")
    assert details.reads == 0
