"""Datagrams on their way from a session to a sender."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass

from flowexport_mgmt.export.sender import Sender
from flowexport_mgmt.export.session import Output


@dataclass(frozen=True, slots=True)
class Progress:
    """What one burst achieved; ``finished`` is the output that it ended, if it did.

    Counts are of accepted datagrams, ``handled`` of all that do not wait any more.
    """

    output: Output
    handled: int
    datagrams: int
    octets: int
    records: int
    templates: int
    failures: Counter[int]
    reported: bool
    finished: bool
    delivered: bool


@dataclass(slots=True)
class _Transfer:
    output: Output
    views: list[memoryview]
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
        self._waiting += (
            _Transfer(output, list(output.datagrams)) for output in outputs if len(output.datagrams)
        )

    def clear(self) -> None:
        """Forget all that waits."""
        self._waiting.clear()

    def send(self, sender: Sender, limit: int) -> Progress:
        """Send at most ``limit`` datagrams of the first output."""
        transfer = self._waiting[0]
        begin = transfer.position
        sent = sender.send(transfer.views[begin : begin + limit])
        accepted = [begin + place for place, is_ok in enumerate(sent.accepted) if is_ok]
        transfer.position += len(sent.accepted)
        transfer.delivered &= len(accepted) == len(sent.accepted)
        finished = transfer.position == len(transfer.views)
        if finished:
            self._waiting.popleft()
        datagrams = transfer.output.datagrams
        return Progress(
            output=transfer.output,
            handled=len(sent.accepted),
            datagrams=len(accepted),
            octets=sent.octets,
            records=sum(datagrams.records[place] for place in accepted),
            templates=sum(datagrams.templates[place] for place in accepted),
            failures=sent.failures,
            reported=sent.reported,
            finished=finished,
            delivered=transfer.delivered,
        )
