"""Sessions of sFlow v5."""

from __future__ import annotations

import math
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.export.endpoint import IpAddress
from flowexport_mgmt.export.instant import Instant
from flowexport_mgmt.export.session import Content, Output, Session, refusal
from flowexport_mgmt.model.flow_export import Collector
from flowexport_mgmt.records import Batch, CounterBatch, SampleBatch
from flowexport_mgmt.wire import sflow5


class _Common(TypedDict):
    """What all datagrams are made with."""

    agent: IpAddress
    sub_agent_id: int
    sequence: int
    uptime_ms: int
    max_size: int


class SflowSession(Session):
    """sFlow v5: datagrams are numbered, and the samples of each interface."""

    carries = (CounterBatch, SampleBatch)

    def __init__(self, config: Collector) -> None:
        super().__init__(config)
        self.agent: IpAddress | None = None
        """The agent address; datagrams need one."""
        self._flow_samples = sflow5.SampleSequences()
        self._ifindex = np.empty(0, np.uint32)
        self._epochs = np.empty(0, np.uint32)
        self._sequences = np.empty(0, np.uint32)

    @property
    def due(self) -> float:
        """Never: a counter sample says everything."""
        return math.inf

    def refresh(self, now: Instant) -> list[Output]:  # noqa: ARG002 - the face of all sessions
        """Generate nothing."""
        return []

    def restart(self) -> None:
        """Do nothing: a collector misses nothing but samples."""

    def settle(self, output: Output, *, delivered: bool, now: Instant) -> None:
        """Do nothing: what is lost is not sent again."""

    def encode(self, batch: Batch, now: Instant) -> list[Output]:
        """Generate a counter sample of each interface, or a flow sample of each packet."""
        common = self._common(now)
        if isinstance(batch, CounterBatch):
            numbers = self._advance(batch.rows)
            datagrams = sflow5.encode_counter_samples(batch.rows, numbers, **common)
            content = Content.COUNTERS
        elif isinstance(batch, SampleBatch):
            numbers = self._flow_samples.assign(batch)
            datagrams = sflow5.encode_flow_samples(batch, numbers, **common)
            content = Content.FLOWS
        else:
            raise refusal(batch)
        self.sequence += len(datagrams)
        return [Output(content, datagrams)]

    def count(self, batch: Batch) -> int:
        """Count a sample for each interface or packet."""
        if isinstance(batch, CounterBatch):
            return len(batch.rows)
        return len(batch) if isinstance(batch, SampleBatch) else 0

    def forget(self) -> None:
        """Do nothing: samples carry totals."""

    def _common(self, now: Instant) -> _Common:
        if self.agent is None:
            raise ValueError("an sFlow session needs its agent address first")
        return _Common(
            agent=self.agent,
            sub_agent_id=self._config.sub_agent_id,
            sequence=self.sequence + 1,
            uptime_ms=now.uptime_ms,
            max_size=self._config.max_datagram_size,
        )

    def _advance(self, rows: NDArray[np.void]) -> NDArray[np.uint32]:
        """Give each sample its number; a source whose counters began anew begins anew with 1."""
        ifindex, epochs = rows["ifindex"], rows["epoch"]
        at = np.searchsorted(self._ifindex, ifindex)
        at[at == len(self._ifindex)] = 0
        sequences = np.ones(len(rows), np.uint32)
        if len(self._ifindex):
            same = (self._ifindex[at] == ifindex) & (self._epochs[at] == epochs)
            sequences[same] = self._sequences[at[same]] + 1
        self._ifindex, self._epochs, self._sequences = ifindex, epochs, sequences
        return sequences
