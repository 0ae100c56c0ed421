"""Flow records as columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

U1 = NDArray[np.uint8]
U2 = NDArray[np.uint16]
U4 = NDArray[np.uint32]
U8 = NDArray[np.uint64]

Addresses = U4 | U8
"""IPv4: shape (N,), numbers of 32 bits. IPv6: shape (N, 2), the high and the low 64 bits."""

Selection = slice | NDArray[np.intp] | NDArray[np.bool_]

_SWAPPED = (
    ("src", "dst"),
    ("src_port", "dst_port"),
    ("in_if", "out_if"),
    ("src_mask", "dst_mask"),
    ("src_as", "dst_as"),
    ("prev_as", "next_as"),
)
_ONE_WAY = ("tos", "tcp_flags", "vlan")  # known of one direction only
_OF_ADDRESSES = {"src": ("src_mask", "src_as", "prev_as"), "dst": ("dst_mask", "dst_as", "next_as")}
_REVERSE = ("reverse_octets", "reverse_packets", "reverse_next_hop", "reverse_bgp_next_hop")
_ICMP = {4: 1, 6: 58}
_ICMP_ANSWERS = {
    4: ((8, 0), (13, 14), (15, 16), (17, 18)),
    6: ((128, 129), (139, 140)),
}


@dataclass(frozen=True, slots=True)
class Ignored:
    """Packets that were sampled and lost before any flow was made of them.

    The two times, Unix milliseconds, are when the first and the last of them were missed; 0 when
    none was.
    """

    packets: int = 0
    first_ms: int = 0
    last_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowBatch:
    """One record per tracked flow and direction, all of one address family.

    Every column has N rows of native integers; the annotation gives its width. A column that is
    None is unknown in all rows, and 0 in a row means unknown there. Counts are what the flow grew
    by since its last record. ICMP has no ports: ``icmp`` holds type * 256 + code, and is
    0 in rows of other protocols. Times are Unix milliseconds.

    The ``nat_*`` columns are the addresses and ports after translation, equal to the others where
    nothing was translated; all four are there or none. ``reverse_octets`` and ``reverse_packets``
    make biflows of the rows (RFC 5103): what the other direction grew by. ``sampler`` and
    ``sampling_rate`` tell of sampled packets which selector took them and that it took one in
    ``sampling_rate``; counts are those of the sampled packets.
    """

    version: Literal[4, 6]
    src: Addresses
    dst: Addresses
    src_port: U2
    dst_port: U2
    protocol: U1
    octets: U8
    packets: U8
    start_ms: U8
    end_ms: U8
    in_if: U4
    out_if: U4
    icmp: U2 | None = None
    tos: U1 | None = None
    tcp_flags: U1 | None = None
    tcp_state: U1 | None = None
    """What the kernel calls the state of TCP (enum tcp_conntrack), 0 for none."""
    src_mask: U1 | None = None
    dst_mask: U1 | None = None
    next_hop: Addresses | None = None
    bgp_next_hop: Addresses | None = None
    src_as: U4 | None = None
    dst_as: U4 | None = None
    prev_as: U4 | None = None
    """The adjacent autonomous system that the packets came from (element 129)."""
    next_as: U4 | None = None
    """The adjacent autonomous system that they go to (element 128)."""
    direction: U1 | None = None
    """0 seen at ingress, 1 at egress."""
    end_reason: U1 | None = None
    """1 idle, 2 active timeout, 3 end of flow, 4 forced, 5 lack of resources (element 136)."""
    vlan: U2 | None = None
    vrf: U4 | None = None
    nat_src: Addresses | None = None
    nat_dst: Addresses | None = None
    nat_src_port: U2 | None = None
    nat_dst_port: U2 | None = None
    reverse_octets: U8 | None = None
    reverse_packets: U8 | None = None
    reverse_next_hop: Addresses | None = None
    """Of biflows, the next hop of the other direction."""
    reverse_bgp_next_hop: Addresses | None = None
    """The same of the BGP next hop."""
    sampler: U4 | None = None
    sampling_rate: U4 | None = None
    ignored: Ignored | None = None
    """What sampling lost so far, over all samplers."""

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.src)

    @property
    def is_translated(self) -> bool:
        """Whether there are columns of translated addresses."""
        return self.nat_src is not None

    @property
    def is_biflow(self) -> bool:
        """Whether rows hold both directions."""
        return self.reverse_packets is not None

    @property
    def is_sampled(self) -> bool:
        """Whether rows come from sampled packets."""
        return self.sampling_rate is not None

    def columns(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield name and array of each column that is there."""
        for item in dataclasses.fields(self):
            column = getattr(self, item.name)
            if isinstance(column, np.ndarray):
                yield item.name, column

    def select(self, rows: Selection) -> FlowBatch:
        """Take some of the rows; a slice shares memory with this batch."""
        chosen: dict[str, Any] = {name: column[rows] for name, column in self.columns()}
        return dataclasses.replace(self, **chosen)


