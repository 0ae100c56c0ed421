"""What option data tells of an exporter, whatever the protocol."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sampler:
    """A selector that takes one packet in ``rate``, at random; rate 1 takes them all."""

    id: int
    rate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExporterStatistics:
    """Totals of an observation domain since the exporter started.

    Ignored packets were not metered, although they were observed. What was not sent was dropped by
    the exporting process. The two times, Unix milliseconds, are when the first and the last of
    them were lost; 0 when none was.
    """

    messages: int = 0
    records: int = 0
    octets: int = 0
    ignored_packets: int = 0
    ignored_octets: int = 0
    ignored_ms: tuple[int, int] = (0, 0)
    unsent_flows: int = 0
    unsent_packets: int = 0
    unsent_octets: int = 0
    unsent_ms: tuple[int, int] = (0, 0)
