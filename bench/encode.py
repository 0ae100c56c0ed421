"""Encoding of interface counters: columns to datagrams, against plain C, bytes identical."""

from __future__ import annotations

import ctypes
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import numpy as np

from bench.compiler import build
from bench.measure import Result, compare
from flowexport_mgmt.records import COUNTER_DTYPE, UNKNOWN64, Datagrams
from flowexport_mgmt.wire import ipfix, netflow9, sflow5
from flowexport_mgmt.wire.deltas import COUNTER_DELTA_DTYPE

SIZES = (10_000, 30_000, 100_000)
"""Records; an interface has one in sFlow and two, one per direction, in NetFlow v9 and IPFIX."""

TARGET = 12.0
_MAX_SIZE = 1400
_AGENT = IPv4Address("192.0.2.1")
_UPTIME_MS = 5_000_000_000
_EXPORT_TIME_S = 1_800_000_000


@dataclass(frozen=True)
class _Case:
    """Two functions of the same work: ours, and the reference with the octets that it wrote."""

    ours: Callable[[], Datagrams]
    theirs: Callable[[], int]
    out: ctypes.Array[ctypes.c_char]


def run(*, quick: bool) -> list[Result]:
    """Measure each protocol at each size."""
    del quick  # it takes a few seconds
    with tempfile.TemporaryDirectory() as folder:
        library = build("encode", Path(folder))
    return [
        _measure(protocol, make(library, size), size)
        for protocol, make in (
            ("encode sFlow counters", _sflow5),
            ("encode v9 counters", _netflow9),
            ("encode IPFIX counters", _ipfix),
        )
        for size in SIZES
    ]


def _measure(protocol: str, case: _Case, size: int) -> Result:
    ours, length = case.ours(), case.theirs()
    if ours.buffer != case.out.raw[:length]:
        raise AssertionError(f"{protocol}: the bytes differ from the reference's")
    costs = compare(case.ours, case.theirs)
    return Result(protocol, size, "C", *costs, target=TARGET)


def _sflow5(library: Any, size: int) -> _Case:
    rows = _columns(COUNTER_DTYPE, size)
    rows["in_broadcast"] = rows["out_broadcast"] = UNKNOWN64
    sequences = np.arange(size, dtype=np.uint32)
    out, ends = _buffers(size)

    def theirs() -> int:
        return int(
            library.sflow5(
                _pointer(rows),
                ctypes.c_size_t(size),
                _pointer(sequences),
                ctypes.c_uint32(int(_AGENT)),
                ctypes.c_uint32(1),
                ctypes.c_uint32(_UPTIME_MS & 0xFFFFFFFF),
                ctypes.c_size_t(_MAX_SIZE),
                out,
                ends,
            )
        )

    def ours() -> Datagrams:
        return sflow5.encode_counter_samples(
            rows,
            sequences,
            agent=_AGENT,
            sub_agent_id=0,
            sequence=1,
            uptime_ms=_UPTIME_MS,
            max_size=_MAX_SIZE,
        )

    return _Case(ours, theirs, out)


def _netflow9(library: Any, size: int) -> _Case:
    deltas = _columns(COUNTER_DELTA_DTYPE, size // 2)
    out, ends = _buffers(size)

    def theirs() -> int:
        return int(
            library.netflow9(
                _pointer(deltas),
                ctypes.c_size_t(len(deltas)),
                ctypes.c_uint32(_UPTIME_MS & 0xFFFFFFFF),
                ctypes.c_uint32(_EXPORT_TIME_S),
                ctypes.c_uint32(0),
                ctypes.c_uint32(7),
                ctypes.c_size_t(_MAX_SIZE),
                out,
                ends,
            )
        )

    def ours() -> Datagrams:
        return netflow9.compose(
            [netflow9.encode_counters(deltas)],
            domain=7,
            sequence=0,
            uptime_ms=_UPTIME_MS,
            export_time_s=_EXPORT_TIME_S,
            max_size=_MAX_SIZE,
        )

    return _Case(ours, theirs, out)


def _ipfix(library: Any, size: int) -> _Case:
    deltas = _columns(COUNTER_DELTA_DTYPE, size // 2)
    out, ends = _buffers(size)

    def theirs() -> int:
        return int(
            library.ipfix(
                _pointer(deltas),
                ctypes.c_size_t(len(deltas)),
                ctypes.c_uint32(_EXPORT_TIME_S),
                ctypes.c_uint32(0),
                ctypes.c_uint32(7),
                ctypes.c_size_t(_MAX_SIZE),
                out,
                ends,
            )
        )

    def ours() -> Datagrams:
        return ipfix.compose(
            [ipfix.encode_counters(deltas)],
            domain=7,
            sequence=0,
            export_time_s=_EXPORT_TIME_S,
            max_size=_MAX_SIZE,
        )

    return _Case(ours, theirs, out)


def _columns(dtype: np.dtype[np.void], count: int) -> np.ndarray[Any, np.dtype[np.void]]:
    """Make rows of random counters."""
    rows = np.zeros(count, dtype)
    random = np.random.default_rng(1)
    for name in dtype.names or ():
        rows[name] = random.integers(0, 1 << 31, count)
    return rows


def _buffers(size: int) -> tuple[ctypes.Array[ctypes.c_char], ctypes.Array[ctypes.c_uint32]]:
    return ctypes.create_string_buffer(size * 160), (ctypes.c_uint32 * size)()


def _pointer(array: np.ndarray[Any, Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
