"""Records whose counts do not fit the 32 bits that a format has for them."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.records.flows import U8, FlowBatch

_MOST: Final = 0xFFFFFFFF
_MOST_PARTS: Final = 1 << 16
"""Parts of one record: 280 TB. No link moves more within one record's time, so a larger count is
a broken one, and cut."""

_LIMIT: Final = np.uint64(_MOST * _MOST_PARTS)


def split_wide(batch: FlowBatch) -> FlowBatch:
    """Make several records of each that has 2^32 octets or packets or more.

    The parts have the record's other columns and add up to its counts, which are spread evenly.
    """
    parts = count_parts(batch)
    if parts is None:
        return batch
    octets, packets = np.minimum(batch.octets, _LIMIT), np.minimum(batch.packets, _LIMIT)
    ends = np.cumsum(parts)
    number = (np.arange(ends[-1]) - np.repeat(ends - parts, parts)).astype(np.uint64)
    spread = batch.select(np.repeat(np.arange(len(batch)), parts))
    divisor = np.repeat(parts, parts).astype(np.uint64)
    return dataclasses.replace(
        spread,
        octets=_share(np.repeat(octets, parts), divisor, number),
        packets=_share(np.repeat(packets, parts), divisor, number),
    )


def count_parts(batch: FlowBatch) -> NDArray[np.intp] | None:
    """Tell how many records each becomes; None when each stays one."""
    if not len(batch) or max(batch.octets.max(), batch.packets.max()) <= _MOST:
        return None
    most = np.uint64(_MOST)
    larger = np.minimum(np.maximum(batch.octets, batch.packets), _LIMIT)
    quotient = np.maximum(larger + most - np.uint64(1), most) // most
    parts: NDArray[np.intp] = quotient.astype(np.intp)
    return parts


def _share(total: U8, parts: U8, number: U8) -> U8:
    """Give each part its share; the first ones take what does not divide."""
    quotient, remainder = np.divmod(total, parts)
    share: U8 = quotient + (number < remainder)
    return share
