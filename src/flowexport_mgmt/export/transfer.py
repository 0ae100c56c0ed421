"""Datagrams on their way from a session to a sender."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flowexport_mgmt.export.output import Output
from flowexport_mgmt.export.sender import Sender, Sent


@dataclass(frozen=True, slots=True)
class Progress:
    """What one burst achieved; ``finished`` tells that it ended the output.

    Counts are of accepted datagrams, ``handled`` of all that do not wait any more. The output was
    ``delivered`` when all of it so far was accepted.
    """

    output: Output
    sent: Sent
    datagrams: int
    octets: int
    records: int
    templates: int
    finished: bool
    delivered: bool

    @property
    def handled(self) -> int:
        """Count the datagrams that do not wait any more."""
        return self.sent.handled


@dataclass(slots=True)
class _Transfer:
    output: Output
    position: int = 0
    delivered: bool = True


class Transfers:
    """The outputs that wait to be sent, in their order."""

    def __init__(self) -> None:
        self._waiting: deque[_Transfer] = deque()

    def __bool__(self) -> bool:
        """Tell whether anything waits."""
        return bool(self._waiting)

    def add(self, outputs: Iterable[Output]) -> None:
        """Line up outputs behind those that wait."""
        self._waiting += (_Transfer(output) for output in outputs if len(output.datagrams))

    def clear(self) -> list[tuple[Output, range]]:
        """Forget all that waits; tell which datagrams of which outputs that is."""
        left = [
            (transfer.output, range(transfer.position, len(transfer.output.datagrams)))
            for transfer in self._waiting
        ]
        self._waiting.clear()
        return left

    def send(self, sender: Sender, limit: int) -> Progress:
        """Send at most ``limit`` datagrams of the first output.

        Raises:
            LostError: the sender is of no use any more.
        """
        transfer = self._waiting[0]
        datagrams = transfer.output.datagrams
        begin = transfer.position
        sent = sender.send(datagrams, begin, min(begin + limit, len(datagrams)))
        transfer.position = begin + sent.handled
        transfer.delivered &= not sent.rejected
        if transfer.position == len(datagrams):
            self._waiting.popleft()
        return _progress(transfer, begin, sent)


def _progress(transfer: _Transfer, begin: int, sent: Sent) -> Progress:
    datagrams = transfer.output.datagrams
    offsets, end = datagrams.offsets, transfer.position
    refused = sum(offsets[place + 1] - offsets[place] for place in sent.rejected)
    return Progress(
        output=transfer.output,
        sent=sent,
        datagrams=sent.handled - len(sent.rejected),
        octets=offsets[end] - offsets[begin] - refused,
        records=_count(datagrams.records, begin, sent),
        templates=_count(datagrams.templates, begin, sent),
        finished=end == len(datagrams),
        delivered=transfer.delivered,
    )


def _count(counts: Sequence[int], begin: int, sent: Sent) -> int:
    """Add up what the accepted datagrams of a burst carry."""
    refused = sum(counts[place] for place in sent.rejected)
    return sum(counts[begin : begin + sent.handled]) - refused
