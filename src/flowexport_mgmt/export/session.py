"""What a collector was told so far: the face of a session of any protocol."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from flowexport_mgmt.export.instant import Instant
from flowexport_mgmt.model.flow_export import Collector
from flowexport_mgmt.records import Batch, Datagrams, FlowBatch
from flowexport_mgmt.wire.options import ExporterStatistics


class Content(enum.Enum):
    """What datagrams carry."""

    TEMPLATES = "templates"  # and option data
    COUNTERS = "counters"
    FLOWS = "flows"  # or sampled packets


@dataclass(frozen=True, slots=True)
class Output:
    """Datagrams with one kind of content."""

    content: Content
    datagrams: Datagrams


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
        self.sequence = 0
        """Datagrams generated (sFlow, NetFlow v9) or records generated (NetFlow v5, IPFIX)."""
        self.skipped = 0
        """Records that the protocol has no room for."""
        self.exported: Callable[[], ExporterStatistics] = ExporterStatistics
        """Gives what was sent so far, for protocols that tell it to the collector."""
        self._config = config

    def configure(self, config: Collector) -> None:
        """Take changed settings; the identity of the session is the same."""
        self._config = config

    def takes(self, batch: Batch) -> bool:
        """Tell whether a batch is to be sent to this collector, by its kind and the settings.

        Flow records of sampled packets are for those who ask for them: a collector that got them
        beside others would count traffic twice.
        """
        is_sampled = isinstance(batch, FlowBatch) and batch.is_sampled
        return isinstance(batch, self.carries) and not is_sampled

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

    @abstractmethod
    def forget(self) -> None:
        """Forget the counters seen, because nothing will be sent for a while."""


def refusal(batch: Batch) -> TypeError:
    """Make the error of a batch that came although the session does not take it."""
    return TypeError(f"no records for a {type(batch).__name__} in this protocol")
