"""One observation domain of a session: its numbers, and what its collector was told."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass

from flowexport_mgmt.export.formats import Format
from flowexport_mgmt.export.instant import Instant
from flowexport_mgmt.export.output import Content, Output
from flowexport_mgmt.export.templates import TemplateClock
from flowexport_mgmt.export.transfer import Progress
from flowexport_mgmt.records import CounterBatch, FlowBatch
from flowexport_mgmt.wire.options import ExporterStatistics, Sampler
from flowexport_mgmt.wire.templates import DataSet, Template


@dataclass(frozen=True, slots=True)
class InterfaceTable:
    """What the interface option data says."""

    ifindexes: bytes
    names: tuple[str, ...]
    descriptions: tuple[str, ...]

    @classmethod
    def of(cls, batch: CounterBatch) -> InterfaceTable:
        """Take what a poll brought of it."""
        return cls(batch.rows["ifindex"].tobytes(), batch.names, batch.descriptions)


class Domain:
    """An observation domain of NetFlow v9 or IPFIX.

    ``fixed`` are the templates of its data that do not depend on what comes; those of flows are
    announced once they are needed.
    """

    def __init__(
        self, form: Format, refresh: float, fixed: tuple[Template, ...], *samplers: Sampler
    ) -> None:
        self.form = form
        self.clock = TemplateClock(refresh)
        self.sequence = 0
        self.begun = False
        """Whether there was data, so that templates have to be kept alive."""
        self.told: InterfaceTable | None = None
        self.exported = ExporterStatistics()
        self._fixed = fixed
        self._flows: dict[int, Template] = {}
        self._rates = {sampler.id: sampler.rate for sampler in samplers}

    @property
    def due(self) -> float:
        """Monotonic time at which templates have to go out, once there was data."""
        return self.clock.due if self.begun else math.inf

    @property
    def templates(self) -> tuple[Template, ...]:
        """The templates of data that were needed so far."""
        return (*self._fixed, *self._flows.values())

    @property
    def samplers(self) -> tuple[Sampler, ...]:
        """The samplers that records come from."""
        return tuple(Sampler(id_, rate) for id_, rate in self._rates.items())

    def is_announcement_due(self, now: Instant) -> bool:
        """Tell whether everything has to be told before the next data."""
        return self.clock.owed or now.monotonic >= self.clock.due

    def learn_template(self, template: Template) -> bool:
        """Note that a template of flows is needed; tell whether it was not before."""
        is_new = template.id not in self._flows
        self._flows[template.id] = template
        return is_new

    def forget_flows(self) -> None:
        """Announce again what is needed: flows come in other layouts from now on."""
        self._flows.clear()
        self.clock.owe()

    def learn_samplers(self, samplers: Iterable[Sampler]) -> tuple[Sampler, ...]:
        """Note from which samplers records come; give back those that were not told of so."""
        news = tuple(one for one in samplers if self._rates.get(one.id) != one.rate)
        self._rates.update((one.id, one.rate) for one in news)
        return news

    def compose(
        self,
        content: Content,
        sets: Iterable[Template | DataSet],
        now: Instant,
        max_size: int,
        flows: FlowBatch | None = None,
    ) -> list[Output]:
        """Put sets into datagrams and advance the sequence; nothing comes of no sets."""
        datagrams = self.form.compose(sets, sequence=self.sequence, now=now, max_size=max_size)
        self.sequence += self.form.advance(datagrams)
        return [Output(content, datagrams, self.form.domain, flows)] if len(datagrams) else []

    def count_sent(self, progress: Progress) -> None:
        """Add up what the domain sent: option data are no records of it."""
        is_data = progress.output.content is not Content.TEMPLATES
        self.exported = dataclasses.replace(
            self.exported,
            messages=self.exported.messages + progress.datagrams,
            records=self.exported.records + progress.records * is_data,
            octets=self.exported.octets + progress.octets,
        )
