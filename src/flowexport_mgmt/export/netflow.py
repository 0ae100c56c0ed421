"""Sessions of NetFlow v9 and IPFIX."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from flowexport_mgmt.export.domain import Domain, InterfaceTable
from flowexport_mgmt.export.formats import Format, Ipfix, Netflow9, Sets
from flowexport_mgmt.export.instant import Instant
from flowexport_mgmt.export.output import Content, Output
from flowexport_mgmt.export.session import Session, refusal
from flowexport_mgmt.export.transfer import Progress
from flowexport_mgmt.model.flow_export import (
    Collector,
    RecordFormat,
    SamplingOptionsFormat,
    Transport,
)
from flowexport_mgmt.records import Batch, CounterBatch, FlowBatch
from flowexport_mgmt.records.flows import Ignored
from flowexport_mgmt.wire.deltas import counter_deltas
from flowexport_mgmt.wire.flows.fields import ExportTime
from flowexport_mgmt.wire.options import ALL_PACKETS, Losses, Sampler


class TemplateSession(Session):
    """NetFlow v9 and IPFIX: data that needs templates, and counters as differences.

    Flow records of sampled packets have an observation domain of their own, the next one, so that
    nobody adds them to those of flows whose packets were all counted.
    """

    carries = (CounterBatch, FlowBatch)
    form: ClassVar[type[Format]]

    def __init__(self, config: Collector) -> None:
        super().__init__(config)
        main, refresh = config.observation_domain, _refresh_interval(config)
        self._main = Domain(self.form(main), refresh, (self.form.counters,), ALL_PACKETS)
        self._sampled = Domain(self.form((main + 1) & 0xFFFFFFFF), refresh, ())
        self._baseline: CounterBatch | None = None
        self._latest: CounterBatch | None = None
        self._losses = Losses()
        self._ignored: Ignored | None = None

    @property
    def sequence(self) -> int:
        """The sequence of the configured observation domain."""
        return self._main.sequence

    @property
    def due(self) -> float:
        """Monotonic time at which templates have to go out, once there was data."""
        return min(domain.due for domain in self._domains)

    def configure(self, config: Collector) -> None:
        """Take changed settings; option data that is switched on goes out with its template."""
        before = self._config
        super().configure(config)
        for domain in self._domains:
            domain.clock.configure(_refresh_interval(config))
            if _told_more(before, config):
                domain.clock.hasten()
            if _layouts(before) != _layouts(config):
                domain.forget_flows()

    def refresh(self, now: Instant) -> list[Output]:
        """Generate templates and option data of the domains that these are due in."""
        return [
            output
            for domain in self._domains
            if now.monotonic >= domain.due
            for output in self._announce(domain, now)
        ]

    def restart(self) -> None:
        """Send templates and option data with the next data."""
        for domain in self._domains:
            domain.clock.owe()

    def settle(self, output: Output, *, delivered: bool, now: Instant) -> None:
        """Send templates and option data that did not get out again soon."""
        if output.content is Content.TEMPLATES and not delivered:
            self._domain_of(output).clock.note_failed(now.monotonic)

    def encode(self, batch: Batch, now: Instant) -> list[Output]:
        """Generate flow records, or what counters grew by, behind templates when these are due.

        The first poll is what later ones are compared with, and brings templates only.
        """
        if isinstance(batch, CounterBatch):
            return self._encode_counters(batch, now)
        if isinstance(batch, FlowBatch):
            return self._encode_flows(batch, now)
        raise refusal(batch)

    def count(self, batch: Batch) -> int:
        """Count flow records, or two for each interface, one per direction."""
        if isinstance(batch, CounterBatch):
            return 2 * len(batch.rows)
        return len(self._rows_of(batch)) if isinstance(batch, FlowBatch) else 0

    def count_sent(self, progress: Progress) -> None:
        """Count what the domain sent, which option data tell of."""
        self._domain_of(progress.output).count_sent(progress)

    def count_missed(self, batch: Batch, now: Instant) -> int:
        """Count a batch that is not sent; option data tell of flows that were lost."""
        if isinstance(batch, FlowBatch):
            self._lose(self._rows_of(batch), now)
        return self.count(batch)

    def count_unsent(self, output: Output, places: Sequence[int], now: Instant) -> None:
        """Count the flows in datagrams that did not get out, which option data tell of."""
        if output.flows is None or not places:
            return
        ends = np.cumsum(output.datagrams.records)
        rows = [np.arange(ends[at] - output.datagrams.records[at], ends[at]) for at in places]
        self._lose(output.flows.select(np.concatenate(rows)), now)

    def forget(self) -> None:
        """Let the next poll be the first."""
        self._baseline = None

    @property
    def _domains(self) -> tuple[Domain, Domain]:
        return self._main, self._sampled

    def _domain_of(self, output: Output) -> Domain:
        return self._main if output.domain == self._main.form.domain else self._sampled

    def _encode_counters(self, batch: CounterBatch, now: Instant) -> list[Output]:
        domain = self._main
        outputs = []
        self._latest = batch
        domain.begun = True
        if domain.is_announcement_due(now):
            outputs += self._announce(domain, now)
        else:
            outputs += self._compose(domain, Content.TEMPLATES, self._changed_names(domain), now)
        if self._baseline is not None:
            data = domain.form.encode_counters(counter_deltas(self._baseline, batch))
            outputs += self._compose(domain, Content.COUNTERS, [data], now)
        self._baseline = batch
        return outputs

    def _encode_flows(self, batch: FlowBatch, now: Instant) -> list[Output]:
        domain, samplers = self._main, tuple[Sampler, ...]()
        if batch.is_sampled:
            domain = self._sampled
            batch, samplers = domain.form.name_samplers(batch)
            self._ignored = batch.ignored
        classic, biflow = _layouts(self._config)
        layout, rows = domain.form.flows.choose(batch, classic=classic, biflow=biflow)
        domain.begun = True
        is_new, news = domain.learn_template(layout.template), domain.learn_samplers(samplers)
        if domain.is_announcement_due(now):
            outputs = self._announce(domain, now)
        else:
            sets: Sets = [layout.template] if is_new else []
            sets += [*self._changed_names(domain), *self._sampling_data(domain, news)]
            outputs = self._compose(domain, Content.TEMPLATES, sets, now)
        data = layout.lay_out(rows, ExportTime(now.unix_ns, now.uptime_ms))
        return outputs + self._compose(domain, Content.FLOWS, [data], now, rows)

    def _announce(self, domain: Domain, now: Instant) -> list[Output]:
        sets: Sets = [*domain.templates]
        if self._config.interface_options:
            sets += [domain.form.interface_table, *self._names(domain)]
        if self._config.sampling_options:
            sets.append(domain.form.sampling_template(systematic=self._is_systematic))
            sets += self._sampling_data(domain, domain.samplers)
        sets += domain.form.describe_export(domain.exported)
        if domain is self._main:
            sets += domain.form.describe_losses(self._losses)
        elif self._ignored is not None:
            sets += domain.form.describe_ignored(self._ignored)
        domain.clock.note_sent(now.monotonic)
        return self._compose(domain, Content.TEMPLATES, sets, now)

    def _changed_names(self, domain: Domain) -> Sets:
        """Give the names of the interfaces if they are not those that were told."""
        if self._latest is None or not self._config.interface_options:
            return []
        if InterfaceTable.of(self._latest) == domain.told:
            return []
        return self._names(domain)

    def _names(self, domain: Domain) -> Sets:
        if self._latest is None:
            return []
        domain.told = InterfaceTable.of(self._latest)
        return [domain.form.encode_interfaces(self._latest)] if self._latest.names else []

    def _sampling_data(self, domain: Domain, samplers: tuple[Sampler, ...]) -> Sets:
        if not samplers or not self._config.sampling_options:
            return []
        return [*domain.form.encode_sampling(samplers, systematic=self._is_systematic)]

    @property
    def _is_systematic(self) -> bool:
        return self._config.sampling_options_format is SamplingOptionsFormat.SYSTEMATIC

    def _rows_of(self, batch: FlowBatch) -> FlowBatch:
        """Make the rows of a batch those that its records would be."""
        classic, biflow = _layouts(self._config)
        return self.form.flows.choose(batch, classic=classic, biflow=biflow)[1]

    def _lose(self, rows: FlowBatch, now: Instant) -> None:
        packets, octets = int(rows.packets.sum()), int(rows.octets.sum())
        if rows.reverse_packets is not None and rows.reverse_octets is not None:
            packets += int(rows.reverse_packets.sum())
            octets += int(rows.reverse_octets.sum())
        self._losses = self._losses.add(len(rows), packets, octets, now.unix_ns // 1_000_000)

    def _compose(
        self,
        domain: Domain,
        content: Content,
        sets: Sets,
        now: Instant,
        flows: FlowBatch | None = None,
    ) -> list[Output]:
        return domain.compose(content, sets, now, self._config.max_datagram_size, flows)


class Netflow9Session(TemplateSession):
    """NetFlow v9: export packets are numbered."""

    form = Netflow9


class IpfixSession(TemplateSession):
    """IPFIX: data records are numbered, on a connection those that it carries."""

    form = Ipfix

    def restart(self) -> None:
        """Send templates and option data next; a connection begins with number 0."""
        super().restart()
        if self._config.transport is not Transport.UDP:
            for domain in self._domains:
                domain.sequence = 0


def _refresh_interval(config: Collector) -> float:
    """Seconds from one sending of templates to the next; a connection keeps what it was told."""
    return config.template_refresh if config.transport is Transport.UDP else math.inf


def _layouts(config: Collector) -> tuple[bool, bool]:
    """Tell whether flow records are classic, and whether biflows stay whole."""
    return config.record_format is RecordFormat.CLASSIC, config.biflow


def _told_more(before: Collector, after: Collector) -> bool:
    """Tell whether settings ask for option data that the collector does not have."""
    return (
        (after.interface_options and not before.interface_options)
        or (after.sampling_options and not before.sampling_options)
        or after.sampling_options_format is not before.sampling_options_format
    )
