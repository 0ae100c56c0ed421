"""Encoding of flows: columns to datagrams, against plain C, bytes identical."""

from __future__ import annotations

import ctypes
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from bench.compiler import build
from bench.measure import Result, compare
from flowexport_mgmt.records import Datagrams, FlowBatch, SampleBatch
from flowexport_mgmt.wire import ipfix, netflow5, netflow9
from flowexport_mgmt.wire.flows.fields import ExportTime
from flowexport_mgmt.wire.flows.templates import IPFIX, NETFLOW9
from flowexport_mgmt.wire.templates import Template

SIZES: Final = (10_000, 30_000, 100_000)
TARGET: Final = 12.0
_MAX_SIZE: Final = 1400
_TIME: Final = ExportTime(1_800_000_000_123_456_789, 5_000_000_000)
_WIDEST: Final = 160  # octets of a record and its share of a datagram's headers, at most

_COLUMNS: Final = (
    "src",
    "dst",
    "next_hop",
    "bgp_next_hop",
    "src_port",
    "dst_port",
    "icmp",
    "vlan",
    "protocol",
    "tos",
    "tcp_flags",
    "src_mask",
    "dst_mask",
    "direction",
    "end_reason",
    "octets",
    "packets",
    "start_ms",
    "end_ms",
    "in_if",
    "out_if",
    "src_as",
    "dst_as",
    "prev_as",
    "next_as",
    "vrf",
)  # fmt: skip - in the order of the reference's struct


class _When(ctypes.Structure):
    _fields_ = (("time_ms", ctypes.c_uint64), ("uptime_ms", ctypes.c_uint64))


@dataclass(frozen=True)
class Case:
    """Two functions of the same work: ours, and the reference with the octets that it wrote."""

    batch: FlowBatch | SampleBatch
    ours: Callable[[], Datagrams]
    theirs: Callable[[], int]
    out: ctypes.Array[ctypes.c_char]


@dataclass(frozen=True)
class _Layout:
    """A layout of NetFlow v9 (9) or IPFIX (10)."""

    protocol: Literal[9, 10]
    version: Literal[4, 6]
    classic: bool = False

    def encode(self, batch: FlowBatch) -> Datagrams:
        layouts = NETFLOW9 if self.protocol == 9 else IPFIX
        data = layouts.lay_out(batch, _TIME, classic=self.classic)
        if self.protocol == 10:
            return ipfix.compose([data], **_COMMON)
        return netflow9.compose([data], uptime_ms=_TIME.uptime_ms, **_COMMON)


_COMMON: Final = {
    "domain": 1,
    "sequence": 0,
    "export_time_s": _TIME.time_s,
    "max_size": _MAX_SIZE,
}
_NETFLOW5: Final = "v5"
_LAYOUTS: Final = {
    "v9 classic": _Layout(9, 4, classic=True),
    "v9 IPv4": _Layout(9, 4),
    "v9 IPv6": _Layout(9, 6),
    "IPFIX classic": _Layout(10, 4, classic=True),
    "IPFIX IPv4": _Layout(10, 4),
    "IPFIX IPv6": _Layout(10, 6),
}

NAMES: Final = (_NETFLOW5, *_LAYOUTS)
"""Protocols with their layouts and address families."""


def run(*, quick: bool) -> list[Result]:
    """Measure each protocol, layout and family at each size."""
    sizes = SIZES[-1:] if quick else SIZES
    with tempfile.TemporaryDirectory() as folder:
        library = build("flows", Path(folder))
    return [
        _measure(f"encode {name}", make_case(library, name, size), size)
        for name in NAMES
        for size in sizes
    ]


def make_case(library: Any, name: str, size: int) -> Case:
    """Make the case of that name, one of NAMES, with so many flows."""
    if name == _NETFLOW5:
        return _netflow5(library, size)
    return _sets(library, _LAYOUTS[name], size)


def _measure(name: str, case: Case, size: int) -> Result:
    ours, length = case.ours(), case.theirs()
    if bytes(ours.buffer) != case.out.raw[:length]:
        raise AssertionError(f"{name}: the bytes differ from the reference's")
    return Result(name, size, "C", *compare(case.ours, case.theirs), target=TARGET)


