"""What a collector was told so far: the face of a session of any protocol."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from flowexport_mgmt.export.instant import Instant
from flowexport_mgmt.export.output import Content, Output
from flowexport_mgmt.export.transfer import Progress
from flowexport_mgmt.model.flow_export import Collector
from flowexport_mgmt.records import Batch, FlowBatch


class Session(ABC):
    """The state of one exporting session; nothing here knows a socket or a clock.

    A sequence number advances by what was generated: what is lost on the way shows at the
    collector.
    """

    exports: ClassVar[Content] = Content.COUNTERS
    """What makes an export that is told the time of."""

    carries: ClassVar[tuple[type[Batch], ...]]
    """The kinds of batches that the protocol has records for."""

    def __init__(self, config: Collector) -> None:
        self.skipped = 0
        """Records that the protocol has no room for."""
        self._config = config

    def configure(self, config: Collector) -> None:
        """Take changed settings; the identity of the session is the same."""
        self._config = config

    def takes(self, batch: Batch) -> bool:
        """Tell whether a batch is to be sent to this collector, by its kind and the settings.

        Flow records of sampled packets are for those who ask for them: a collector that got them
        beside others would count traffic twice.
        """
        if isinstance(batch, FlowBatch) and batch.is_sampled:
            return FlowBatch in self.carries and self._config.sampled_flows.enabled
        return isinstance(batch, self.carries)

    @property
    @abstractmethod
    def sequence(self) -> int:
        """Datagrams generated (sFlow, NetFlow v9) or records generated (NetFlow v5, IPFIX)."""

    @property
    @abstractmethod
    def due(self) -> float:
        """Monotonic time at which `refresh` is wanted, infinity for never."""

    @abstractmethod
    def refresh(self, now: Instant) -> list[Output]:
        """Generate what is sent again from time to time."""

    @abstractmethod
    def restart(self) -> None:
        """Tell the collector everything again that it may have missed."""

    @abstractmethod
    def settle(self, output: Output, *, delivered: bool, now: Instant) -> None:
        """Learn whether all datagrams of an output were accepted for sending."""

    @abstractmethod
    def encode(self, batch: Batch, now: Instant) -> list[Output]:
        """Generate the datagrams of a batch that the session takes.

        Raises:
            TypeError: the protocol has no records for a batch of that kind.
        """

    @abstractmethod
    def count(self, batch: Batch) -> int:
        """Count the records that a batch comes to."""

    def count_sent(self, progress: Progress) -> None:  # noqa: B027 - most have no place for it
        """Learn what was accepted for sending, for protocols that tell it to the collector."""

    def count_unsent(  # noqa: B027 - most have no place for it
        self, output: Output, places: Sequence[int], now: Instant
    ) -> None:
        """Learn which datagrams of an output were not accepted, and never will be."""

    def count_missed(self, batch: Batch, now: Instant) -> int:  # noqa: ARG002 - the face of all
        """Learn of a batch that is never encoded, and count its records."""
        return self.count(batch)

    @abstractmethod
    def forget(self) -> None:
        """Forget the counters seen, because nothing will be sent for a while."""


def refusal(batch: Batch) -> TypeError:
    """Make the error of a batch that came although the session does not take it."""
    return TypeError(f"no records for a {type(batch).__name__} in this protocol")
