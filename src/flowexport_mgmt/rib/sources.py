"""Where routes come from: a session of BGP, or a table that a router tells of over BMP."""

from __future__ import annotations

import enum
import math
from collections.abc import Hashable
from dataclasses import dataclass, field

from flowexport_mgmt.enrich.prefixes import Version


class Kind(enum.IntEnum):
    """Kinds of sources, the preferred first."""

    IBGP = 0
    LOC_RIB = 1
    POST_POLICY = 2
    PRE_POLICY = 3


@dataclass(frozen=True, slots=True)
class Identity:
    """What stays the same from one session to the next.

    ``router`` tells the routers of BMP apart, ``peer`` the peers of one; ``tie`` decides between
    equal routes: the BGP identifier or the address of the peer.
    """

    kind: Kind
    router: str
    peer: Hashable = None

    @property
    def is_adjacent(self) -> bool:
        """Whether it is one of the tables of a router that its Loc-RIB is made from."""
        return self.kind in {Kind.POST_POLICY, Kind.PRE_POLICY}


@dataclass(slots=True)
class Table:
    """The routes of one family: whether they count, and the monotonic times of what is due.

    ``complete_at`` is when the first table is taken for complete without an End-of-RIB,
    ``drop_at`` when a table without a session is dropped.
    """

    era: int = 0
    usable: bool = False
    end_of_rib: bool = False
    complete_at: float = math.inf
    drop_at: float = math.inf


@dataclass(slots=True)
class Source:
    """A source with its counters; ``changed_ns`` and ``since_ns`` are Unix nanoseconds."""

    number: int
    identity: Identity
    peer_address: str = ""
    peer_as: int = 0
    up: bool = False
    since_ns: int = 0
    changed_ns: int | None = None
    updates: int = 0
    withdrawals: int = 0
    faults: int = 0
    last_fault: str | None = None
    tables: dict[Version, Table] = field(default_factory=lambda: {4: Table(), 6: Table()})
