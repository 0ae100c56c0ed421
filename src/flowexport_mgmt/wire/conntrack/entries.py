"""Entries of the connection-tracking table as columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.wire.conntrack import numbers as n
from flowexport_mgmt.wire.conntrack.layout import Layout

_NATIVE: Final = {">u2": np.uint16, ">u4": np.uint32, ">u8": np.uint64, "u1": np.uint8}
_ZONES: Final = ("both_zone", "zone", "reply_zone")
_COUNTERS: Final = ("octets", "packets", "reply_octets", "reply_packets")

Selection = slice | NDArray[np.intp] | NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Entries:
    """Messages of one layout, one row each.

    ``rows`` are the messages as they came. Columns are taken out of them when they are asked for,
    so that only what is used costs anything.
    """

    layout: Layout
    rows: NDArray[np.void]

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.rows)

    @property
    def version(self) -> Literal[4, 6]:
        """The version of IP."""
        return self.layout.version

    def has(self, name: str) -> bool:
        """Tell whether these messages have a value of this name."""
        return name in self.layout.places

    def select(self, rows: Selection) -> Entries:
        """Take some of the rows."""
        return Entries(self.layout, self.rows[rows])

    def column(self, name: str) -> NDArray[Any]:
        """Take a column as native integers; 64-bit zeros where the messages have none.

        Names are ``src_port``, ``dst_port``, ``protocol``, ``icmp_id``, ``icmp_type``,
        ``icmp_code``, all of them also with ``reply_`` before, ``status``, ``timeout``, ``mark``,
        ``id``, ``start_ns``, ``stop_ns``, ``tcp_state``, ``sctp_state``, and the counters.
        """
        if name not in self.layout.places:
            return np.zeros(len(self), np.uint64)
        kind = self.layout.places[name][1]
        native: NDArray[Any] = self._raw(name).astype(_NATIVE[kind])
        return native

    def addresses(self, name: str) -> NDArray[Any]:
        """Take ``src``, ``dst``, ``reply_src`` or ``reply_dst``.

        Returns:
            IPv4: shape (N,), 32 bits. IPv6: shape (N, 2), the high and the low 64 bits.
        """
        if self.version == 4:
            return self.column(name)
        halves = np.ascontiguousarray(self._raw(name)).view(">u8").astype(np.uint64)
        return halves.reshape(len(self), 2)

    def counters(self) -> NDArray[np.uint64]:
        """Take octets and packets of the original direction, then of the reply: shape (N, 4)."""
        counters = np.zeros((len(self), len(_COUNTERS)), np.uint64)
        for place, name in enumerate(_COUNTERS):
            if name in self.layout.places:
                counters[:, place] = self._raw(name)
        return counters

    def zones(self) -> NDArray[np.uint16]:
        """Take the zone, whichever directions it holds for; 0 is the default zone."""
        for name in _ZONES:
            if name in self.layout.places:
                zones: NDArray[np.uint16] = self.column(name)
                return zones
        return np.zeros(len(self), np.uint16)

    @property
    def ended(self) -> bool:
        """Whether these tell of entries that are gone, with their last counters."""
        return self.layout.kind == n.CT_DELETE

    def _raw(self, name: str) -> NDArray[Any]:
        offset, kind = self.layout.places[name]
        dtype = np.dtype(
            {
                "names": [name],
                "formats": [kind],
                "offsets": [offset],
                "itemsize": self.rows.dtype.itemsize,
            }
        )
        column: NDArray[Any] = self.rows.view(dtype)[name]
        return column
