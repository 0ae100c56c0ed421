"""NetFlow v9 export packets (RFC 3954)."""

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

VERSION: Final = 9
HEADER: Final = np.dtype(
    [
        ("version", ">u2"),
        ("count", ">u2"),
        ("uptime", ">u4"),
        ("seconds", ">u4"),
        ("sequence", ">u4"),
        ("source_id", ">u4"),
    ]
)
_SCOPE_INTERFACE: Final = 2

COUNTERS: Final = template(257, (1, 8), (2, 8), (10, 4), (14, 4), (22, 4), (21, 4), (61, 1))
"""Interface counters: one record per interface and direction."""

_COLUMNS: Final = {
    "flowStartSysUpTime": ("start_uptime_ms", "start_uptime_ms"),
    "flowEndSysUpTime": ("end_uptime_ms", "end_uptime_ms"),
}

INTERFACE_TABLE: Final = template(
    513, (10, 4), (82, NAME_SIZE), (83, DESCRIPTION_SIZE), scopes=(Field(_SCOPE_INTERFACE, 4),)
)
"""Interface names: option data of scope interface, with strings of fixed length."""


def compose(
    sets: Iterable[Template | DataSet],
    *,
    domain: int,
    sequence: int,
    uptime_ms: int,
    export_time_s: int,
    max_size: int,
) -> Datagrams:
    """Encode templates and data sets, in their order, into export packets.

    Args:
        sets: templates, and data sets of templates that the collector has or that stand before.
        domain: source id.
        sequence: the sequence number of the first packet; each packet advances it by one, so that
            the next call's is ``sequence + len(result)``.
        uptime_ms: milliseconds since boot at export, sent modulo 2^32.
        export_time_s: Unix time of export in seconds.
        max_size: octets of the largest datagram.

    Raises:
        EncodeError: one template or record alone does not fit a datagram.
    """
    pages = lay_out_sets(
        sets, header_size=HEADER.itemsize, max_size=max_size, encode_template=_encode_template
    )
    headers = np.zeros(len(pages), HEADER)
    headers["version"] = VERSION
    headers["count"] = pages.records + pages.templates
    headers["uptime"] = uptime_ms & 0xFFFFFFFF
    headers["seconds"] = export_time_s
    headers["sequence"] = (sequence + np.arange(len(pages))) & 0xFFFFFFFF
    headers["source_id"] = domain
    return pages.join(headers)


def encode_counters(deltas: NDArray[np.void]) -> DataSet:
    """Lay out interface counters, two records (ingress, egress) per row of COUNTER_DELTA_DTYPE."""
    return DataSet(COUNTERS, lay_out_counters(COUNTERS, deltas, _COLUMNS))


def encode_interface_table(
    ifindexes: NDArray[np.uint32], names: Sequence[str], descriptions: Sequence[str]
) -> DataSet:
    """Lay out the names of interfaces; the three sequences are parallel."""
    rows = lay_out_names(INTERFACE_TABLE, ifindexes, names, descriptions)
    rows["ingressInterface"] = ifindexes
    return DataSet(INTERFACE_TABLE, rows)


def _encode_template(item: Template) -> tuple[int, bytes]:
    numbers = tuple(template_numbers(item))
    if item.scopes:  # lengths of the scope and option parts in octets (RFC 3954, section 6.1)
        head: tuple[int, ...] = (item.id, 4 * len(item.scopes), 4 * len(item.fields))
    else:
        head = (item.id, len(item.fields))
    return (1 if item.scopes else 0), struct.pack(f">{len(head) + len(numbers)}H", *head, *numbers)
