"""How conntrack is to be followed, and how it fares."""

from __future__ import annotations

from dataclasses import dataclass

from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.model.flow_export import ConntrackMode
from flowexport_mgmt.sources.conntrack.switches import UNKNOWN, Switches


@dataclass(frozen=True, slots=True)
class Settings:
    """How to follow: seconds between dumps, zones to tell of (all if empty), switches to set."""

    active_timeout: int
    zones: tuple[int, ...] = ()
    manage_kernel: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConntrackReport:
    """How conntrack fares; times are Unix nanoseconds, counts since ``since_ns``."""

    since_ns: int
    status: OperStatus = OperStatus.DOWN
    reason: str | None = "the first dump is not over yet"
    switches: Switches = UNKNOWN
    flows_active: int = 0
    flows_exported: int = 0
    flows_vanished: int = 0
    dump_ns: int | None = None
    """What the latest dump took, in nanoseconds."""
    dump_entries: int | None = None
    last_dump_ns: int | None = None
    destroy_events: int = 0
    events_lost: int = 0
    resyncs: int = 0

    @property
    def mode(self) -> ConntrackMode:
        """Whether the kernel tells of flows that end."""
        return ConntrackMode.FULL if self.switches.events else ConntrackMode.DUMP_ONLY
