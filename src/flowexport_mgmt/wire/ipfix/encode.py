"""IPFIX messages (RFC 7011)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.records import Datagrams
from flowexport_mgmt.wire.interfaces import (
    DESCRIPTION_SIZE,
    NAME_SIZE,
    lay_out_counters,
    lay_out_names,
)
from flowexport_mgmt.wire.paging import lay_out_sets
from flowexport_mgmt.wire.templates import DataSet, Field, Template, template, template_numbers

VERSION: Final = 10
HEADER: Final = np.dtype(
    [
        ("version", ">u2"),
        ("length", ">u2"),
        ("export_time", ">u4"),
        ("sequence", ">u4"),
        ("domain", ">u4"),
    ]
)

COUNTERS: Final = template(
    257, (1, 8), (2, 8), (133, 8), (10, 4), (14, 4), (152, 8), (153, 8), (61, 1)
)
"""Interface counters: one record per interface and direction."""

_COLUMNS: Final = {
    "droppedPacketDeltaCount": ("in_discards", "out_discards"),
    "flowStartMilliseconds": ("start_ms", "start_ms"),
    "flowEndMilliseconds": ("end_ms", "end_ms"),
}

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
    pages = lay_out_sets(
        sets, header_size=HEADER.itemsize, max_size=max_size, encode_template=_encode_template
    )
    before = np.cumsum(pages.records) - pages.records
    headers = np.zeros(len(pages), HEADER)
    headers["version"] = VERSION
    headers["length"] = HEADER.itemsize + pages.sizes
    headers["export_time"] = export_time_s
    headers["sequence"] = (sequence + before) & 0xFFFFFFFF
    headers["domain"] = domain
    return pages.join(headers)


def encode_counters(deltas: NDArray[np.void]) -> DataSet:
    """Lay out interface counters, two records (ingress, egress) per row of COUNTER_DELTA_DTYPE."""
    return DataSet(COUNTERS, lay_out_counters(COUNTERS, deltas, _COLUMNS))


def encode_interface_table(
    ifindexes: NDArray[np.uint32], names: Sequence[str], descriptions: Sequence[str]
) -> DataSet:
    """Lay out the names of interfaces; the three sequences are parallel."""
    return DataSet(INTERFACE_TABLE, lay_out_names(INTERFACE_TABLE, ifindexes, names, descriptions))


def _encode_template(item: Template) -> tuple[int, bytes]:
    numbers = tuple(template_numbers(item))
    count = len(item.scopes) + len(item.fields)
    head = (item.id, count, len(item.scopes)) if item.scopes else (item.id, count)
    return (3 if item.scopes else 2), struct.pack(f">{len(head) + len(numbers)}H", *head, *numbers)
