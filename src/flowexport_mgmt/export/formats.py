"""What NetFlow v9 and IPFIX do differently: messages, numbers, and how samplers are named."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.export.instant import Instant
from flowexport_mgmt.records import CounterBatch, Datagrams, FlowBatch
from flowexport_mgmt.records.flows import Ignored
from flowexport_mgmt.wire import ipfix, netflow9
from flowexport_mgmt.wire.flows.templates import IPFIX, NETFLOW9, FlowTemplates
from flowexport_mgmt.wire.ipfix import options as ipfix_options
from flowexport_mgmt.wire.netflow9 import options as netflow9_options
from flowexport_mgmt.wire.options import ALL_PACKETS, ExporterStatistics, Losses, Sampler
from flowexport_mgmt.wire.templates import DataSet, Template

PROCESS_ID: Final = 1
"""The exporting process of a session, of which each collector has one of its own, and the metering
process of sampled packets."""

Sets = list[Template | DataSet]


class Format(ABC):
    """One of the two protocols, for one observation domain; it remembers the samplers' names."""

    counters: ClassVar[Template]
    interface_table: ClassVar[Template]
    flows: ClassVar[FlowTemplates]

    def __init__(self, domain: int) -> None:
        self.domain = domain

    @abstractmethod
    def compose(
        self, sets: Iterable[Template | DataSet], *, sequence: int, now: Instant, max_size: int
    ) -> Datagrams:
        """Put sets into datagrams, the first of which has the given number."""

    @abstractmethod
    def advance(self, datagrams: Datagrams) -> int:
        """Tell by how much datagrams advance the sequence."""

    @abstractmethod
    def encode_counters(self, deltas: NDArray[np.void]) -> DataSet:
        """Lay out what counters grew by."""

    @abstractmethod
    def encode_interfaces(self, batch: CounterBatch) -> DataSet:
        """Lay out the names of the interfaces."""

    @abstractmethod
    def name_samplers(self, batch: FlowBatch) -> tuple[FlowBatch, tuple[Sampler, ...]]:
        """Let the records of sampled packets name their samplers; tell which those are."""

    @abstractmethod
    def sampling_template(self, *, systematic: bool) -> Template:
        """Give the template of what `encode_sampling` makes."""

    @abstractmethod
    def encode_sampling(self, samplers: Iterable[Sampler], *, systematic: bool) -> list[DataSet]:
        """Lay out how samplers take packets."""

    @abstractmethod
    def describe_export(self, exported: ExporterStatistics) -> Sets:
        """Lay out what the domain sent before this message, behind the template."""

    @abstractmethod
    def describe_ignored(self, ignored: Ignored) -> Sets:
        """Lay out what sampling lost, behind the template."""

    @abstractmethod
    def describe_losses(self, losses: Losses) -> Sets:
        """Lay out what was not sent to the collector, behind the template."""


class Netflow9(Format):
    """NetFlow v9: packets are numbered, and samplers have ids of 8 bits."""

    counters = netflow9.COUNTERS
    interface_table = netflow9.INTERFACE_TABLE
    flows = NETFLOW9

    def __init__(self, domain: int) -> None:
        super().__init__(domain)
        self._ids: dict[int, int] = {}

    def compose(
        self, sets: Iterable[Template | DataSet], *, sequence: int, now: Instant, max_size: int
    ) -> Datagrams:
        """Put sets into export packets."""
        return netflow9.compose(
            sets,
            domain=self.domain,
            sequence=sequence,
            uptime_ms=now.uptime_ms,
            export_time_s=now.unix_ns // 1_000_000_000,
            max_size=max_size,
        )

    def advance(self, datagrams: Datagrams) -> int:
        """Count packets."""
        return len(datagrams)

    def encode_counters(self, deltas: NDArray[np.void]) -> DataSet:
        """Lay out what counters grew by."""
        return netflow9.encode_counters(deltas)

    def encode_interfaces(self, batch: CounterBatch) -> DataSet:
        """Lay out the names of the interfaces."""
        return netflow9.encode_interface_table(
            batch.rows["ifindex"], batch.names, batch.descriptions
        )

    def name_samplers(self, batch: FlowBatch) -> tuple[FlowBatch, tuple[Sampler, ...]]:
        """Give each rate an id: what a router calls a sampler is used by many interfaces.

        With more rates than ids, the one that was named first gives its id away.
        """
        rates, at = np.unique(_rates(batch), return_inverse=True)
        samplers = tuple(Sampler(self._id_of(rate), rate) for rate in rates.tolist())
        ids = np.array([sampler.id for sampler in samplers], np.uint32)
        return dataclasses.replace(batch, sampler=ids[at]), samplers

    def _id_of(self, rate: int) -> int:
        if rate not in self._ids:
            number = len(self._ids) + 1
            if number > netflow9_options.MAX_SAMPLERS:
                number = self._ids.pop(next(iter(self._ids)))
            self._ids[rate] = number
        return self._ids[rate]

    def sampling_template(self, *, systematic: bool) -> Template:  # noqa: ARG002 - IPFIX has two
        """Give the template of samplers, or where nothing is sampled of the whole source id."""
        return netflow9_options.SAMPLERS if self._ids else netflow9_options.SAMPLING

    def encode_sampling(
        self,
        samplers: Iterable[Sampler],
        *,
        systematic: bool,  # noqa: ARG002 - IPFIX has two forms
    ) -> list[DataSet]:
        """Lay out samplers, or that all packets of the source id are taken."""
        if self._ids:
            return netflow9_options.encode_samplers(samplers, domain=self.domain)
        return [netflow9_options.encode_sampling(ALL_PACKETS.rate, domain=self.domain)]

    def describe_export(self, exported: ExporterStatistics) -> Sets:
        """Lay out what the source id sent before this packet."""
        data = netflow9_options.encode_statistics(exported, domain=self.domain)
        return [netflow9_options.STATISTICS, data]

    def describe_ignored(self, ignored: Ignored) -> Sets:
        """Lay out what sampling lost, for collectors that know IPFIX's elements."""
        data = netflow9_options.encode_ignored(ignored, domain=self.domain)
        return [netflow9_options.IGNORED, data]

    def describe_losses(self, losses: Losses) -> Sets:
        """Lay out what was not sent, for collectors that know IPFIX's elements."""
        data = netflow9_options.encode_losses(losses, domain=self.domain)
        return [netflow9_options.LOSSES, data]


