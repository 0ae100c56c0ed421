"""Option data of NetFlow v9: how packets were sampled, and the exporter's statistics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from flowexport_mgmt.wire.options import ExporterStatistics
from flowexport_mgmt.wire.templates import DataSet, Field, template

_DETERMINISTIC, _RANDOM = 1, 2  # RFC 3954, section 8, SAMPLING_ALGORITHM
_SYSTEM: Final = Field(1, 4)
_INTERFACE: Final = Field(2, 4)

SAMPLING: Final = template(512, (34, 4), (35, 1), scopes=(_SYSTEM,))
"""How packets of the whole source id are sampled."""

INTERFACE_SAMPLING: Final = template(517, (34, 4), (35, 1), scopes=(_INTERFACE,))
"""How the packets of each interface are sampled."""

STATISTICS: Final = template(514, (41, 8), (42, 8), (40, 8), scopes=(_SYSTEM,))
"""What was exported."""


def encode_sampling(rate: int, *, domain: int) -> DataSet:
    """Lay out that one packet in ``rate`` is taken; 1 takes them all."""
    return DataSet(SAMPLING, np.array([(domain, rate, _algorithm(rate))], SAMPLING.dtype))


def encode_interface_sampling(rates: Iterable[tuple[int, int]]) -> list[DataSet]:
    """Lay out pairs of ifindex and rate, each in a set of its own.

    Some collectors read no more than the first record of a set of options.
    """
    layout = INTERFACE_SAMPLING
    return [
        DataSet(layout, np.array([(ifindex, rate, _algorithm(rate))], layout.dtype))
        for ifindex, rate in rates
    ]


def encode_statistics(statistics: ExporterStatistics, *, domain: int) -> DataSet:
    """Lay out the exporter's statistics."""
    record = (domain, statistics.messages, statistics.records, statistics.octets)
    return DataSet(STATISTICS, np.array([record], STATISTICS.dtype))


def _algorithm(rate: int) -> int:
    return _RANDOM if rate > 1 else _DETERMINISTIC
