"""The flow templates: which fields, in which order, under which id.

One session shares the ids of both protocols' templates:

===== ===========================  ===== ===========================
256   classic, IPv4                262   biflows, IPv4 (IPFIX only)
258   IPv4                         263   biflows, IPv6 (IPFIX only)
259   IPv6                         264   sampled packets, IPv4
260   IPv4, translated addresses   265   sampled packets, IPv6
261   IPv6, translated addresses
===== ===========================  ===== ===========================

A layout never changes under its id. What a batch does not know is sent as 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from flowexport_mgmt.records.flows import FlowBatch, unfold
from flowexport_mgmt.wire.flows import fields as take
from flowexport_mgmt.wire.flows.fields import ExportTime, column
from flowexport_mgmt.wire.flows.layouts import Cell, FlowLayout
from flowexport_mgmt.wire.flows.split import split_wide
from flowexport_mgmt.wire.templates import DataSet, Template
from flowexport_mgmt.wire.values import REVERSE_PEN

_Version = Literal[4, 6]

_UPTIMES: Final = (Cell(22, 4, take.start_uptime), Cell(21, 4, take.end_uptime))
_UNIX_TIMES: Final = (Cell(152, 8, take.start_ms), Cell(153, 8, take.end_ms))

_CLASSIC: Final = (
    Cell(1, 4, column("octets")),
    Cell(2, 4, column("packets")),
    Cell(4, 1, column("protocol")),
    Cell(5, 1, column("tos")),
    Cell(6, 1, column("tcp_flags")),
    Cell(7, 2, column("src_port")),
    Cell(8, 4, column("src")),
    Cell(9, 1, column("src_mask")),
    Cell(10, 2, take.short_interface("in_if")),
    Cell(11, 2, take.destination_port),
    Cell(12, 4, column("dst")),
    Cell(13, 1, column("dst_mask")),
    Cell(14, 2, take.short_interface("out_if")),
    Cell(15, 4, column("next_hop")),
    Cell(16, 2, take.short_as("src_as")),
    Cell(17, 2, take.short_as("dst_as")),
)

_COUNTS: Final = (
    Cell(1, 8, column("octets")),
    Cell(2, 8, column("packets")),
    Cell(4, 1, column("protocol")),
    Cell(5, 1, column("tos")),
    Cell(6, 1, column("tcp_flags")),
    Cell(7, 2, column("src_port")),
)
_ADDRESSES: Final = {
    4: (
        Cell(8, 4, column("src")),
        Cell(12, 4, column("dst")),
        Cell(9, 1, column("src_mask")),
        Cell(13, 1, column("dst_mask")),
        Cell(15, 4, column("next_hop")),
        Cell(18, 4, column("bgp_next_hop")),
    ),
    6: (
        Cell(27, 16, column("src")),
        Cell(28, 16, column("dst")),
        Cell(29, 1, column("src_mask")),
        Cell(30, 1, column("dst_mask")),
        Cell(62, 16, column("next_hop")),
        Cell(63, 16, column("bgp_next_hop")),
    ),
}
_CONTEXT: Final = (
    Cell(10, 4, column("in_if")),
    Cell(14, 4, column("out_if")),
    Cell(16, 4, column("src_as")),
    Cell(17, 4, column("dst_as")),
    Cell(128, 4, column("next_as")),
    Cell(129, 4, column("prev_as")),
    Cell(61, 1, column("direction")),
    Cell(136, 1, column("end_reason")),
    Cell(58, 2, column("vlan")),
    Cell(234, 4, column("vrf")),
)
_ICMP: Final = {4: Cell(32, 2, column("icmp")), 6: Cell(139, 2, column("icmp"))}
_TRANSLATED: Final = {
    4: (Cell(225, 4, take.translated("src")), Cell(226, 4, take.translated("dst"))),
    6: (Cell(281, 16, take.translated("src")), Cell(282, 16, take.translated("dst"))),
}
_TRANSLATED_PORTS: Final = (
    Cell(227, 2, take.translated("src_port")),
    Cell(228, 2, take.translated("dst_port")),
)
_BIFLOW: Final = (
    Cell(1, 8, column("reverse_octets"), REVERSE_PEN),
    Cell(2, 8, column("reverse_packets"), REVERSE_PEN),
    Cell(239, 1, take.biflow_direction),
)
# Option data tell of selectors by id, so each record says which of them it comes from; without it a
# collector would have to guess. The classic layout has no field for that, and its domain only one.
_SELECTOR: Final = Cell(302, 4, take.selector)
_SAMPLER: Final = Cell(48, 1, column("sampler"))
_INTERVAL: Final = Cell(34, 4, column("sampling_rate"))


@dataclass(frozen=True, slots=True)
class FlowTemplates:
    """The layouts of one protocol; the extended ones by address family."""

    classic: FlowLayout
    plain: dict[int, FlowLayout]
    translated: dict[int, FlowLayout]
    sampled: dict[int, FlowLayout]
    biflow: dict[int, FlowLayout]

    def lay_out(
        self, batch: FlowBatch, time: ExportTime, *, classic: bool = False, biflow: bool = False
    ) -> DataSet:
        """Make the data records of a batch under the template that suits it.

        No flow ends after ``time``, when they are exported, nor starts after its end; for the rest
        see `choose`.
        """
        layout, rows = self.choose(batch, classic=classic, biflow=biflow)
        return layout.lay_out(rows, time)

    def choose(
        self, batch: FlowBatch, *, classic: bool = False, biflow: bool = False
    ) -> tuple[FlowLayout, FlowBatch]:
        """Find the layout that suits a batch, and make its rows those that the records will be.

        Args:
            batch: the flows. Biflows become two records each where the template has no fields for
                the other direction; a count of more than 32 bits is split in the classic one.
            classic: IPv4 goes in the classic layout, which says nothing of translation, unless it
                was sampled: that layout has no field for the sampler.
            biflow: biflows stay whole (IPFIX).
        """
        layout = self._choose(batch, classic=classic, biflow=biflow)
        if layout not in self.biflow.values():
            batch = unfold(batch)
        if layout is self.classic:
            batch = split_wide(batch)
        return layout, batch

    def templates(self, *, classic: bool = False, biflow: bool = False) -> tuple[Template, ...]:
        """List all templates that batches may be laid out by with these settings."""
        families = [self.plain, self.translated, self.sampled]
        if biflow:
            families.append(self.biflow)
        layouts = [layout for family in families for layout in family.values()]
        if classic:
            layouts = [self.classic, self.sampled[4], *(family[6] for family in families)]
        return tuple(layout.template for layout in layouts)

    def _choose(self, batch: FlowBatch, *, classic: bool, biflow: bool) -> FlowLayout:
        if batch.is_sampled:
            return self.sampled[batch.version]
        if classic and batch.version == 4:
            return self.classic
        if biflow and batch.is_biflow and self.biflow:
            return self.biflow[batch.version]
        family = self.translated if batch.is_translated else self.plain
        return family[batch.version]


def _extended9(id_: int, version: _Version, *more: Cell) -> FlowLayout:
    """Put a layout of NetFlow v9 together: what all have, then what is the variant's own.

    Its ICMP_TYPE (32) is of any family; ICMP travels as destination port as well.
    """
    ports = (Cell(11, 2, take.destination_port), Cell(32, 2, column("icmp")))
    return FlowLayout(id_, (*_COUNTS, *ports, *_ADDRESSES[version], *_CONTEXT, *_UPTIMES, *more))


def _extended10(id_: int, version: _Version, *more: Cell) -> FlowLayout:
    """Put a layout of IPFIX together.

    nfdump 1.7.1 keeps ICMP in place of the port, and of the two believes the one that comes last:
    with ICMP first, ports of SCTP, UDP-Lite and DCCP are read as well.
    """
    ports = (_ICMP[version], Cell(11, 2, column("dst_port")))
    fields = (*_COUNTS, *ports, *_ADDRESSES[version], *_CONTEXT, *_UNIX_TIMES, _SELECTOR)
    return FlowLayout(id_, (*fields, *more))


def _translated(version: _Version) -> tuple[Cell, ...]:
    return (*_TRANSLATED[version], *_TRANSLATED_PORTS)


NETFLOW9: Final = FlowTemplates(
    classic=FlowLayout(256, (*_CLASSIC, _UPTIMES[1], _UPTIMES[0])),
    plain={4: _extended9(258, 4), 6: _extended9(259, 6)},
    translated={
        4: _extended9(260, 4, *_translated(4)),
        6: _extended9(261, 6, *_translated(6)),
    },
    sampled={
        4: _extended9(264, 4, _SAMPLER, _INTERVAL),
        6: _extended9(265, 6, _SAMPLER, _INTERVAL),
    },
    biflow={},
)
"""NetFlow v9 (RFC 3954). Times are milliseconds since boot, ICMP travels as destination port too;
a sampled record names its sampler, and says the rate for collectors that know only that."""

IPFIX: Final = FlowTemplates(
    classic=FlowLayout(256, (*_CLASSIC, *_UNIX_TIMES)),
    plain={4: _extended10(258, 4), 6: _extended10(259, 6)},
    translated={
        4: _extended10(260, 4, *_translated(4)),
        6: _extended10(261, 6, *_translated(6)),
    },
    sampled={
        4: _extended10(264, 4, _INTERVAL),
        6: _extended10(265, 6, _INTERVAL),
    },
    biflow={
        4: _extended10(262, 4, *_translated(4), *_BIFLOW),
        6: _extended10(263, 6, *_translated(6), *_BIFLOW),
    },
)
"""IPFIX (RFC 7011, RFC 5103). Times are Unix milliseconds. A record names its selector, and when it
was sampled says the rate for collectors that know only that."""
