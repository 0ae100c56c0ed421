"""What is read beside the counters of interfaces, for collectors that have a place for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.records import HostCounters
from flowexport_mgmt.sources.ethernet import EthernetSource
from flowexport_mgmt.sources.host import HostSource
from flowexport_mgmt.sources.links import Link


class Found(NamedTuple):
    """Counters of Ethernet, by interface (ETHERNET_DTYPE), and those of the host."""

    ethernet: NDArray[np.void]
    host: HostCounters


class Details:
    """Reads what the host and the drivers of its interfaces count; used by one thread."""

    def __init__(
        self, host: HostSource | None = None, ethernet: EthernetSource | None = None
    ) -> None:
        self._host = host or HostSource()
        self._ethernet = ethernet or EthernetSource()

    def read(self, links: Sequence[Link], rows: NDArray[np.void], monotonic: float) -> Found:
        """Read all now, given the interfaces and their counters of just now (COUNTER_DTYPE)."""
        return Found(
            ethernet=self._ethernet.read(links), host=self._host.read(links, rows, monotonic)
        )

    def close(self) -> None:
        """Release the socket; reading opens it again."""
        self._ethernet.close()
