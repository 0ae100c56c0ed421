"""IPFIX messages (RFC 7011)."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.records import Datagrams
from flowexport_mgmt.wire import paging
from flowexport_mgmt.wire.interfaces import (
    DESCRIPTION_SIZE,
    NAME_SIZE,
    lay_out_counters,
    lay_out_names,
)
from flowexport_mgmt.wire.templates import DataSet, Field, Template, template

VERSION: Final = 10
_HEADER = struct.Struct(">HHIII")  # version, length, export time, sequence, observation domain

COUNTERS: Final = template(
    257, (1, 8), (2, 8), (133, 8), (10, 4), (14, 4), (152, 8), (153, 8), (61, 1)
)
"""Interface counters: one record per interface and direction."""

INTERFACE_TABLE: Final = template(
    513, (82, NAME_SIZE), (83, DESCRIPTION_SIZE), scopes=(Field(10, 4),)
)
"""Interface names: option data of scope ingressInterface."""


def compose(
    sets: Iterable[Template | DataSet],
    *,
    domain: int,
    sequence: int,
    export_time_s: int,
    max_size: int,
) -> Datagrams:
    """Encode templates and data sets, in their order, into messages.

    Args:
        sets: templates, and data sets of templates that the collector has or that stand before.
        domain: observation domain id.
        sequence: data records (option data records count, templates do not) sent in the domain
            before; the next call's is ``sequence + sum(result.records)``.
        export_time_s: Unix time of export in seconds.
        max_size: octets of the largest datagram.

    Raises:
        EncodeError: one template or record alone does not fit a datagram.
    """
    pages = paging.paginate(
        sets, header_size=_HEADER.size, max_size=max_size, encode_template=_encode_template
    )
    sequences = itertools.accumulate((page.records for page in pages), initial=sequence)
    headers = (
        _HEADER.pack(VERSION, _HEADER.size + page.size, export_time_s, number & 0xFFFFFFFF, domain)
        for page, number in zip(pages, sequences, strict=False)
    )
    return paging.join(pages, headers)


def encode_counters(deltas: NDArray[np.void]) -> DataSet:
    """Lay out interface counters, two records (ingress, egress) per row of COUNTER_DELTA_DTYPE."""
    rows = lay_out_counters(COUNTERS, deltas)
    rows[0::2]["droppedPacketDeltaCount"] = deltas["in_discards"]
    rows[1::2]["droppedPacketDeltaCount"] = deltas["out_discards"]
    rows["flowStartMilliseconds"] = np.repeat(deltas["start_ms"], 2)
    rows["flowEndMilliseconds"] = np.repeat(deltas["end_ms"], 2)
    return DataSet(COUNTERS, rows)


def encode_interface_table(
    ifindexes: NDArray[np.uint32], names: Sequence[str], descriptions: Sequence[str]
) -> DataSet:
    """Lay out the names of interfaces; the three sequences are parallel."""
    return DataSet(INTERFACE_TABLE, lay_out_names(INTERFACE_TABLE, ifindexes, names, descriptions))


def _encode_template(item: Template) -> tuple[int, bytes]:
    numbers = tuple(paging.template_fields(item))
    count = len(item.scopes) + len(item.fields)
    head = (item.id, count, len(item.scopes)) if item.scopes else (item.id, count)
    return (3 if item.scopes else 2), struct.pack(f">{len(head) + len(numbers)}H", *head, *numbers)