def unfold(batch: FlowBatch) -> FlowBatch:
    """Make two records of each biflow, one per direction that has packets; others stay as is.

    The reverse direction runs between the translated addresses, as its packets do where they
    enter, and its own translation undoes that of the forward direction.
    """
    if batch.reverse_packets is None:
        return batch
    nothing: dict[str, Any] = dict.fromkeys(_REVERSE)
    forward = dataclasses.replace(batch, **nothing)
    both = [forward.select(batch.packets > 0), _turn(batch).select(batch.reverse_packets > 0)]
    return concatenate(*both)


def concatenate(first: FlowBatch, second: FlowBatch) -> FlowBatch:
    """Put the rows of two batches of equal columns one after the other; unknown becomes 0."""
    rows = {**dict(first.columns()), **dict(second.columns())}
    joined: dict[str, Any] = {}
    for name, like in rows.items():
        parts = [_column(batch, name, like) for batch in (first, second)]
        joined[name] = np.concatenate(parts)
    return dataclasses.replace(first, **joined)


def _column(batch: FlowBatch, name: str, like: NDArray[Any]) -> NDArray[Any]:
    column: NDArray[Any] | None = getattr(batch, name)
    if column is None:
        return np.zeros((len(batch), *like.shape[1:]), like.dtype)
    return column


def _turn(batch: FlowBatch) -> FlowBatch:
    changes = {}
    for one, other in _SWAPPED:
        changes[one], changes[other] = getattr(batch, other), getattr(batch, one)
    if batch.is_translated:
        for side, opposite in (("src", "dst"), ("dst", "src")):
            for part in (side, f"{side}_port"):
                changes[part] = getattr(batch, f"nat_{part.replace(side, opposite)}")
                changes[f"nat_{part}"] = getattr(batch, part.replace(side, opposite))
    if batch.icmp is not None:
        is_icmp = batch.protocol == _ICMP[batch.version]
        changes["icmp"] = np.where(is_icmp, _answer(batch.icmp, batch.version), batch.icmp)
    changes |= {name.removeprefix("reverse_"): getattr(batch, name) for name in _REVERSE}
    changes |= dict.fromkeys((*_ONE_WAY, *_REVERSE))
    return _forget_translated(dataclasses.replace(batch, **changes))


def _forget_translated(turned: FlowBatch) -> FlowBatch:
    """Let what was known of an address that is another one this way be unknown."""
    changes: dict[str, Any] = {}
    for side, names in _OF_ADDRESSES.items():
        translated = getattr(turned, f"nat_{side}")
        if translated is None:
            continue
        same = getattr(turned, side) == translated
        same = same if same.ndim == 1 else same.all(axis=1)
        for name in names:
            column = getattr(turned, name)
            if column is not None:
                changes[name] = np.where(same, column, 0).astype(column.dtype)
    return dataclasses.replace(turned, **changes)


def _answer(icmp: U2, version: int) -> U2:
    """Turn the types of requests into those of their answers and back; other types stay."""
    types = np.arange(256, dtype=np.uint16)
    for request, reply in _ICMP_ANSWERS[version]:
        types[request], types[reply] = reply, request
    turned: U2 = types[icmp >> 8] << 8 | (icmp & 0xFF)
    return turned
