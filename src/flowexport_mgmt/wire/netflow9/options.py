"""Option data of NetFlow v9: how packets were sampled, and the exporter's statistics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from flowexport_mgmt.records.flows import Ignored
from flowexport_mgmt.wire.options import ExporterStatistics, Losses, Sampler
from flowexport_mgmt.wire.templates import DataSet, Field, template

MAX_SAMPLERS: Final = 255
"""Samplers that records can name: their id has 8 bits."""

_DETERMINISTIC, _RANDOM = 1, 2  # RFC 3954, section 8, SAMPLING_ALGORITHM and FLOW_SAMPLER_MODE
_SYSTEM: Final = Field(1, 4)

SAMPLING: Final = template(512, (34, 4), (35, 1), scopes=(_SYSTEM,))
"""How packets of the whole source id are sampled."""

# nfdump 1.7 reads the rate from SAMPLING_INTERVAL (34) alone, others from the sampler's own field.
SAMPLERS: Final = template(517, (48, 1), (49, 1), (50, 4), (34, 4), scopes=(_SYSTEM,))
"""How each sampler takes packets that records name by its id."""

STATISTICS: Final = template(514, (41, 8), (42, 8), (40, 8), scopes=(_SYSTEM,))
"""What was exported."""

IGNORED: Final = template(515, (164, 8), scopes=(_SYSTEM,))
"""Packets that were not metered: a field that only IPFIX has a definition of."""

LOSSES: Final = template(516, (166, 8), (167, 8), (168, 8), scopes=(_SYSTEM,))
"""What was not sent: fields that only IPFIX has a definition of."""


def encode_sampling(rate: int, *, domain: int) -> DataSet:
    """Lay out that one packet in ``rate`` is taken; 1 takes them all."""
    return DataSet(SAMPLING, np.array([(domain, rate, _algorithm(rate))], SAMPLING.dtype))


def encode_samplers(samplers: Iterable[Sampler], *, domain: int) -> list[DataSet]:
    """Lay out samplers, whose ids are 255 at most, each in a set of its own.

    Some collectors read no more than the first record of a set of options.
    """
    records = [(domain, one.id, _algorithm(one.rate), one.rate, one.rate) for one in samplers]
    return [DataSet(SAMPLERS, np.array([record], SAMPLERS.dtype)) for record in records]


def encode_statistics(statistics: ExporterStatistics, *, domain: int) -> DataSet:
    """Lay out what was exported."""
    record = (domain, statistics.messages, statistics.records, statistics.octets)
    return DataSet(STATISTICS, np.array([record], STATISTICS.dtype))


def encode_ignored(ignored: Ignored, *, domain: int) -> DataSet:
    """Lay out what was not metered."""
    return DataSet(IGNORED, np.array([(domain, ignored.packets)], IGNORED.dtype))


def encode_losses(losses: Losses, *, domain: int) -> DataSet:
    """Lay out what was not sent."""
    record = (domain, losses.flows, losses.packets, losses.octets)
    return DataSet(LOSSES, np.array([record], LOSSES.dtype))


def _algorithm(rate: int) -> int:
    return _RANDOM if rate > 1 else _DETERMINISTIC
