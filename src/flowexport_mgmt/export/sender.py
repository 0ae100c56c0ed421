"""What takes datagrams to a collector: the face of all transports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from flowexport_mgmt.export.endpoint import IpAddress
from flowexport_mgmt.export.failure import Failure
from flowexport_mgmt.records import Datagrams


@dataclass(slots=True)
class Sent:
    """What became of some datagrams.

    ``handled`` of them, from the first on, were dealt with; those behind wait because the socket's
    buffer is full. ``rejected`` are the positions in the batch of those that were dealt with and
    not accepted. ``failures`` counts errors; ``reported`` tells that the network gave one back for
    a datagram that had been accepted. ``fallbacks`` says which ways to send were given up, and why.
    """

    handled: int = 0
    rejected: list[int] = field(default_factory=list)
    failures: dict[Failure, int] = field(default_factory=dict)
    reported: bool = False
    fallbacks: list[str] = field(default_factory=list)

    def fail(self, failure: Failure, count: int) -> None:
        """Count an error so many times."""
        self.failures[failure] = self.failures.get(failure, 0) + count


class Interest(NamedTuple):
    """What a sender waits for: that a descriptor can be read or written."""

    descriptor: int
    read: bool
    write: bool


class Sender(Protocol):
    """What takes datagrams to a collector; nothing here waits."""

    @property
    def local_address(self) -> IpAddress:
        """The address that datagrams come from."""

    @property
    def method(self) -> str | None:
        """The way that datagrams are handed to the kernel, where there are several."""

    @property
    def tls_version(self) -> str | None:
        """The version of TLS in use, such as TLSv1.3."""

    @property
    def due(self) -> float:
        """Monotonic time at which `advance` has to be called again in any case."""

    @property
    def interest(self) -> Interest | None:
        """What `advance` has to be called for again."""

    def advance(self, monotonic: float) -> bool:
        """Connect, receive and flush as far as possible; tell whether datagrams can be sent.

        Raises:
            LostError: they never can be; the sender is to be closed.
        """

    def send(self, datagrams: Datagrams, begin: int, end: int) -> Sent:
        """Send a part of a batch in order until the buffer is full.

        Raises:
            LostError: nothing can be sent any more; the sender is to be closed.
        """

    def configure(self, dscp: int) -> None:
        """Mark all later datagrams with a code point."""

    def can_send(self) -> bool:
        """Tell whether the local address, and the network that it is in, are still there."""

    def close(self) -> None:
        """Release the socket."""
