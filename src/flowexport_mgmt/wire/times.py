"""Times of a record against each other and against the clock of the message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from flowexport_mgmt.wire.messages import Faults, Value
from flowexport_mgmt.wire.sessions import modular

_UNIX_PAIRS: Final = (  # start, end, parts of a second
    ("flowStartSeconds", "flowEndSeconds", 1),
    ("flowStartMilliseconds", "flowEndMilliseconds", 1_000),
    ("flowStartMicroseconds", "flowEndMicroseconds", 1_000_000),
    ("flowStartNanoseconds", "flowEndNanoseconds", 1_000_000_000),
)


@dataclass(frozen=True, slots=True)
class Clock:
    """The clock in a message's header: Unix seconds, and uptime where the protocol has it."""

    export_time_s: int
    uptime_ms: int | None = None


def check_times(fields: Mapping[str, Value], clock: Clock, faults: Faults, offset: int) -> None:
    """Report a record that ends before it starts, or after it was exported."""
    for start_name, end_name, per_second in _UNIX_PAIRS:
        start, end = fields.get(start_name), fields.get(end_name)
        if isinstance(start, int) and isinstance(end, int) and end < start:
            faults.add("end-before-start", f"{end_name} {end} is before {start}", offset)
        if isinstance(end, int) and end // per_second > clock.export_time_s:
            message = f"{end_name} {end} is after the export time {clock.export_time_s} s"
            faults.add("end-after-export", message, offset)
    _check_uptimes(fields, clock, faults, offset)


def _check_uptimes(fields: Mapping[str, Value], clock: Clock, faults: Faults, offset: int) -> None:
    """Do the same for milliseconds of uptime, which wrap after 49.7 days."""
    start, end = fields.get("flowStartSysUpTime"), fields.get("flowEndSysUpTime")
    if isinstance(start, int) and isinstance(end, int) and modular(end, start) < 0:
        faults.add("end-before-start", f"flowEndSysUpTime {end} is before {start}", offset)
    uptime = clock.uptime_ms
    if isinstance(end, int) and uptime is not None and modular(uptime, end) < 0:
        message = f"flowEndSysUpTime {end} is after the uptime {uptime} ms"
        faults.add("end-after-export", message, offset)
