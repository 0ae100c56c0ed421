"""Sessions of NetFlow v9 and IPFIX."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from numpy import void
from numpy.typing import NDArray

from flowexport_mgmt.export.instant import Instant
from flowexport_mgmt.export.session import Content, Output, Session, refusal
from flowexport_mgmt.export.templates import TemplateClock
from flowexport_mgmt.model.flow_export import Collector, Transport
from flowexport_mgmt.records import Batch, CounterBatch, Datagrams, FlowBatch
from flowexport_mgmt.records.flows import unfold
from flowexport_mgmt.wire import ipfix, netflow9
from flowexport_mgmt.wire.deltas import counter_deltas
from flowexport_mgmt.wire.flows.fields import ExportTime
from flowexport_mgmt.wire.flows.templates import IPFIX, NETFLOW9, FlowTemplates
from flowexport_mgmt.wire.ipfix import options as ipfix_options
from flowexport_mgmt.wire.netflow9 import options as netflow9_options
from flowexport_mgmt.wire.options import ExporterStatistics, Sampler
from flowexport_mgmt.wire.templates import DataSet, Template

_ALL_PACKETS: Final = Sampler(id=1, rate=1)


@dataclass(frozen=True, slots=True)
class _Table:
    """What the interface option data says."""

    ifindexes: bytes
    names: tuple[str, ...]
    descriptions: tuple[str, ...]


class TemplateSession(Session):
    """NetFlow v9 and IPFIX: data that needs templates, and counters as differences."""

    carries = (CounterBatch, FlowBatch)
    counters: Template
    interface_table: Template
    sampling: Template
    statistics: Template
    flows: FlowTemplates

    def __init__(self, config: Collector) -> None:
        super().__init__(config)
        self._clock = TemplateClock(_refresh_interval(config))
        self._baseline: CounterBatch | None = None
        self._latest: CounterBatch | None = None
        self._told: _Table | None = None
        self._flow_templates: dict[int, Template] = {}  # those that were needed so far
        self._begun = False

    def configure(self, config: Collector) -> None:
        """Take changed settings; option data that is switched on goes out with its template."""
        before = self._config
        if (config.interface_options and not before.interface_options) or (
            config.sampling_options and not before.sampling_options
        ):
            self._clock.hasten()
        super().configure(config)
        self._clock.configure(_refresh_interval(config))

    @property
    def due(self) -> float:
        """Monotonic time at which templates have to go out, once there was data."""
        return self._clock.due if self._begun else math.inf

    def refresh(self, now: Instant) -> list[Output]:
        """Generate templates and option data."""
        return self._announce(now) if self._begun else []

    def restart(self) -> None:
        """Send templates and option data with the next poll."""
        self._clock.owe()

    def settle(self, output: Output, *, delivered: bool, now: Instant) -> None:
        """Send templates and option data that did not get out again soon."""
        if output.content is Content.TEMPLATES and not delivered:
            self._clock.note_failed(now.monotonic)

    def encode(self, batch: Batch, now: Instant) -> list[Output]:
        """Generate flow records, or what counters grew by, behind templates when these are due.

        The first poll is what later ones are compared with, and brings templates only.
        """
        if isinstance(batch, CounterBatch):
            return self._encode_counters(batch, now)
        if isinstance(batch, FlowBatch):
            return self._encode_flows(batch, now)
        raise refusal(batch)

    def _encode_flows(self, batch: FlowBatch, now: Instant) -> list[Output]:
        data = self.flows.lay_out(batch, ExportTime(now.unix_ns, now.uptime_ms))
        template = data.template
        is_new = template.id not in self._flow_templates
        self._flow_templates[template.id] = template
        self._begun = True
        outputs = []
        if self._is_announcement_due(now):
            outputs += self._announce(now)
        elif is_new:
            outputs += self._output(Content.TEMPLATES, [template], now)
        return outputs + self._output(Content.FLOWS, [data], now)

    def _is_announcement_due(self, now: Instant) -> bool:
        return self._clock.owed or now.monotonic >= self._clock.due

    def _encode_counters(self, batch: CounterBatch, now: Instant) -> list[Output]:
        outputs = []
        self._latest = batch
        self._begun = True
        if self._is_announcement_due(now):
            outputs += self._announce(now)
        elif self._config.interface_options and _table_of(batch) != self._told:
            outputs += self._output(Content.TEMPLATES, self._option_data(batch), now)
        if self._baseline is not None:
            deltas = counter_deltas(self._baseline, batch)
            outputs += self._output(Content.COUNTERS, [self._counter_data(deltas)], now)
        self._baseline = batch
        return outputs

    def count(self, batch: Batch) -> int:
        """Count flows, or two records for each interface, one per direction."""
        if isinstance(batch, CounterBatch):
            return 2 * len(batch.rows)
        return len(unfold(batch)) if isinstance(batch, FlowBatch) else 0

    def forget(self) -> None:
        """Let the next poll be the first."""
        self._baseline = None

    def _announce(self, now: Instant) -> list[Output]:
        sets: list[Template | DataSet] = [self.counters, *self._flow_templates.values()]
        if self._config.interface_options:
            sets.append(self.interface_table)
            if self._latest is not None:
                sets += self._option_data(self._latest)
        if self._config.sampling_options:
            sets += (self.sampling, self._sampling_data())
        sets += (self.statistics, self._statistics_data(self.exported()))
        self._clock.note_sent(now.monotonic)
        return self._output(Content.TEMPLATES, sets, now)

    def _option_data(self, batch: CounterBatch) -> list[DataSet]:
        self._told = _table_of(batch)
        return [self._interface_data(batch)] if len(batch.rows) else []

    def _output(
        self, content: Content, sets: Iterable[Template | DataSet], now: Instant
    ) -> list[Output]:
        datagrams = self._compose(sets, now)
        return [Output(content, datagrams)] if len(datagrams) else []

    @abstractmethod
    def _compose(self, sets: Iterable[Template | DataSet], now: Instant) -> Datagrams:
        """Put sets into datagrams and advance the sequence."""

    @abstractmethod
    def _counter_data(self, deltas: NDArray[void]) -> DataSet:
        """Lay out what counters grew by."""

    @abstractmethod
    def _interface_data(self, batch: CounterBatch) -> DataSet:
        """Lay out the names of the interfaces."""

    @abstractmethod
    def _sampling_data(self) -> DataSet:
        """Lay out how packets are sampled: what this session tells of counts them all."""

    @abstractmethod
    def _statistics_data(self, exported: ExporterStatistics) -> DataSet:
        """Lay out what was exported before this message."""


class Netflow9Session(TemplateSession):
    """NetFlow v9: export packets are numbered."""

    counters = netflow9.COUNTERS
    interface_table = netflow9.INTERFACE_TABLE
    flows = NETFLOW9
    sampling = netflow9_options.SAMPLING
    statistics = netflow9_options.STATISTICS

    def _compose(self, sets: Iterable[Template | DataSet], now: Instant) -> Datagrams:
        datagrams = netflow9.compose(
            sets,
            domain=self._config.observation_domain,
            sequence=self.sequence,
            uptime_ms=now.uptime_ms,
            export_time_s=now.unix_ns // 1_000_000_000,
            max_size=self._config.max_datagram_size,
        )
        self.sequence += len(datagrams)
        return datagrams

    def _counter_data(self, deltas: NDArray[void]) -> DataSet:
        return netflow9.encode_counters(deltas)

    def _interface_data(self, batch: CounterBatch) -> DataSet:
        return netflow9.encode_interface_table(
            batch.rows["ifindex"], batch.names, batch.descriptions
        )

    def _sampling_data(self) -> DataSet:
        return netflow9_options.encode_sampling(1, domain=self._config.observation_domain)

    def _statistics_data(self, exported: ExporterStatistics) -> DataSet:
        domain = self._config.observation_domain
        return netflow9_options.encode_statistics(exported, domain=domain)


class IpfixSession(TemplateSession):
    """IPFIX: data records are numbered, on a connection those that it carries."""

    counters = ipfix.COUNTERS
    interface_table = ipfix.INTERFACE_TABLE
    flows = IPFIX
    sampling = ipfix_options.SAMPLING
    statistics = ipfix_options.MESSAGE_STATISTICS

    def restart(self) -> None:
        """Send templates and option data next; a connection begins with number 0."""
        super().restart()
        if self._config.transport is not Transport.UDP:
            self.sequence = 0

    def _compose(self, sets: Iterable[Template | DataSet], now: Instant) -> Datagrams:
        datagrams = ipfix.compose(
            sets,
            domain=self._config.observation_domain,
            sequence=self.sequence,
            export_time_s=now.unix_ns // 1_000_000_000,
            max_size=self._config.max_datagram_size,
        )
        self.sequence += sum(datagrams.records)
        return datagrams

    def _counter_data(self, deltas: NDArray[void]) -> DataSet:
        return ipfix.encode_counters(deltas)

    def _interface_data(self, batch: CounterBatch) -> DataSet:
        return ipfix.encode_interface_table(batch.rows["ifindex"], batch.names, batch.descriptions)

    def _sampling_data(self) -> DataSet:
        (data,) = ipfix_options.encode_sampling([_ALL_PACKETS])
        return data

    def _statistics_data(self, exported: ExporterStatistics) -> DataSet:
        domain = self._config.observation_domain
        return ipfix_options.encode_message_statistics(exported, domain=domain)


def _refresh_interval(config: Collector) -> float:
    """Seconds from one sending of templates to the next; a connection keeps what it was told."""
    return config.template_refresh if config.transport is Transport.UDP else math.inf


def _table_of(batch: CounterBatch) -> _Table:
    return _Table(batch.rows["ifindex"].tobytes(), batch.names, batch.descriptions)