class Ipfix(Format):
    """IPFIX: data records are numbered, and selectors keep the ids that they have here."""

    counters = ipfix.COUNTERS
    interface_table = ipfix.INTERFACE_TABLE
    flows = IPFIX

    def compose(
        self, sets: Iterable[Template | DataSet], *, sequence: int, now: Instant, max_size: int
    ) -> Datagrams:
        """Put sets into messages."""
        return ipfix.compose(
            sets,
            domain=self.domain,
            sequence=sequence,
            export_time_s=now.unix_ns // 1_000_000_000,
            max_size=max_size,
        )

    def advance(self, datagrams: Datagrams) -> int:
        """Count data records."""
        return sum(datagrams.records)

    def encode_counters(self, deltas: NDArray[np.void]) -> DataSet:
        """Lay out what counters grew by."""
        return ipfix.encode_counters(deltas)

    def encode_interfaces(self, batch: CounterBatch) -> DataSet:
        """Lay out the names of the interfaces."""
        return ipfix.encode_interface_table(batch.rows["ifindex"], batch.names, batch.descriptions)

    def name_samplers(self, batch: FlowBatch) -> tuple[FlowBatch, tuple[Sampler, ...]]:
        """Read which selectors took packets, and at which rates; one without an id is number 1."""
        ids = np.ones(len(batch), np.uint32) if batch.sampler is None else batch.sampler
        pairs = np.unique(np.stack((ids, _rates(batch)), axis=1), axis=0).tolist()
        return batch, tuple(Sampler(id_, rate) for id_, rate in pairs)

    def sampling_template(self, *, systematic: bool) -> Template:
        """Give the template of the form that is wanted."""
        return ipfix_options.SYSTEMATIC_SAMPLING if systematic else ipfix_options.SAMPLING

    def encode_sampling(self, samplers: Iterable[Sampler], *, systematic: bool) -> list[DataSet]:
        """Lay out how selectors take packets, in the form that is wanted."""
        return ipfix_options.encode_sampling(samplers, domain=self.domain, systematic=systematic)

    def describe_export(self, exported: ExporterStatistics) -> Sets:
        """Lay out what the domain sent before this message."""
        data = ipfix_options.encode_message_statistics(exported, domain=self.domain)
        return [ipfix_options.MESSAGE_STATISTICS, data]

    def describe_ignored(self, ignored: Ignored) -> Sets:
        """Lay out what sampling lost."""
        data = ipfix_options.encode_ignored(ignored, process_id=PROCESS_ID)
        return [ipfix_options.METERING_RELIABILITY, data]

    def describe_losses(self, losses: Losses) -> Sets:
        """Lay out what was not sent."""
        data = ipfix_options.encode_losses(losses, process_id=PROCESS_ID)
        return [ipfix_options.EXPORTING_RELIABILITY, data]


def _rates(batch: FlowBatch) -> NDArray[np.uint32]:
    """Take the rates of sampled packets; one that is not known is 1."""
    if batch.sampling_rate is None:
        return np.ones(len(batch), np.uint32)
    return np.maximum(batch.sampling_rate, np.uint32(1))
