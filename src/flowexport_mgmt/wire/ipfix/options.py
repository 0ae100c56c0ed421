"""Option data of IPFIX: how packets were sampled, and the exporter's statistics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from flowexport_mgmt.records.flows import Ignored
from flowexport_mgmt.wire.options import ExporterStatistics, Losses, Sampler
from flowexport_mgmt.wire.templates import DataSet, Field, Template, template

_SYSTEMATIC_COUNT_BASED, _N_OUT_OF_N = 1, 3  # IANA registry of PSAMP selection methods
_TIME: Final = 323  # observationTimeMilliseconds
_DOMAIN: Final = Field(149, 4)

# The selector is no scope field, as RFC 5476 (section 6.5.2) has it, because collectors (nfdump
# 1.7, pmacct, goflow2) look for it behind the scope and match it with the selector of each record.
# Nor do these read the population: the old samplingInterval (34) beside it tells them the same.
SAMPLING: Final = template(512, (302, 4), (304, 2), (309, 4), (310, 4), (34, 4), scopes=(_DOMAIN,))
"""How each selector of the domain takes packets: n out of N at random (RFC 5477, section 8.2)."""

SYSTEMATIC_SAMPLING: Final = template(
    517, (302, 4), (304, 2), (305, 4), (306, 4), scopes=(_DOMAIN,)
)
"""The same told as taking one and passing over N - 1, for collectors that know only that."""

MESSAGE_STATISTICS: Final = template(514, (41, 8), (42, 8), (40, 8), scopes=(_DOMAIN,))
"""What was exported (RFC 7011, section 4.1), of scope observationDomainId."""


def _with_times(id_: int, scope: int, *elements: int) -> Template:
    """Make a template whose records end with the times of the first and the last loss."""
    base = template(id_, *((element, 8) for element in elements), scopes=(Field(scope, 4),))
    times = (Field(_TIME, 8), Field(_TIME, 8))
    return Template(id_, (*base.columns, "first", "last"), (*base.fields, *times), base.scopes)


# ignoredOctetTotalCount has no place in it: nobody knows the length of a packet that was lost.
METERING_RELIABILITY: Final = _with_times(515, 143, 164)
"""What was not metered (RFC 7011, section 4.2), of scope meteringProcessId."""

EXPORTING_RELIABILITY: Final = _with_times(516, 144, 166, 167, 168)
"""What was not sent (RFC 7011, section 4.3), of scope exportingProcessId."""


def encode_sampling(
    samplers: Iterable[Sampler], *, domain: int, systematic: bool = False
) -> list[DataSet]:
    """Lay out how packets are sampled, each selector in a set of its own.

    Some collectors read no more than the first record of a set of options.
    """
    layout = SYSTEMATIC_SAMPLING if systematic else SAMPLING
    describe = _describe_systematic if systematic else _describe_random
    return [
        DataSet(layout, np.array([(domain, one.id, *describe(one.rate))], layout.dtype))
        for one in samplers
    ]


def _describe_random(rate: int) -> tuple[int, ...]:
    return _N_OUT_OF_N, 1, rate, rate


def _describe_systematic(rate: int) -> tuple[int, ...]:
    return _SYSTEMATIC_COUNT_BASED, 1, rate - 1


def encode_message_statistics(statistics: ExporterStatistics, *, domain: int) -> DataSet:
    """Lay out what was exported (RFC 7011, section 4.1)."""
    layout = MESSAGE_STATISTICS
    record = (domain, statistics.messages, statistics.records, statistics.octets)
    return DataSet(layout, np.array([record], layout.dtype))


def encode_losses(losses: Losses, *, process_id: int) -> DataSet:
    """Lay out what an exporting process did not send (RFC 7011, section 4.3)."""
    layout = EXPORTING_RELIABILITY
    counts = (losses.flows, losses.packets, losses.octets, losses.first_ms, losses.last_ms)
    return DataSet(layout, np.array([(process_id, *counts)], layout.dtype))


def encode_ignored(ignored: Ignored, *, process_id: int) -> DataSet:
    """Lay out what a metering process did not see (RFC 7011, section 4.2)."""
    layout = METERING_RELIABILITY
    record = (process_id, ignored.packets, ignored.first_ms, ignored.last_ms)
    return DataSet(layout, np.array([record], layout.dtype))
