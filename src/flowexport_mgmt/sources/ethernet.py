"""Counters of Ethernet interfaces as the dot3StatsTable has them (RFC 3635)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.records import ETHERNET_DTYPE, UNKNOWN64
from flowexport_mgmt.sources.ethtool_ioctl import EthtoolDevices
from flowexport_mgmt.sources.ethtool_netlink import Counts, EthtoolSocket
from flowexport_mgmt.sources.links import Link

_NAMES: Final = {
    "rx_align_errors": "alignment_errors",
    "align_errors": "alignment_errors",
    "rx_crc_errors": "fcs_errors",
    "rx_fcs_errors": "fcs_errors",
    "tx_single_coll_ok": "single_collisions",
    "tx_single_collisions": "single_collisions",
    "tx_multi_coll_ok": "multiple_collisions",
    "tx_multi_collisions": "multiple_collisions",
    "tx_mult_collisions": "multiple_collisions",
    "tx_deferred_ok": "deferred",
    "tx_deferred": "deferred",
    "tx_abort_late_coll": "late_collisions",
    "tx_late_collisions": "late_collisions",
    "tx_excessive_collisions": "excessive_collisions",
    "tx_excess_collisions": "excessive_collisions",
    "tx_mac_errors": "transmit_errors",
    "tx_carrier_sense_errors": "carrier_sense_errors",
    "tx_carrier_errors": "carrier_sense_errors",
    "rx_long_length_errors": "frames_too_long",
    "rx_frame_too_long_errors": "frames_too_long",
    "rx_symbol_errors": "symbol_errors",
}
"""Columns by what drivers call them: e1000, e1000e, igb, igc, ixgbe, r8169, tg3, bnx2."""


_UNKNOWN: Final = np.array(
    tuple(0 if name == "ifindex" else UNKNOWN64 for name in ETHERNET_DTYPE.names or ()),
    ETHERNET_DTYPE,
)


class StandardStatistics(Protocol):
    """What gives statistics by their standard names: EthtoolSocket."""

    def read(self) -> Mapping[int, Counts]:
        """Read those of all interfaces, by ifindex and column."""

    def close(self) -> None:
        """Release what reading needs."""


class DriverStatistics(Protocol):
    """What gives statistics by the names of drivers: EthtoolDevices."""

    def read_names(self, device: str) -> Sequence[str]:
        """Read the names of a device's statistics."""

    def read_values(self, device: str) -> NDArray[np.uint64]:
        """Read a device's statistics."""

    def close(self) -> None:
        """Release what reading needs."""


@dataclass(frozen=True, slots=True)
class _Driver:
    """Where the statistics of a device are that have a column."""

    link: Link
    places: Mapping[str, int]


class EthernetSource:
    """Reads what drivers count; used by one thread.

    Virtual interfaces have no driver that counts anything of this, and are not asked one by one.
    """

    def __init__(
        self,
        standard: StandardStatistics | None = None,
        drivers: DriverStatistics | None = None,
    ) -> None:
        self._standard = standard or EthtoolSocket()
        self._drivers = drivers or EthtoolDevices()
        self._known: dict[int, _Driver] = {}

    def read(self, links: Sequence[Link]) -> NDArray[np.void]:
        """Read all now.

        Returns:
            A row (ETHERNET_DTYPE) for each of the interfaces whose driver tells, by ifindex.
        """
        told = self._read_standard()
        known, self._known = self._known, {}
        found: list[tuple[int, Counts]] = []
        for link in links:
            counts = told.get(link.ifindex) or self._read_driver(link, known)
            if counts and not link.loopback:
                found.append((link.ifindex, counts))
        return _make_rows(found)

    def close(self) -> None:
        """Release the sockets; reading opens them again."""
        self._standard.close()
        self._drivers.close()

    def _read_standard(self) -> Mapping[int, Counts]:
        try:
            return self._standard.read()
        except OSError:  # a kernel before 5.13
            return {}

    def _read_driver(self, link: Link, known: Mapping[int, _Driver]) -> Counts:
        if not link.is_physical_ethernet:
            return {}
        driver = known.get(link.ifindex)
        if driver is None or driver.link is not link:
            driver = _Driver(link, self._find_places(link.name))
        self._known[link.ifindex] = driver
        if not driver.places:
            return {}
        try:
            values = self._drivers.read_values(link.name)
        except OSError:
            return {}
        return {
            column: int(values[place])
            for column, place in driver.places.items()
            if place < len(values)
        }

    def _find_places(self, device: str) -> Mapping[str, int]:
        try:
            names = self._drivers.read_names(device)
        except OSError:
            return {}
        return {_NAMES[name]: place for place, name in enumerate(names) if name in _NAMES}


def _make_rows(found: Sequence[tuple[int, Counts]]) -> NDArray[np.void]:
    rows = np.full(len(found), _UNKNOWN, ETHERNET_DTYPE)
    for row, (ifindex, counts) in zip(rows, found, strict=True):
        row["ifindex"] = ifindex
        for column, value in counts.items():
            row[column] = value
    return rows
