"""The vectors of flows, sampled packets and host counters: their objects, and encoding those."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Final

from tests.support.flows import flow_batch, sample_batch

from flowexport_mgmt.records import Datagrams
from flowexport_mgmt.records.flows import Ignored
from flowexport_mgmt.records.hosts import HostCounters
from flowexport_mgmt.records.samples import Route
from flowexport_mgmt.wire import ipfix, netflow5, netflow9, sflow5
from flowexport_mgmt.wire.flows.fields import ExportTime
from flowexport_mgmt.wire.flows.templates import IPFIX, NETFLOW9
from flowexport_mgmt.wire.ipfix import options as options10
from flowexport_mgmt.wire.netflow9 import options as options9
from flowexport_mgmt.wire.options import ExporterStatistics, Losses, Sampler
from flowexport_mgmt.wire.sflow5.structures import PROCESSOR

_TIME_NS: Final = 1_800_000_000_250_000_000
_TIME_MS: Final = _TIME_NS // 10**6
_COMMON: Final = {
    "time-ns": _TIME_NS,
    "uptime-ms": 5_000_020_000,
    "domain": 7,
    "sequence": 42,
    "max-size": 464,
}

_TCP: Final = {
    "protocol": 6,
    "src_port": 51_000,
    "dst_port": 443,
    "tos": 0x28,
    "tcp_flags": 0x1B,
    "octets": 123_456,
    "packets": 321,
    "start_ms": _TIME_MS - 60_000,
    "end_ms": _TIME_MS - 5,
    "in_if": 2,
    "out_if": 3,
    "src_mask": 24,
    "dst_mask": 20,
    "src_as": 64_500,
    "dst_as": 64_501,
    "direction": 0,
    "end_reason": 2,
}
_ICMP: Final = {
    "icmp": 3 * 256 + 1,
    "octets": 84,
    "packets": 1,
    "start_ms": _TIME_MS,
    "end_ms": _TIME_MS,
    "in_if": 70_000,
    "out_if": 1,
    "src_as": 4_200_000_000,
    "direction": 1,
    "end_reason": 1,
}
_WIDE: Final = {
    "protocol": 17,
    "src_port": 4791,
    "dst_port": 4791,
    "octets": 2**33 + 7,
    "packets": 2**23,
    "start_ms": _TIME_MS - 5_000_000,
    "end_ms": _TIME_MS - 1_000,
    "in_if": 3,
    "out_if": 2,
    "end_reason": 3,
}
_ROWS4: Final = [
    {"src": "10.0.0.1", "dst": "198.51.100.7", "next_hop": "192.0.2.254", **_TCP},
    {"src": "10.0.0.2", "dst": "203.0.113.9", "protocol": 1, **_ICMP},
    {"src": "10.0.0.3", "dst": "10.0.1.3", **_WIDE},
]
_ROWS6: Final = [
    {"src": "2001:db8::1", "dst": "2001:db8:ffff::7", "next_hop": "fe80::1", **_TCP},
    {"src": "2001:db8::2", "dst": "2001:db8::3", "protocol": 58, **_ICMP},
    {"src": "2001:db8::4", "dst": "2001:db8::5", **_WIDE},
]
_ROUTED4: Final = {"bgp_next_hop": "192.0.2.253", "prev_as": 64_502, "next_as": 64_503}
_ROUTED6: Final = {"bgp_next_hop": "2001:db8::ffff", "prev_as": 64_502, "next_as": 64_503}
_TAGGED: Final = {"vlan": 100, "vrf": 9}
_NAT4: Final = {
    "nat_src": "192.0.2.1",
    "nat_dst": "198.51.100.8",
    "nat_src_port": 61_000,
    "nat_dst_port": 8443,
}
_NAT6: Final = {**_NAT4, "nat_src": "2001:db8:a::1", "nat_dst": "2001:db8:b::1"}
_REVERSE: Final = {"reverse_octets": 9_876_543, "reverse_packets": 7_000}
_SAMPLED: Final = {"sampler": 2, "sampling_rate": 1000}


def _more(rows: list[dict[str, Any]], *columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the first row more columns."""
    first = dict(rows[0])
    for each in columns:
        first.update(each)
    return [first, *rows[1:]]


