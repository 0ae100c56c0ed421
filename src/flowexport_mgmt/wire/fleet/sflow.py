"""sFlow v5 of many agents: flow samples, and counters of their interfaces and of themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.records.flows import FlowBatch
from flowexport_mgmt.records.samples import HEADER_ETHERNET, HEADER_IPV4, HEADER_IPV6
from flowexport_mgmt.wire.fleet.packets import make_packets, packet_lengths
from flowexport_mgmt.wire.fleet.paging import FleetDatagrams, Pages, Shape, put
from flowexport_mgmt.wire.sflow5 import encode as counters
from flowexport_mgmt.wire.sflow5 import flow_samples
from flowexport_mgmt.wire.sflow5.headers import empty_headers
from flowexport_mgmt.wire.sflow5.hosts import HOST_SOURCE
from flowexport_mgmt.wire.sflow5.structures import HOST_MEMORY, PROCESSOR, STRUCTURES

_WORD: Final = 0xFFFF_FFFF
_UNLIMITED: Final = 1 << 30
_FCS: Final = 4
_ETHERNET: Final = np.dtype([("addresses", "V12"), ("type", ">u2")])
_MADE_UP: Final = bytes((2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2))  # locally administered
_ETHERTYPES: Final = {4: 0x0800, 6: 0x86DD}

_MEMORY: Final = 16 << 30
_HOST_SAMPLE: Final = np.dtype(
    [(name, ">u4") for name in ("format", "length", "sequence", "source_type", "source", "records")]
    + [
        ("processor_head", ">u4", (2,)),
        ("cpu", ">u4", (3,)),  # hundredths of a percent, of 5 s, 1 min and 5 min
        ("memory", ">u8", (2,)),  # total and free
        ("memory_head", ">u4", (2,)),
        ("host_memory", ">u8", (7,)),
        ("paging", ">u4", (4,)),
    ]
)


@dataclass(slots=True)
class Agents:
    """The agents of a number of devices with I interfaces each.

    ``addresses`` has shape (E,) and octets of the agent addresses, ``sub_agents`` shape (E,);
    ``datagrams`` (E,), ``samples`` (E, I) and ``polls`` count what was generated and go on.
    """

    addresses: NDArray[np.void]
    sub_agents: NDArray[np.uint32]
    datagrams: NDArray[np.int64]
    samples: NDArray[np.int64]
    polls: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Gauges:
    """What devices say of themselves; ``octets`` and ``packets`` have shape (2, E, I), in and out.

    ``load`` has shape (E,), from 0 to 1.
    """

    octets: NDArray[np.uint64]
    packets: NDArray[np.uint64]
    load: NDArray[np.float64]


def encode_flow_samples(
    flows: FlowBatch,
    owners: NDArray[np.intp],
    agents: Agents,
    *,
    rate: int,
    uptime_ms: int,
    max_size: int,
    ethernet: bool,
) -> FleetDatagrams:
    """Encode one flow sample per flow record, with a packet made up from its addresses.

    Args:
        flows: the records.
        owners: shape (N,), the device of each record; they never fall.
        agents: their agents, whose counts go on.
        rate: one packet in so many is sampled.
        uptime_ms: milliseconds since boot.
        max_size: octets of the largest datagram.
        ethernet: whether packets begin with an Ethernet header, else with that of IP.

    Raises:
        EncodeError: not even one sample fits.
    """
    samples = _lay_out_samples(flows, rate, ethernet=ethernet)
    numbers = _number(owners, flows.in_if, agents)
    samples["head"]["sequence"] = numbers & _WORD
    samples["head"]["pool"] = numbers * rate & _WORD
    return _compose(samples, owners, agents, None, uptime_ms=uptime_ms, max_size=max_size)


def encode_counters(
    gauges: Gauges, devices: NDArray[np.intp], agents: Agents, *, uptime_ms: int, max_size: int
) -> FleetDatagrams:
    """Encode the counters of devices: of each interface, processor and memory.

    Args:
        gauges: what they say.
        devices: which of them, in their order.
        agents: the agents of all, whose counts go on.
        uptime_ms: milliseconds since boot.
        max_size: octets of the largest datagram.

    Raises:
        EncodeError: not even one sample fits beside what a device says of itself.
    """
    agents.polls[devices] += 1
    rows = _lay_out_interfaces(gauges, devices, agents)
    owners = np.repeat(devices, agents.samples.shape[1])
    host = _lay_out_hosts(gauges.load[devices], agents.polls[devices])
    return _compose(rows, owners, agents, host, uptime_ms=uptime_ms, max_size=max_size)


def _compose(
    rows: NDArray[np.void],
    owners: NDArray[np.intp],
    agents: Agents,
    first: NDArray[np.void] | None,
    *,
    uptime_ms: int,
    max_size: int,
) -> FleetDatagrams:
    """Put samples into datagrams; ``first`` are samples that begin the devices' first ones."""
    address = agents.addresses.dtype.itemsize
    head = empty_headers(0, address).dtype.itemsize
    extra = 0 if first is None else first.dtype.itemsize
    shape = Shape(head, extra, 0, rows.dtype.itemsize, 1, _UNLIMITED)
    counts = np.bincount(owners, minlength=len(agents.addresses))
    announced = counts > 0 if extra else np.zeros(len(counts), np.bool_)
    pages = Pages(shape, counts, announced, max_size)
    headers = empty_headers(len(pages.exporters), address)
    headers["agent"] = agents.addresses[pages.exporters]
    headers["sub_agent_id"] = agents.sub_agents[pages.exporters]
    headers["sequence"] = (agents.datagrams[pages.exporters] + pages.ordinals + 1) & _WORD
    headers["uptime"] = uptime_ms & _WORD
    headers["samples"] = pages.records + pages.prefixed
    np.add.at(agents.datagrams, pages.exporters, 1)
    buffer = pages.make(headers, rows.view(np.uint8))
    records, announced = pages.records, np.zeros(len(pages.exporters), np.bool_)
    if first is not None:
        put(buffer, pages.offsets[:-1][pages.prefixed] + head, first)
        records = np.zeros_like(records)
    return FleetDatagrams(buffer, pages.offsets, pages.exporters, records, announced)


