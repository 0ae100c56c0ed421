"""What option data tells of an exporter, whatever the protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Sampler:
    """A selector that takes one packet in ``rate``, at random; rate 1 takes them all."""

    id: int
    rate: int


ALL_PACKETS: Final = Sampler(id=1, rate=1)
"""The selector of records that come from no sampling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExporterStatistics:
    """What was sent to a collector from one observation domain."""

    messages: int = 0
    records: int = 0
    octets: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """Flow records that were made and not sent, and what they had counted.

    The two times, Unix milliseconds, are when the first and the last of them were lost; 0 when none
    was.
    """

    flows: int = 0
    packets: int = 0
    octets: int = 0
    first_ms: int = 0
    last_ms: int = 0

    def add(self, flows: int, packets: int, octets: int, time_ms: int) -> Losses:
        """Count more of them, lost now; none changes nothing."""
        if not flows:
            return self
        return Losses(
            flows=self.flows + flows,
            packets=self.packets + packets,
            octets=self.octets + octets,
            first_ms=self.first_ms or time_ms,
            last_ms=time_ms,
        )