def _netflow5(library: Any, size: int) -> Case:
    batch, columns, out = _prepare(4, size)
    seconds, nanoseconds = divmod(_TIME.time_ns, 10**9)
    numbers = (ctypes.c_uint32(seconds), ctypes.c_uint32(nanoseconds))

    def theirs() -> int:
        size_ = (ctypes.c_size_t(size), ctypes.byref(_WHEN))
        return int(library.netflow5(columns, *size_, *numbers, ctypes.c_size_t(_MAX_SIZE), out))

    def ours() -> Datagrams:
        return netflow5.encode_flows(batch, time=_TIME, engine=1, sequence=0, max_size=_MAX_SIZE)[0]

    return Case(batch, ours, theirs, out)


def _sets(library: Any, layout: _Layout, size: int) -> Case:
    batch, columns, out = _prepare(layout.version, size)
    template = _template(layout, batch)
    numbers = (
        ctypes.c_uint32(_TIME.time_s),
        layout.protocol,
        layout.version,
        ctypes.c_uint16(template.id),
        ctypes.c_size_t(template.dtype.itemsize),
        ctypes.c_size_t(_MAX_SIZE),
    )

    def theirs() -> int:
        size_ = (ctypes.c_size_t(size), ctypes.byref(_WHEN))
        return int(library.sets(columns, *size_, *numbers, out))

    return Case(batch, lambda: layout.encode(batch), theirs, out)


def _template(layout: _Layout, batch: FlowBatch) -> Template:
    """Find the template that a batch is laid out by."""
    layouts = NETFLOW9 if layout.protocol == 9 else IPFIX
    return layouts.lay_out(batch.select(slice(0)), _TIME, classic=layout.classic).template


def _prepare(
    version: Literal[4, 6], size: int
) -> tuple[FlowBatch, ctypes.Array[ctypes.c_void_p], ctypes.Array[ctypes.c_char]]:
    """Make a batch, pointers to its columns, and room for the reference's octets."""
    batch = _make_batch(version, size)
    known = dict(batch.columns())
    columns = (ctypes.c_void_p * len(_COLUMNS))(*[known[name].ctypes.data for name in _COLUMNS])
    return batch, columns, ctypes.create_string_buffer(size * _WIDEST + _MAX_SIZE)


def _make_batch(version: Literal[4, 6], size: int) -> FlowBatch:
    """Make flows of which a tenth are ICMP; every column is known."""
    random = np.random.default_rng(1)

    def numbers(width: int, high: int) -> Any:
        return random.integers(0, high, size).astype(f"u{width}")

    def addresses() -> Any:
        if version == 4:
            return numbers(4, 1 << 32)
        return np.stack((numbers(8, 1 << 63), numbers(8, 1 << 63)), axis=1)

    icmp = random.random(size) < 0.1
    end = np.uint64(_TIME.time_ms) - numbers(8, 60_000)
    widths = {
        "octets": (8, 1 << 32),
        "packets": (8, 1 << 32),
        "src_as": (4, 70_000),
        "dst_as": (4, 70_000),
        "in_if": (4, 70_000),
        "out_if": (4, 70_000),
        "prev_as": (4, 1 << 32),
        "next_as": (4, 1 << 32),
        "vrf": (4, 1 << 32),
        "vlan": (2, 4096),
    }  # fmt: skip - a table
    columns = {name: numbers(*widths.get(name, (1, 256))) for name in _COLUMNS}
    columns |= {name: addresses() for name in ("src", "dst", "next_hop", "bgp_next_hop")}
    columns["start_ms"], columns["end_ms"] = end - numbers(8, 300_000), end
    columns["src_port"] = np.where(icmp, 0, numbers(2, 1 << 16)).astype(np.uint16)
    columns["dst_port"] = np.where(icmp, 0, numbers(2, 1 << 16)).astype(np.uint16)
    columns["icmp"] = np.where(icmp, numbers(2, 1 << 16), 0).astype(np.uint16)
    return FlowBatch(version=version, **columns)


_WHEN: Final = _When(_TIME.time_ms, _TIME.uptime_ms)