def _flows(protocol: str, rows: list[dict[str, Any]], **settings: Any) -> dict[str, Any]:
    version = 6 if ":" in rows[0]["src"] else 4
    return {
        "kind": "flows",
        "protocol": protocol,
        "version": version,
        "rows": rows,
        "classic": False,
        "biflow": False,
        **settings,
        **_COMMON,
    }  # fmt: skip - a short one


_SAMPLES: Final = [
    {
        "source": 2,
        "rate": 1000,
        "pool": 5_000,
        "drops": 1,
        "in_if": 2,
        "out_if": 3,
        "frame_length": 1514,
        "header": "0200000000010200000000020800450005dc000040004006000"
        "00a00000ac633640701bbc7380000000100000002501001000000",
    },
    {
        "source": 2,
        "rate": 1000,
        "pool": 6_000,
        "drops": 1,
        "in_if": 2,
        "out_if": 0xFFFFFFFF,
        "frame_length": 60,
        "header": "020000000001020000000002080045000028000040004006" + "00" * 30,
        "src_vlan": 100,
        "src_priority": 5,
        "dst_vlan": 200,
        "route": 0,
        "src_mask": 24,
    },
    {
        "source": 3,
        "rate": 10,
        "pool": 20,
        "in_if": 3,
        "out_if": 2,
        "frame_length": 9018,
        "header": "02000000000102000000000286dd" + "6000000000280640" + "00" * 70,
        "route": 1,
        "src_mask": 48,
        "src_as": 64_500,
        "src_peer_as": 64_502,
    },
]
_ROUTES: Final = [
    {"next_hop": "192.0.2.254", "dst_mask": 20},
    {
        "next_hop": "192.0.2.253",
        "dst_mask": 19,
        "gateway": True,
        "bgp_next_hop": "192.0.2.252",
        "as_path": [[True, [64_503, 4_200_000_001]]],
        "communities": [64_503 << 16 | 666],
        "local_pref": 120,
    },
]
_PROCESSOR: Final = {"cpu5s": 1250, "cpu1m": 900, "totalMemory": 2**34, "freeMemory": 2**33}

FLOW_OBJECTS: Final[dict[str, dict[str, Any]]] = {
    "own-netflow5-flows": _flows("netflow5", _ROWS4),
    "own-netflow5-sampled": _flows("netflow5", _more(_ROWS4, _SAMPLED)),
    "own-netflow9-classic": _flows("netflow9", _ROWS4, classic=True),
    "own-netflow9-flows4": _flows("netflow9", _more(_ROWS4, _ROUTED4, _TAGGED)),
    "own-netflow9-flows6": _flows("netflow9", _more(_ROWS6, _ROUTED6, _TAGGED)),
    "own-netflow9-nat": _flows("netflow9", _more(_ROWS4, _NAT4)),
    "own-netflow9-sampled": _flows("netflow9", _more(_ROWS6, _SAMPLED)),
    "own-ipfix-classic": _flows("ipfix", _ROWS4, classic=True),
    "own-ipfix-flows4": _flows("ipfix", _more(_ROWS4, _ROUTED4, _TAGGED)),
    "own-ipfix-flows6": _flows("ipfix", _more(_ROWS6, _ROUTED6, _TAGGED)),
    "own-ipfix-nat": _flows("ipfix", _more(_ROWS6, _NAT6)),
    "own-ipfix-sampled": _flows("ipfix", _more(_ROWS4, _SAMPLED)),
    "own-ipfix-biflows": _flows("ipfix", _more(_ROWS4, _REVERSE), biflow=True),
    "own-netflow9-options": {"kind": "options", "protocol": "netflow9", **_COMMON},
    "own-ipfix-options": {"kind": "options", "protocol": "ipfix", **_COMMON},
    "own-sflow5-samples": {
        "kind": "samples",
        "protocol": "sflow5",
        "rows": _SAMPLES,
        "routes": _ROUTES,
        **_COMMON,
    },
    "own-sflow5-processor": {
        "kind": "processor",
        "protocol": "sflow5",
        "counters": _PROCESSOR,
        **_COMMON,
    },
}
"""What ``make.py`` encodes, by the name of the vector."""


