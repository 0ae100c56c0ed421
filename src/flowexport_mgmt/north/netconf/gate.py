"""Who may try to log in: a bound on strangers, passed before a single octet is exchanged."""

from __future__ import annotations

import ipaddress
from collections import Counter


class Gate:
    """Counts connections that have not logged in, in all and for each source.

    One source may hold half of ``limit``, so that it cannot keep everybody else out. An IPv6 source
    is its /64, all of which one host may use.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._inside: Counter[str] = Counter()

    @property
    def inside(self) -> int:
        """The connections that have not logged in."""
        return self._inside.total()

    def enter(self, address: str) -> bool:
        """Let a connection in, unless there are too many; each is let out once."""
        source = _source(address)
        if self.inside >= self.limit or self._inside[source] >= max(1, self.limit // 2):
            return False
        self._inside[source] += 1
        return True

    def leave(self, address: str) -> None:
        """Let a connection out: it logged in, or is gone."""
        source = _source(address)
        self._inside[source] -= 1
        if self._inside[source] <= 0:
            del self._inside[source]


def _source(address: str) -> str:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
