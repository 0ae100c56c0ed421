"""What NetFlow v9 and IPFIX say of interfaces: counters by direction, and the table of names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.wire.templates import Template, cut

NAME_SIZE: Final = 16
DESCRIPTION_SIZE: Final = 64
_INGRESS: Final = 0
_EGRESS: Final = 1


def lay_out_counters(template: Template, deltas: NDArray[np.void]) -> NDArray[np.void]:
    """Make two records (ingress, egress) of each row of COUNTER_DELTA_DTYPE, without their times.

    The interface that a direction does not have is 0.
    """
    rows = np.zeros(2 * len(deltas), template.dtype)
    for direction, side, interface in (
        (_INGRESS, "in", "ingressInterface"),
        (_EGRESS, "out", "egressInterface"),
    ):
        half = rows[direction::2]
        half["octetDeltaCount"] = deltas[f"{side}_octets"]
        half["packetDeltaCount"] = deltas[f"{side}_packets"]
        half[interface] = deltas["ifindex"]
        half["flowDirection"] = direction
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
