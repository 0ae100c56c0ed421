"""Failed logins by source: how often somebody may guess."""

from __future__ import annotations

import functools
import ipaddress
from collections import OrderedDict
from typing import Final

MAX_SOURCES: Final = 1024
"""Sources that are remembered; the one that failed longest ago makes room."""

_MINUTE: Final = 60.0


class FailedLogins:
    """Says which sources failed ``limit`` times and have to wait.

    Each failure is forgiven after a minute's ``limit``-th part, so that a source that has used up
    its failures may try again that often. ``now`` is in seconds.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._sources: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        """Count the sources that are remembered."""
        return len(self._sources)

    def note(self, address: str, now: float) -> None:
        """Remember a failure."""
        source = source_of(address)
        self._sources[source] = (self._failures(source, now) + 1, now)
        self._sources.move_to_end(source)
        if len(self._sources) > MAX_SOURCES:
            self._sources.popitem(last=False)

    def is_blocked(self, address: str, now: float) -> bool:
        """Tell whether a source has to wait before it may try again."""
        source = source_of(address)
        failures = self._failures(source, now)
        if failures <= 0:
            self._sources.pop(source, None)
        return failures > self.limit - 1

    def _failures(self, source: str, now: float) -> float:
        failures, since = self._sources.get(source, (0.0, now))
        return max(0.0, failures - (now - since) * self.limit / _MINUTE)


@functools.lru_cache(maxsize=1024)
def source_of(address: str) -> str:
    """Give what an address counts as: itself, or for IPv6 its /64."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
