"""Option data of IPFIX: how packets were sampled, and the exporter's statistics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from flowexport_mgmt.wire.options import ExporterStatistics, Sampler
from flowexport_mgmt.wire.templates import DataSet, Field, Template, template

_SYSTEMATIC_COUNT_BASED, _N_OUT_OF_N = 1, 3  # IANA registry of PSAMP selection methods
_TIME: Final = 323  # observationTimeMilliseconds

SAMPLING: Final = template(512, (304, 2), (309, 4), (310, 4), scopes=(Field(302, 4),))
"""How each selector takes packets: n out of N at random (RFC 5477, section 8.2)."""

SYSTEMATIC_SAMPLING: Final = template(517, (304, 2), (305, 4), (306, 4), scopes=(Field(302, 4),))
"""The same told as taking one and passing over N - 1, for collectors that know only that."""

MESSAGE_STATISTICS: Final = template(514, (41, 8), (42, 8), (40, 8), scopes=(Field(149, 4),))
"""What was exported (RFC 7011, section 4.1), of scope observationDomainId."""


def _with_times(id_: int, scope: int, *elements: int) -> Template:
    """Make a template whose records end with the times of the first and the last loss."""
    base = template(id_, *((element, 8) for element in elements), scopes=(Field(scope, 4),))
    times = (Field(_TIME, 8), Field(_TIME, 8))
    return Template(id_, (*base.columns, "first", "last"), (*base.fields, *times), base.scopes)


METERING_RELIABILITY: Final = _with_times(515, 143, 164, 165)
"""What was not metered (RFC 7011, section 4.2), of scope meteringProcessId."""

EXPORTING_RELIABILITY: Final = _with_times(516, 144, 166, 167, 168)
"""What was not sent (RFC 7011, section 4.3), of scope exportingProcessId."""

STATISTICS: Final = (MESSAGE_STATISTICS, METERING_RELIABILITY, EXPORTING_RELIABILITY)
"""The templates of what ``encode_statistics`` makes."""


def encode_sampling(samplers: Iterable[Sampler], *, systematic: bool = False) -> list[DataSet]:
    """Lay out how packets are sampled, each selector in a set of its own.

    Some collectors read no more than the first record of a set of options.
    """
    return [_encode_sampler(sampler, systematic=systematic) for sampler in samplers]


def _encode_sampler(sampler: Sampler, *, systematic: bool) -> DataSet:
    if systematic:
        layout = SYSTEMATIC_SAMPLING
        record = (sampler.id, _SYSTEMATIC_COUNT_BASED, 1, sampler.rate - 1)
    else:
        layout, record = SAMPLING, (sampler.id, _N_OUT_OF_N, 1, sampler.rate)
    return DataSet(layout, np.array([record], layout.dtype))


def encode_message_statistics(statistics: ExporterStatistics, *, domain: int) -> DataSet:
    """Lay out what was exported alone (RFC 7011, section 4.1)."""
    layout = MESSAGE_STATISTICS
    record = (domain, statistics.messages, statistics.records, statistics.octets)
    return DataSet(layout, np.array([record], layout.dtype))


def encode_statistics(
    statistics: ExporterStatistics, *, domain: int, process_id: int
) -> list[DataSet]:
    """Lay out the exporter's statistics, a set for each of the three templates."""
    records: tuple[tuple[int, ...], ...] = (
        (domain, statistics.messages, statistics.records, statistics.octets),
        (
            process_id,
            statistics.ignored_packets,
            statistics.ignored_octets,
            *statistics.ignored_ms,
        ),
        (
            process_id,
            statistics.unsent_flows,
            statistics.unsent_packets,
            statistics.unsent_octets,
            *statistics.unsent_ms,
        ),
    )
    return [
        DataSet(layout, np.array([record], layout.dtype))
        for layout, record in zip(STATISTICS, records, strict=True)
    ]
