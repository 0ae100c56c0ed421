"""What NetFlow v9 and IPFIX say of interfaces: counters by direction, and the table of names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.wire.paging import slices
from flowexport_mgmt.wire.templates import Template, cut

NAME_SIZE: Final = 16
DESCRIPTION_SIZE: Final = 64

_COLUMNS: Final = {
    "octetDeltaCount": ("in_octets", "out_octets"),
    "packetDeltaCount": ("in_packets", "out_packets"),
}
_INTERFACES: Final = ("ingressInterface", "egressInterface")


def lay_out_counters(
    template: Template, deltas: NDArray[np.void], columns: Mapping[str, tuple[str, str]]
) -> NDArray[np.void]:
    """Make two records (ingress, egress) of each row of COUNTER_DELTA_DTYPE.

    ``columns`` says, for the fields beside octets, packets and interface, which delta each
    direction takes; wider ones are sent modulo the field's width. The interface that a direction
    does not have is 0.
    """
    rows = np.zeros(2 * len(deltas), template.dtype)
    rows[1::2]["flowDirection"] = 1
    pairs = {**_COLUMNS, **columns}
    for part in slices(len(deltas)):
        source = deltas[part]
        for direction in (0, 1):
            target = rows[direction::2][part]
            target[_INTERFACES[direction]] = source["ifindex"]
            for name, pair in pairs.items():
                target[name] = source[pair[direction]]
    return rows


def lay_out_names(
    template: Template,
    ifindexes: NDArray[np.uint32],
    names: Sequence[str],
    descriptions: Sequence[str],
) -> NDArray[np.void]:
    """Make one record of scope interface of each; texts are cut to their fixed length."""
    rows = np.zeros(len(ifindexes), template.dtype)
    rows["scope"] = ifindexes
    rows["interfaceName"] = [cut(name, NAME_SIZE) for name in names]
    rows["interfaceDescription"] = [cut(text, DESCRIPTION_SIZE) for text in descriptions]
    return rows
