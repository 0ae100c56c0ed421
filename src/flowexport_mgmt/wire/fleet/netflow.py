"""NetFlow v5, NetFlow v9 and IPFIX of many exporters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.records import Datagrams
from flowexport_mgmt.records.flows import FlowBatch
from flowexport_mgmt.wire.columns import Columns
from flowexport_mgmt.wire.fleet.paging import FleetDatagrams, Octets, Pages, Shape, put
from flowexport_mgmt.wire.flows.fields import ExportTime
from flowexport_mgmt.wire.flows.split import count_parts, split_wide
from flowexport_mgmt.wire.flows.templates import IPFIX as IPFIX_FLOWS
from flowexport_mgmt.wire.flows.templates import NETFLOW9 as NETFLOW9_FLOWS
from flowexport_mgmt.wire.flows.templates import FlowTemplates
from flowexport_mgmt.wire.ipfix import encode as ipfix
from flowexport_mgmt.wire.ipfix import options as ipfix_options
from flowexport_mgmt.wire.netflow5 import encode as netflow5
from flowexport_mgmt.wire.netflow9 import encode as netflow9
from flowexport_mgmt.wire.netflow9 import options as netflow9_options
from flowexport_mgmt.wire.options import Sampler
from flowexport_mgmt.wire.templates import DataSet, Template

_WORD: Final = 0xFFFF_FFFF
_UNLIMITED: Final = 1 << 30
_SET_HEAD: Final = np.dtype([("id", ">u2"), ("length", ">u2")])
_DOMAIN: Final = np.dtype([("domain", ">u4")])
_ALL_PACKETS: Final = Sampler(id=1, rate=1)


@dataclass(slots=True)
class Exporters:
    """The sessions of a number of exporters, arrays of shape (E,).

    ``domains`` are source ids, observation domains or, of which 16 bits count, engines.
    ``sequences`` count what each has generated and go on with every call.
    """

    domains: NDArray[np.uint32]
    sequences: NDArray[np.int64]


class Announcement(NamedTuple):
    """Templates and option data; the domain of the exporter belongs at ``domain_at``."""

    octets: bytes = b""
    domain_at: int = 0
    templates: int = 0
    records: int = 0


class Protocol(ABC):
    """How one protocol's datagrams are made for many exporters."""

    header: ClassVar[np.dtype[np.void]]
    domain: ClassVar[str]
    set_head: ClassVar[int] = _SET_HEAD.itemsize
    unit: ClassVar[int] = 4
    most: ClassVar[int] = _UNLIMITED

    @abstractmethod
    def lay_out(self, flows: FlowBatch, time: ExportTime, *, classic: bool) -> tuple[int, Columns]:
        """Give the set id and the rows of records."""

    @abstractmethod
    def announce(self, version: int, *, classic: bool) -> Announcement:
        """Give what announces these records."""

    @abstractmethod
    def count(self, pages: Pages, announcement: Announcement) -> NDArray[np.int64]:
        """Tell how far each datagram takes the sequence."""

    @abstractmethod
    def fill(
        self, headers: NDArray[np.void], pages: Pages, announcement: Announcement, time: ExportTime
    ) -> None:
        """Fill headers but for sequence and domain."""


class _Netflow5(Protocol):
    header = netflow5.HEADER
    domain = "engine"
    set_head = 0
    unit = 1
    most = netflow5.MAX_RECORDS

    def lay_out(self, flows: FlowBatch, time: ExportTime, *, classic: bool) -> tuple[int, Columns]:
        del classic
        return 0, netflow5.lay_out(flows, time)

    def announce(self, version: int, *, classic: bool) -> Announcement:
        del version, classic
        return Announcement()

    def count(self, pages: Pages, announcement: Announcement) -> NDArray[np.int64]:
        del announcement
        return pages.records

    def fill(
        self, headers: NDArray[np.void], pages: Pages, announcement: Announcement, time: ExportTime
    ) -> None:
        del announcement
        headers["version"] = netflow5.VERSION
        headers["count"] = pages.records
        headers["uptime"] = time.uptime_ms & _WORD
        headers["seconds"], headers["nanoseconds"] = divmod(time.time_ns, 1_000_000_000)
        headers["sampling"] = 1


class _Netflow9(Protocol):
    header = netflow9.HEADER
    domain = "source_id"

    def lay_out(self, flows: FlowBatch, time: ExportTime, *, classic: bool) -> tuple[int, Columns]:
        return _take(NETFLOW9_FLOWS.lay_out(flows, time, classic=classic))

    def announce(self, version: int, *, classic: bool) -> Announcement:
        sets = (
            _template(NETFLOW9_FLOWS, version, classic=classic),
            netflow9_options.SAMPLING,
            netflow9_options.encode_sampling(1, domain=0),
        )
        made = netflow9.compose(
            sets, domain=0, sequence=0, uptime_ms=0, export_time_s=0, max_size=_UNLIMITED
        )
        return _announce(made, self.header, netflow9_options.SAMPLING)

    def count(self, pages: Pages, announcement: Announcement) -> NDArray[np.int64]:
        del announcement
        return np.ones(len(pages.exporters), np.int64)

    def fill(
        self, headers: NDArray[np.void], pages: Pages, announcement: Announcement, time: ExportTime
    ) -> None:
        told = announcement.templates + announcement.records
        headers["version"] = netflow9.VERSION
        headers["count"] = pages.records + pages.prefixed * told
        headers["uptime"] = time.uptime_ms & _WORD
        headers["seconds"] = time.time_s


