"""Encoding of sampled packets: columns to sFlow datagrams, against plain C, bytes identical."""

from __future__ import annotations

import ctypes
import tempfile
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.compiler import build
from bench.flows import Case
from bench.measure import Result, compare
from flowexport_mgmt.records import Datagrams, Route, SampleBatch
from flowexport_mgmt.wire import sflow5

SIZES: Final = (10_000, 30_000, 100_000)
TARGET: Final = 12.0
_MAX_SIZE: Final = 1400
_AGENT: Final = IPv4Address("192.0.2.1")
_UPTIME_MS: Final = 5_000_000_000
_OWN_AS: Final = 64_512
_ROUTES: Final = 64
_WIDEST: Final = 400  # octets of a sample and its share of a datagram's header, at most

_COLUMNS: Final = (
    "source",
    "sequence",
    "rate",
    "pool",
    "drops",
    "in_if",
    "out_if",
    "header_protocol",
    "frame_length",
    "src_vlan",
    "src_priority",
    "dst_vlan",
    "dst_priority",
    "src_mask",
    "src_as",
    "src_peer_as",
    "offsets",
    "lengths",
    "route",
    "buffer",
)  # fmt: skip - in the order of the reference's struct


NAMES: Final = {"sFlow samples": False, "sFlow enriched": True}
"""Cases, and whether their packets are enriched."""


class _Route(ctypes.Structure):
    _fields_ = (
        ("next_hop", ctypes.c_uint32),
        ("dst_mask", ctypes.c_uint32),
        ("gateway", ctypes.c_uint32),
        ("bgp_next_hop", ctypes.c_uint32),
        ("path_length", ctypes.c_uint32),
        ("path", ctypes.c_uint32 * 8),
        ("local_pref", ctypes.c_uint32),
    )


def run(*, quick: bool) -> list[Result]:
    """Measure packets alone, and packets with VLAN, route and AS path, at each size."""
    sizes = SIZES[-1:] if quick else SIZES
    with tempfile.TemporaryDirectory() as folder:
        library = build("samples", Path(folder))
    return [
        _measure(f"encode {name}", make_case(library, size, enriched=enriched), size)
        for name, enriched in NAMES.items()
        for size in sizes
    ]


def _measure(name: str, case: Case, size: int) -> Result:
    length = case.theirs()
    if bytes(case.ours().buffer) != case.out.raw[:length]:
        raise AssertionError(f"{name}: the bytes differ from the reference's")
    return Result(name, size, "C", *compare(case.ours, case.theirs), target=TARGET)


def make_case(library: Any, size: int, *, enriched: bool) -> Case:
    """Make a case of so many packets; enriched ones have VLAN, route and AS path."""
    batch, routes = _make_batch(size, enriched=enriched)
    sequences = sflow5.SampleSequences().assign(batch)
    known: dict[str, Any] = {**dict(batch.columns()), "buffer": batch.buffer, "sequence": sequences}
    pointers = [known[name].ctypes.data if name in known else None for name in _COLUMNS]
    columns = (ctypes.c_void_p * len(_COLUMNS))(*pointers)
    out = ctypes.create_string_buffer(size * _WIDEST)
    numbers = [ctypes.c_uint32(value & 0xFFFFFFFF) for value in (int(_AGENT), _UPTIME_MS)]

    def theirs() -> int:
        given = (ctypes.c_size_t(size), routes, ctypes.c_uint32(_OWN_AS), *numbers)
        return int(library.samples(columns, *given, ctypes.c_size_t(_MAX_SIZE), out))

    def ours() -> Datagrams:
        return sflow5.encode_flow_samples(
            batch,
            sequences,
            agent=_AGENT,
            sub_agent_id=0,
            sequence=1,
            uptime_ms=_UPTIME_MS,
            max_size=_MAX_SIZE,
        )

    return Case(batch, ours, theirs, out)


def _make_batch(size: int, *, enriched: bool) -> tuple[SampleBatch, ctypes.Array[_Route]]:
    """Make packets of 60 to 128 octets, as a ring of received messages holds them."""
    random = np.random.default_rng(1)

    def numbers(high: int) -> Any:
        return random.integers(0, high, size).astype(np.uint32)

    lengths = random.integers(60, 129, size)
    columns: dict[str, Any] = {
        "source": numbers(4) + np.uint32(1),
        "rate": numbers(1 << 20),
        "pool": numbers(1 << 32),
        "drops": numbers(1 << 16),
        "in_if": numbers(100),
        "out_if": numbers(100),
        "frame_length": numbers(1500),
        "header_protocol": np.ones(size, np.uint32),
    }
    routes = [_make_route(number) for number in range(_ROUTES)]
    if enriched:
        columns |= {name: numbers(3) for name in ("src_vlan", "dst_vlan")}
        columns |= {name: numbers(8) for name in ("src_priority", "dst_priority")}
        columns |= {"src_mask": numbers(33), "src_as": numbers(1 << 32)}
        columns |= {"src_peer_as": numbers(1 << 32), "own_as": _OWN_AS}
        columns["route"] = random.integers(-1, _ROUTES, size)
        columns["routes"] = tuple(map(_as_route, routes))
    batch = SampleBatch(
        time_ns=np.zeros(size, np.uint64),
        buffer=random.integers(0, 256, size * 192).astype(np.uint8),
        offsets=np.arange(size) * 192 + 48,
        lengths=lengths,
        **columns,
    )
    return batch, (_Route * _ROUTES)(*routes)


def _make_route(number: int) -> _Route:
    """Make a route; every second one comes from BGP, with a path of up to 8 systems."""
    length = number % 8 + 1
    path = (ctypes.c_uint32 * 8)(*(65_000 + number + step for step in range(length)))
    return _Route(number + 1, number % 33, number % 2, number + 7, length, path, 100)


def _as_route(route: _Route) -> Route:
    return Route(
        next_hop=route.next_hop.to_bytes(4, "big"),
        dst_mask=route.dst_mask,
        gateway=bool(route.gateway),
        bgp_next_hop=route.bgp_next_hop.to_bytes(4, "big"),
        as_path=((True, tuple(route.path[: route.path_length])),),
        local_pref=route.local_pref,
    )
