"""Sessions of NetFlow v5."""

from __future__ import annotations

import math

from flowexport_mgmt.export.instant import Instant
from flowexport_mgmt.export.session import Content, Output, Session, refusal
from flowexport_mgmt.records import Batch, FlowBatch
from flowexport_mgmt.records.flows import unfold
from flowexport_mgmt.wire import netflow5
from flowexport_mgmt.wire.flows.fields import ExportTime


class Netflow5Session(Session):
    """NetFlow v5: flow records of IPv4 are numbered, and there is nothing else."""

    exports = Content.FLOWS
    carries = (FlowBatch,)

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
        """Generate flow records; those of IPv6 are skipped."""
        if not isinstance(batch, FlowBatch):
            raise refusal(batch)
        datagrams, skipped = netflow5.encode_flows(
            batch,
            time=ExportTime(now.unix_ns, now.uptime_ms),
            engine=self._config.observation_domain & 0xFFFF,
            sequence=self.sequence,
            max_size=self._config.max_datagram_size,
        )
        self.skipped += skipped
        self.sequence += sum(datagrams.records)
        return [Output(Content.FLOWS, datagrams)]

    def count(self, batch: Batch) -> int:
        """Count flows of IPv4."""
        if not isinstance(batch, FlowBatch) or batch.version != 4:
            return 0
        return len(unfold(batch))

    def forget(self) -> None:
        """Do nothing: no record depends on one before it."""
