"""Sessions of sFlow v5."""

from __future__ import annotations

import math
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.export.endpoint import IpAddress
from flowexport_mgmt.export.instant import Instant
from flowexport_mgmt.export.output import Content, Output
from flowexport_mgmt.export.session import Session, refusal
from flowexport_mgmt.model.flow_export import Collector
from flowexport_mgmt.records import Batch, CounterBatch, Datagrams, HostCounters, SampleBatch
from flowexport_mgmt.wire import sflow5


class _Common(TypedDict):
    """What all datagrams are made with."""

    agent: IpAddress
    sub_agent_id: int
    sequence: int
    uptime_ms: int
    max_size: int


class SflowSession(Session):
    """sFlow v5: datagrams are numbered, and the samples of each source."""

    carries = (CounterBatch, SampleBatch)

    def __init__(self, config: Collector) -> None:
        super().__init__(config)
        self._sequence = 0
        self.agent: IpAddress | None = None
        """The agent address; datagrams need one."""
        self._flow_samples = sflow5.SampleSequences()
        self._ifindex = np.empty(0, np.uint32)
        self._epochs = np.empty(0, np.uint32)
        self._sequences = np.empty(0, np.uint32)
        self._host_epoch = 0
        self._host_sequence = 0

    @property
    def sequence(self) -> int:
        """Datagrams generated."""
        return self._sequence

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
        """Generate counter samples of interfaces and host, or a flow sample of each packet."""
        if isinstance(batch, CounterBatch):
            return self._encode_counters(batch, now)
        if isinstance(batch, SampleBatch):
            numbers = self._flow_samples.assign(batch)
            datagrams = sflow5.encode_flow_samples(batch, numbers, **self._common(now))
            return self._output(Content.FLOWS, datagrams)
        raise refusal(batch)

    def count(self, batch: Batch) -> int:
        """Count a sample for each interface or packet, and one for the host."""
        if isinstance(batch, CounterBatch):
            return len(batch.rows) + (1 if batch.host is not None else 0)
        return len(batch) if isinstance(batch, SampleBatch) else 0

    def forget(self) -> None:
        """Do nothing: samples carry totals."""

    def _encode_counters(self, batch: CounterBatch, now: Instant) -> list[Output]:
        numbers = self._advance(batch.rows)
        datagrams = sflow5.encode_counter_samples(
            batch.rows, numbers, ethernet=batch.ethernet, **self._common(now)
        )
        outputs = self._output(Content.COUNTERS, datagrams)
        return outputs if batch.host is None else outputs + self._encode_host(batch.host, now)

    def _encode_host(self, host: HostCounters, now: Instant) -> list[Output]:
        """Generate the samples of the host, which begin anew with 1 when its counters do."""
        if host.epoch != self._host_epoch:
            self._host_epoch, self._host_sequence = host.epoch, 0
        made = sflow5.encode_host_counters(
            host, sample_sequence=self._host_sequence + 1, **self._common(now)
        )
        self._host_sequence += made.samples
        self.skipped += made.adapters_left_out
        return self._output(Content.COUNTERS, made.datagrams)

    def _output(self, content: Content, datagrams: Datagrams) -> list[Output]:
        self._sequence += len(datagrams)
        return [Output(content, datagrams)]

    def _common(self, now: Instant) -> _Common:
        if self.agent is None:
            raise ValueError("an sFlow session needs its agent address first")
        return _Common(
            agent=self.agent,
            sub_agent_id=self._config.sub_agent_id,
            sequence=self._sequence + 1,
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
