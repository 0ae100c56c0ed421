"""Sessions of NetFlow v5."""

from __future__ import annotations

import math

import numpy as np

from flowexport_mgmt.export.instant import Instant
from flowexport_mgmt.export.output import Content, Output
from flowexport_mgmt.export.session import Session, refusal
from flowexport_mgmt.model.flow_export import Collector
from flowexport_mgmt.records import Batch, FlowBatch
from flowexport_mgmt.records.flows import unfold
from flowexport_mgmt.wire import netflow5
from flowexport_mgmt.wire.flows.fields import ExportTime


class Netflow5Session(Session):
    """NetFlow v5: flow records of IPv4 are numbered, and there is nothing else.

    Those of sampled packets have an engine of their own, the next one, and a sequence with it:
    their datagrams say the sampling rate, and nobody adds them to those of all packets.
    """

    exports = Content.FLOWS
    carries = (FlowBatch,)

    def __init__(self, config: Collector) -> None:
        super().__init__(config)
        self._sequences = {False: 0, True: 0}

    @property
    def sequence(self) -> int:
        """Records generated under the configured engine."""
        return self._sequences[False]

    @property
    def due(self) -> float:
        """Never: there are no templates."""
        return math.inf

    def refresh(self, now: Instant) -> list[Output]:  # noqa: ARG002 - the face of all sessions
        """Generate nothing."""
        return []

    def restart(self) -> None:
        """Do nothing: a collector misses nothing but records."""

    def settle(self, output: Output, *, delivered: bool, now: Instant) -> None:
        """Do nothing: what is lost is not sent again."""

    def encode(self, batch: Batch, now: Instant) -> list[Output]:
        """Generate flow records; skip those of IPv6, and of rates that the header cannot say."""
        if not isinstance(batch, FlowBatch):
            raise refusal(batch)
        batch = self._without_high_rates(batch)
        is_sampled = batch.is_sampled
        datagrams, skipped = netflow5.encode_flows(
            batch,
            time=ExportTime(now.unix_ns, now.uptime_ms),
            engine=self._config.observation_domain + is_sampled & 0xFFFF,
            sequence=self._sequences[is_sampled],
            max_size=self._config.max_datagram_size,
        )
        self.skipped += skipped
        self._sequences[is_sampled] += sum(datagrams.records)
        return [Output(Content.FLOWS, datagrams)]

    def count(self, batch: Batch) -> int:
        """Count flows of IPv4."""
        if not isinstance(batch, FlowBatch) or batch.version != 4:
            return 0
        return len(unfold(batch))

    def forget(self) -> None:
        """Do nothing: no record depends on one before it."""

    def _without_high_rates(self, batch: FlowBatch) -> FlowBatch:
        if batch.sampling_rate is None:
            return batch
        fits = batch.sampling_rate <= np.uint32(netflow5.MAX_SAMPLING_RATE)
        self.skipped += int((~fits).sum())
        return batch.select(fits)
