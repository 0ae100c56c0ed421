from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

from flowexport_mgmt.sources.psample import Psample
from flowexport_mgmt.sources.psample.ledger import Place
from flowexport_mgmt.sources.tc import Control
from flowexport_mgmt.sources.tc.messages import Action


class OneAtATime(Control):
    """Notes whether two threads ever asked at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self._busy = threading.Lock()
        self.overlapped = False

    def actions(self) -> list[Action]:
        if not self._busy.acquire(blocking=False):
            self.overlapped = True
            return []
        try:
            threading.Event().wait(0.005)  # as long as the kernel may take
            return []
        finally:
            self._busy.release()


def test_totals_may_be_asked_for_by_several_threads() -> None:
    """As management does while the sampler looks for losses: a netlink socket has one asker."""
    way = Psample(lambda _: None, itertools.count(1))
    kernel = way._counters_of_kernel = OneAtATime()
    way._ledger.replace([Place("wan", 2, 1, ingress=True, egress=False)])
    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(way.totals) for _ in range(20)]
    assert all("wan" in asked.result() for asked in found)
    assert not kernel.overlapped
    way.close()