class _Ipfix(Protocol):
    header = ipfix.HEADER
    domain = "domain"

    def lay_out(self, flows: FlowBatch, time: ExportTime, *, classic: bool) -> tuple[int, Columns]:
        return _take(IPFIX_FLOWS.lay_out(flows, time, classic=classic))

    def announce(self, version: int, *, classic: bool) -> Announcement:
        (sampling,) = ipfix_options.encode_sampling([_ALL_PACKETS], domain=0)
        sets = (
            _template(IPFIX_FLOWS, version, classic=classic),
            ipfix_options.SAMPLING,
            sampling,
        )
        made = ipfix.compose(sets, domain=0, sequence=0, export_time_s=0, max_size=_UNLIMITED)
        return _announce(made, self.header, ipfix_options.SAMPLING)

    def count(self, pages: Pages, announcement: Announcement) -> NDArray[np.int64]:
        steps: NDArray[np.int64] = pages.records + pages.prefixed * announcement.records
        return steps

    def fill(
        self, headers: NDArray[np.void], pages: Pages, announcement: Announcement, time: ExportTime
    ) -> None:
        del announcement
        headers["version"] = ipfix.VERSION
        headers["length"] = np.diff(pages.offsets)
        headers["export_time"] = time.time_s


NETFLOW5: Final = _Netflow5()
NETFLOW9: Final = _Netflow9()
IPFIX: Final = _Ipfix()


def encode_flows(
    protocol: Protocol,
    flows: FlowBatch,
    owners: NDArray[np.intp],
    exporters: Exporters,
    *,
    announced: NDArray[np.bool_],
    time: ExportTime,
    max_size: int,
    classic: bool,
) -> FleetDatagrams:
    """Encode the flow records of many exporters.

    Args:
        protocol: NETFLOW5, NETFLOW9 or IPFIX.
        flows: the records, of one address family; IPv4 for NetFlow v5.
        owners: shape (N,), the exporter of each record; they never fall.
        exporters: their sessions, the sequences of which go on.
        announced: shape (E,), who sends templates and option data, with or without records.
        time: when they are exported.
        max_size: octets of the largest datagram.
        classic: whether IPv4 goes in the classic layout (NetFlow v9 and IPFIX).

    Raises:
        EncodeError: not even one record fits.
    """
    short = protocol is NETFLOW5 or (classic and flows.version == 4)
    parts = count_parts(flows) if short else None
    if parts is not None:
        flows, owners = split_wide(flows), np.repeat(owners, parts)
    set_id, rows = protocol.lay_out(flows, time, classic=classic)
    announcement = protocol.announce(flows.version, classic=classic)
    shape = Shape(
        protocol.header.itemsize,
        len(announcement.octets),
        protocol.set_head,
        rows.dtype.itemsize,
        protocol.unit,
        protocol.most,
    )
    counts = np.bincount(owners, minlength=len(exporters.domains))
    pages = Pages(shape, counts, announced & bool(announcement.octets), max_size)
    headers = np.zeros(len(pages.exporters), protocol.header)
    protocol.fill(headers, pages, announcement, time)
    headers[protocol.domain] = exporters.domains[pages.exporters]
    headers["sequence"] = _advance(pages, protocol.count(pages, announcement), exporters)
    buffer = pages.make(headers, np.frombuffer(rows.tobytes(), np.uint8))
    if announcement.octets:
        _write_announcements(buffer, pages, announcement, exporters)
    if protocol.set_head:
        _write_set_heads(buffer, pages, set_id)
    return FleetDatagrams(buffer, pages.offsets, pages.exporters, pages.records, pages.prefixed)


def _advance(pages: Pages, steps: NDArray[np.int64], exporters: Exporters) -> NDArray[np.int64]:
    """Give each datagram's sequence number, and let the exporters' sequences go on."""
    before = np.cumsum(steps) - steps
    own = before - before[np.arange(len(steps)) - pages.ordinals]
    numbers: NDArray[np.int64] = (exporters.sequences[pages.exporters] + own) & _WORD
    np.add.at(exporters.sequences, pages.exporters, steps)
    return numbers


def _write_announcements(
    buffer: Octets, pages: Pages, announcement: Announcement, exporters: Exporters
) -> None:
    chosen = np.flatnonzero(pages.prefixed)
    at = pages.offsets[chosen] + pages.shape.head
    same = np.frombuffer(announcement.octets * len(chosen), f"V{len(announcement.octets)}")
    put(buffer, at, same)
    domains = np.zeros(len(chosen), _DOMAIN)
    domains["domain"] = exporters.domains[pages.exporters[chosen]]
    put(buffer, at + announcement.domain_at, domains)


def _write_set_heads(buffer: Octets, pages: Pages, set_id: int) -> None:
    chosen = np.flatnonzero(pages.records)
    heads = np.zeros(len(chosen), _SET_HEAD)
    heads["id"] = set_id
    heads["length"] = pages.set_sizes[chosen]
    put(buffer, pages.sets_at[chosen], heads)


def _template(flows: FlowTemplates, version: int, *, classic: bool) -> Template:
    layout = flows.classic if classic and version == 4 else flows.plain[version]
    return layout.template


def _take(data: DataSet) -> tuple[int, Columns]:
    if not isinstance(data.rows, Columns):
        raise TypeError("flow records are laid out as columns")
    return data.template.id, data.rows


def _announce(made: Datagrams, header: np.dtype[np.void], sampling: Template) -> Announcement:
    """Take an announcement out of a datagram, which ends with a record that says the domain."""
    octets = bytes(made.buffer)[header.itemsize :]
    last = -(-(sampling.dtype.itemsize + _SET_HEAD.itemsize) // 4) * 4
    domain_at = len(octets) - last + _SET_HEAD.itemsize
    return Announcement(octets, domain_at, made.templates[0], made.records[0])