def encode_flow_object(source: Mapping[str, Any]) -> Datagrams:
    """Encode the object of a vector that has a ``kind``."""
    if source["protocol"] == "sflow5":
        encode = _encode_samples if source["kind"] == "samples" else _encode_processor
        return encode(source)
    time = ExportTime(source["time-ns"], source["uptime-ms"])
    if source["protocol"] == "netflow5":
        datagrams, _ = netflow5.encode_flows(
            flow_batch(source["rows"]),
            time=time,
            engine=source["domain"],
            sequence=source["sequence"],
            max_size=source["max-size"],
        )
        return datagrams
    sets = _options(source) if source["kind"] == "options" else _flow_sets(source, time)
    common = {
        "domain": source["domain"],
        "sequence": source["sequence"],
        "export_time_s": time.time_s,
        "max_size": source["max-size"],
    }
    if source["protocol"] == "ipfix":
        return ipfix.compose(sets, **common)
    return netflow9.compose(sets, uptime_ms=time.uptime_ms, **common)


def _flow_sets(source: Mapping[str, Any], time: ExportTime) -> list[Any]:
    layouts = IPFIX if source["protocol"] == "ipfix" else NETFLOW9
    batch = flow_batch(source["rows"], source["version"])
    kinds = {"classic": source["classic"], "biflow": source["biflow"]}
    data = layouts.lay_out(batch, time, **kinds)
    return [data.template, data]


def _options(source: Mapping[str, Any]) -> list[Any]:
    domain = source["domain"]
    statistics = ExporterStatistics(messages=42, records=4242, octets=2**40)
    losses = Losses(flows=5, packets=60, octets=7000, first_ms=_TIME_MS - 8, last_ms=_TIME_MS - 1)
    ignored = Ignored(3, _TIME_MS - 9, _TIME_MS - 2)
    samplers = [Sampler(1, 1), Sampler(2, 1000)]
    if source["protocol"] == "netflow9":
        return [
            options9.SAMPLING,
            options9.SAMPLERS,
            options9.STATISTICS,
            options9.IGNORED,
            options9.LOSSES,
            options9.encode_sampling(1000, domain=domain),
            *options9.encode_samplers(samplers, domain=domain),
            options9.encode_statistics(statistics, domain=domain),
            options9.encode_ignored(ignored, domain=domain),
            options9.encode_losses(losses, domain=domain),
        ]
    return [
        options10.SAMPLING,
        options10.SYSTEMATIC_SAMPLING,
        options10.MESSAGE_STATISTICS,
        options10.METERING_RELIABILITY,
        options10.EXPORTING_RELIABILITY,
        *options10.encode_sampling(samplers, domain=domain),
        *options10.encode_sampling(samplers, domain=domain, systematic=True),
        options10.encode_message_statistics(statistics, domain=domain),
        options10.encode_ignored(ignored, process_id=98),
        options10.encode_losses(losses, process_id=99),
    ]


def _agent(source: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "agent": ip_address("192.0.2.1"),
        "sub_agent_id": source["domain"],
        "sequence": source["sequence"],
        "uptime_ms": source["uptime-ms"],
        "max_size": source["max-size"],
    }


def _encode_samples(source: Mapping[str, Any]) -> Datagrams:
    rows = [{**row, "header": bytes.fromhex(row["header"])} for row in source["rows"]]
    batch = sample_batch(rows, [_route(route) for route in source["routes"]])
    numbers = sflow5.SampleSequences().assign(batch)
    return sflow5.encode_flow_samples(batch, numbers, **_agent(source))


def _route(route: Mapping[str, Any]) -> Route:
    hops = {
        name: ip_address(route[name]).packed
        for name in ("next_hop", "bgp_next_hop")
        if name in route
    }
    return Route(
        dst_mask=route["dst_mask"],
        gateway=route.get("gateway", False),
        as_path=tuple((kind, tuple(systems)) for kind, systems in route.get("as_path", ())),
        communities=tuple(route.get("communities", ())),
        local_pref=route.get("local_pref", 0),
        **hops,
    )


def _encode_processor(source: Mapping[str, Any]) -> Datagrams:
    host = HostCounters(counters={PROCESSOR: source["counters"]})
    return sflow5.encode_host_counters(host, sample_sequence=9, **_agent(source)).datagrams
