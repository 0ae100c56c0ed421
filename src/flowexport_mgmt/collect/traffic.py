"""Traffic of an interface, from counters that only grow (sFlow) and from counts of an interval."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from flowexport_mgmt.wire.messages import Record, Value

_HISTORY: Final = 12
_WRAP: Final = 1 << 32
_WIDTHS: Final = {  # bits of the counters that traffic is made from
    "ifInOctets": 64,
    "ifInUcastPkts": 32,
    "ifInMulticastPkts": 32,
    "ifInBroadcastPkts": 32,
    "ifOutOctets": 64,
    "ifOutUcastPkts": 32,
    "ifOutMulticastPkts": 32,
    "ifOutBroadcastPkts": 32,
}
_SIDES: Final = ("ingressInterface", "egressInterface")


@dataclass(slots=True)
class Direction:
    """One direction of an interface: what it counted since the first datagram, and how fast."""

    octets: int = 0
    packets: int = 0
    octet_rate: float | None = None
    packet_rate: float | None = None

    def add(self, octets: int, packets: int, seconds: float) -> None:
        """Add what was counted in a time; no rate can be made of no time."""
        self.octets += octets
        self.packets += packets
        if seconds > 0:
            self.octet_rate = octets / seconds
            self.packet_rate = packets / seconds


class _Baseline(NamedTuple):
    uptime_ms: int
    counters: dict[str, int]


@dataclass(slots=True)
class Interface:
    """Ingress and egress of one interface, and its latest rates (octets per second, both ways)."""

    index: int
    directions: tuple[Direction, Direction] = field(
        default_factory=lambda: (Direction(), Direction())
    )
    history: deque[float] = field(default_factory=lambda: deque(maxlen=_HISTORY))
    seen_ns: int = 0
    baseline: _Baseline | None = None

    @property
    def octet_rate(self) -> float:
        """Octets per second in both directions together."""
        return sum(direction.octet_rate or 0.0 for direction in self.directions)

    def remember_rate(self) -> None:
        """Append the latest rate to the history, once there is one."""
        if any(direction.octet_rate is not None for direction in self.directions):
            self.history.append(self.octet_rate)

    def sample(self, fields: Mapping[str, Value], uptime_ms: int) -> None:
        """Take the difference to the sample before, unless the counters began anew."""
        now = {name: value for name in _WIDTHS if isinstance(value := fields.get(name), int)}
        before, self.baseline = self.baseline, _Baseline(uptime_ms, now)
        if before is None or number(fields, "sampleSequence") <= 1:
            return
        grown = {
            name: (value - before.counters.get(name, value)) % (1 << _WIDTHS[name])
            for name, value in now.items()
        }
        seconds = (uptime_ms - before.uptime_ms) % _WRAP / 1_000
        for side, direction in zip(("In", "Out"), self.directions, strict=True):
            kinds = ("Ucast", "Multicast", "Broadcast")
            packets = sum(grown.get(f"if{side}{kind}Pkts", 0) for kind in kinds)
            direction.add(grown.get(f"if{side}Octets", 0), packets, seconds)


def number(fields: Mapping[str, Value], name: str) -> int:
    """Get a number, 0 when the record has none of that name."""
    value = fields.get(name)
    return value if isinstance(value, int) else 0


@dataclass(slots=True)
class Growth:
    """What the records of one message say of one direction of one interface."""

    octets: int = 0
    packets: int = 0
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """The time from the first start to the last end."""
        if not self.ends:
            return 0
        span = max(self.ends) - min(self.starts)
        return (span % _WRAP if span < 0 else span) / 1_000


def sum_growth(records: Iterable[Record]) -> dict[tuple[int, int], Growth]:
    """Add up data records by interface and direction (0 ingress, 1 egress).

    A record that names no direction counts for the interface it came in and the one it went out.
    """
    sums: dict[tuple[int, int], Growth] = {}
    for record in records:
        fields = record.fields
        direction = fields.get("flowDirection")
        for side, name in enumerate(_SIDES):
            if record.kind == "data" and name in fields and direction in {None, side}:
                growth = sums.setdefault((number(fields, name), side), Growth())
                _add(growth, fields)
    return sums


def _add(growth: Growth, fields: Mapping[str, Value]) -> None:
    growth.octets += number(fields, "octetDeltaCount")
    growth.packets += number(fields, "packetDeltaCount")
    for unit in ("Milliseconds", "SysUpTime"):
        if f"flowStart{unit}" in fields and f"flowEnd{unit}" in fields:
            growth.starts.append(number(fields, f"flowStart{unit}"))
            growth.ends.append(number(fields, f"flowEnd{unit}"))
            return