def _lay_out_samples(flows: FlowBatch, rate: int, *, ethernet: bool) -> NDArray[np.void]:
    lengths = packet_lengths(flows)
    packets = make_packets(flows, lengths)
    fields = [("head", flow_samples.HEAD)]
    if ethernet:
        fields.append(("ethernet", _ETHERNET))
    fields.append(("packet", packets.dtype))
    octets = sum(np.dtype(kind).itemsize for _, kind in fields[1:])
    if octets % 4:
        fields.append(("padding", np.dtype(f"V{-octets % 4}")))
    samples = np.zeros(len(flows), fields)
    samples["packet"] = packets
    if ethernet:
        samples["ethernet"]["addresses"] = np.void(_MADE_UP)
        samples["ethernet"]["type"] = _ETHERTYPES[flows.version]
    _fill_heads(samples["head"], flows, lengths, octets, rate, ethernet=ethernet)
    samples["head"]["length"] = samples.dtype.itemsize - 8
    return samples


def _fill_heads(
    heads: NDArray[np.void],
    flows: FlowBatch,
    lengths: NDArray[np.int64],
    octets: int,
    rate: int,
    *,
    ethernet: bool,
) -> None:
    for name, constant in flow_samples.CONSTANTS.items():
        heads[name] = constant
    heads["source"] = heads["in_if"] = flows.in_if
    heads["out_if"] = flows.out_if
    heads["rate"] = rate
    heads["records"] = 1
    heads["record_length"] = flow_samples.RAW_HEADER_FIELDS + (octets + 3) // 4 * 4
    plain = HEADER_IPV4 if flows.version == 4 else HEADER_IPV6
    heads["header_protocol"] = HEADER_ETHERNET if ethernet else plain
    heads["frame_length"] = lengths + (_ETHERNET.itemsize + _FCS if ethernet else 0)
    heads["stripped"] = _FCS if ethernet else 0
    heads["header_length"] = octets


def _number(
    owners: NDArray[np.intp], interfaces: NDArray[np.uint32], agents: Agents
) -> NDArray[np.int64]:
    """Count each sample in its source, and let the counts go on."""
    counted = agents.samples.reshape(-1)
    sources = owners * agents.samples.shape[1] + interfaces.astype(np.intp) - 1
    order = np.argsort(sources, kind="stable")
    ordered = sources[order]
    begins = np.flatnonzero(np.diff(ordered, prepend=-1))
    lengths = np.diff(begins, append=len(ordered))
    ranks = np.empty(len(ordered), np.int64)
    ranks[order] = np.arange(len(ordered)) - np.repeat(begins, lengths)
    numbers: NDArray[np.int64] = counted[sources] + ranks + 1
    counted[ordered[begins]] += lengths
    return numbers


def _lay_out_interfaces(
    gauges: Gauges, devices: NDArray[np.intp], agents: Agents
) -> NDArray[np.void]:
    interfaces = agents.samples.shape[1]
    rows = np.zeros((len(devices), interfaces), counters.SAMPLE)
    for name, constant in counters.CONSTANTS.items():
        rows[name] = constant
    rows["sequence"] = (agents.polls[devices] & _WORD)[:, None]
    rows["source_index"] = np.arange(1, interfaces + 1)
    told = rows["counters"]
    told["ifIndex"] = rows["source_index"]
    told["ifType"] = 6
    told["ifSpeed"] = 10_000_000_000
    told["ifDirection"] = 1
    told["ifStatus"] = 3
    for side, name in enumerate(("In", "Out")):
        told[f"if{name}Octets"] = gauges.octets[side, devices]
        told[f"if{name}UcastPkts"] = gauges.packets[side, devices] & np.uint64(_WORD)
    return rows.reshape(-1)


def _lay_out_hosts(load: NDArray[np.float64], polls: NDArray[np.int64]) -> NDArray[np.void]:
    rows = np.zeros(len(load), _HOST_SAMPLE)
    rows["format"] = counters.COUNTERS_SAMPLE_EXPANDED
    rows["length"] = _HOST_SAMPLE.itemsize - 8
    rows["sequence"] = polls & _WORD
    rows["source_type"], rows["source"] = HOST_SOURCE
    rows["records"] = 2
    rows["processor_head"] = PROCESSOR, STRUCTURES[PROCESSOR].layout.size
    rows["cpu"] = (load * 10_000).astype(np.uint32)[:, None]
    free = ((1 - load) * _MEMORY).astype(np.uint64)
    rows["memory"][:, 0] = _MEMORY
    rows["memory"][:, 1] = free
    rows["memory_head"] = HOST_MEMORY, STRUCTURES[HOST_MEMORY].layout.size
    rows["host_memory"][:, 0] = _MEMORY
    rows["host_memory"][:, 1] = free
    return rows
