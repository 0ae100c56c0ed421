"""The flows of a group of devices, from their beginning to their last record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.records.flows import FlowBatch
from flowexport_mgmt.simulator.draw import Drawn, FlowDrawer, jittered
from flowexport_mgmt.simulator.places import Places
from flowexport_mgmt.simulator.roles import ICMP, TCP, Role

_IDLE, _ACTIVE, _ENDED = 1, 2, 3  # flowEndReason
_ALL: Final = slice(None)
_SYN, _RST, _PSH, _ACK, _FIN = 2, 4, 8, 16, 1
_NEVER: Final = 1 << 62
_GAP_MS: Final = 1000
"""The longest time between the last record of a flow and the flow that takes its place."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """When a flow is reported: while it lasts, and after its last packet unless that said so."""

    active_ms: int
    inactive_ms: int


@dataclass(frozen=True, slots=True)
class Export:
    """Records of some devices: row ``i`` is one of device ``devices[i]``, which never fall."""

    devices: NDArray[np.intp]
    flows: FlowBatch


class FlowTable:
    """Flows that are under way: one row per device and place for a flow, 54 octets each.

    A row's flow is reported whenever it is due; after its last report another takes its place.
    """

    def __init__(
        self,
        role: Role,
        places: Places,
        timeouts: Timeouts,
        generator: np.random.Generator,
        now_ms: int,
    ) -> None:
        self._generator = generator
        self._drawer = FlowDrawer(role, generator)
        self._places = places
        self.timeouts = timeouts
        self._width = role.flows
        size = places.devices * role.flows
        self._protocol = np.zeros(size, np.uint8)
        self._resets = np.zeros(size, np.bool_)
        self._port = np.zeros(size, np.uint16)
        self._service = np.zeros(size, np.uint16)
        self._source = np.zeros(size, np.uint32)
        self._destination = np.zeros(size, np.uint32)
        self._octets = np.zeros(size, np.int64)
        self._packets = np.zeros(size, np.uint32)
        self._sent = np.zeros(size, np.uint32)  # packets
        self._start = np.zeros(size, np.int64)
        self._end = np.zeros(size, np.int64)
        self._due = np.zeros(size, np.int64)
        self._begin_all(now_ms)

    def report(self, devices: slice, now_ms: int) -> Export:
        """Make the records that are due of some neighbouring devices."""
        first = devices.start * self._width
        window = self._due[first : devices.stop * self._width]
        rows = np.flatnonzero(window <= now_ms) + first
        until = np.minimum(self._end[rows], now_ms)
        ended = until == self._end[rows]
        packets = self._count_packets(rows, until)
        telling = packets > self._sent[rows]
        export = self._export(rows[telling], until[telling], packets[telling], ended[telling])
        self._sent[rows] = packets
        self._postpone(rows[~ended], now_ms)
        self._begin(rows[ended], now_ms)
        return export

    def silence(self, devices: NDArray[np.intp]) -> None:
        """Let the flows of devices be over, without a record."""
        rows = self._rows(devices)
        self._due[rows], self._end[rows] = _NEVER, 0

    def revive(self, devices: NDArray[np.intp], now_ms: int) -> None:
        """Let flows of devices that had none begin."""
        self._begin(self._rows(devices), now_ms)

    def count(self, now_ms: int, devices: slice = _ALL) -> NDArray[np.intp]:
        """Count the flows of each of some neighbouring devices that have begun and not ended."""
        start, end = (times.reshape(-1, self._width)[devices] for times in (self._start, self._end))
        under_way = (start <= now_ms) & (end > now_ms)
        counts: NDArray[np.intp] = under_way.sum(axis=1)
        return counts

    def _rows(self, devices: NDArray[np.intp]) -> NDArray[np.intp]:
        rows: NDArray[np.intp] = devices[:, None] * self._width + np.arange(self._width)
        return rows.reshape(-1)

    def _count_packets(self, rows: NDArray[np.intp], until: NDArray[np.int64]) -> NDArray[Any]:
        """Count the packets of flows up to an instant; they come evenly."""
        start, packets = self._start[rows], self._packets[rows].astype(np.int64)
        lasted, length = until - start, self._end[rows] - start
        counted: NDArray[np.int64] = packets * np.maximum(lasted, 0) // length
        return counted

    def _export(
        self,
        rows: NDArray[np.intp],
        until: NDArray[np.int64],
        packets: NDArray[np.int64],
        ended: NDArray[np.bool_],
    ) -> Export:
        devices = rows // self._width
        protocol, service = self._protocol[rows], self._service[rows]
        is_icmp = protocol == ICMP
        sent = self._sent[rows].astype(np.int64)
        octets, all_packets = self._octets[rows], self._packets[rows].astype(np.int64)
        volume = octets * packets // all_packets - octets * sent // all_packets
        flows = FlowBatch(
            **self._places.columns(devices, self._source[rows], self._destination[rows]),
            src_port=self._port[rows],
            dst_port=np.where(is_icmp, 0, service).astype(np.uint16),
            icmp=np.where(is_icmp, service, 0).astype(np.uint16),
            protocol=protocol,
            octets=volume.astype(np.uint64),
            packets=(packets - sent).astype(np.uint64),
            start_ms=self._start[rows].astype(np.uint64),
            end_ms=until.astype(np.uint64),
            tcp_flags=_flags(protocol, sent == 0, ended, self._resets[rows]),
            end_reason=_reasons(protocol, ended),
        )
        return Export(devices, flows)

    def _postpone(self, rows: NDArray[np.intp], now_ms: int) -> None:
        """Let flows that go on be reported again after the active timeout."""
        self._schedule(rows, np.full(len(rows), now_ms, np.int64))

    def _begin_all(self, now_ms: int) -> None:
        """Begin with flows in the middle of their lives, with reports behind them: no surge."""
        rows = np.arange(len(self._due))
        drawn = self._drawer.draw(len(rows))
        age = (self._generator.random(len(rows)) * drawn.duration_ms).astype(np.int64)
        self._set(rows, drawn, now_ms - age)
        reported = np.minimum(age, self.timeouts.active_ms) * self._generator.random(len(rows))
        since = now_ms - reported.astype(np.int64)
        self._sent[rows] = self._count_packets(rows, since)
        self._schedule(rows, since)

    def _begin(self, rows: NDArray[np.intp], now_ms: int) -> None:
        """Let new flows take the places of those that ended."""
        drawn = self._drawer.draw(len(rows))
        self._set(rows, drawn, now_ms + self._generator.integers(0, _GAP_MS, len(rows)))

    def _set(self, rows: NDArray[np.intp], drawn: Drawn, start: NDArray[np.int64]) -> None:
        hosts = self._generator.integers(0, 1 << 32, (2, len(rows)), np.uint32)
        self._source[rows], self._destination[rows] = hosts
        self._protocol[rows] = drawn.protocol
        self._service[rows] = drawn.service
        self._port[rows] = drawn.port
        self._octets[rows] = drawn.octets
        self._packets[rows] = drawn.packets
        self._resets[rows] = drawn.resets
        self._sent[rows] = 0
        self._start[rows] = start
        self._end[rows] = start + drawn.duration_ms
        self._schedule(rows, start)

    def _schedule(self, rows: NDArray[np.intp], since: NDArray[np.int64]) -> None:
        """Set when flows are due that were reported, or began, at ``since``."""
        count = len(rows)
        active = since + jittered(self._generator, self.timeouts.active_ms, count)
        silence = jittered(self._generator, self.timeouts.inactive_ms, count)
        says_end = self._protocol[rows] == TCP
        end = self._end[rows]
        self._due[rows] = np.where(active < end, active, end + np.where(says_end, 0, silence))


def _flags(
    protocol: NDArray[np.uint8],
    first: NDArray[np.bool_],
    last: NDArray[np.bool_],
    resets: NDArray[np.bool_],
) -> NDArray[np.uint8]:
    """Give the TCP flags that a report saw: SYN in the first, FIN or RST in the last."""
    ending = np.where(resets, _RST, _FIN)
    flags = (_ACK | _PSH) + first * _SYN + last * ending
    return np.where(protocol == TCP, flags, 0).astype(np.uint8)


def _reasons(protocol: NDArray[np.uint8], ended: NDArray[np.bool_]) -> NDArray[np.uint8]:
    over = np.where(protocol == TCP, _ENDED, _IDLE)
    return np.where(ended, over, _ACTIVE).astype(np.uint8)
