"""Where every decoded datagram goes: into the tally, to whoever shows it, its faults by name."""

from __future__ import annotations

import sys
from collections.abc import Callable

from flowexport_mgmt.collect import output
from flowexport_mgmt.collect.tally import Tally
from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire.messages import Message


class Report:
    """Takes decoded datagrams.

    ``strict`` names faults, which are counted in any case; ``count`` is how many datagrams are
    taken at most. ``show`` gets each datagram with the port that it came to, ``complain`` each
    line about a fault, and ``full`` is called when the count is reached.
    """

    def __init__(self, *, strict: bool, count: int | None = None) -> None:
        self._strict = strict
        self._left = count
        self.tally = Tally()
        self.faults = 0
        self.show: Callable[[int, Message], None] = lambda _port, _message: None
        self.complain: Callable[[str], None] = lambda line: output.write(sys.stderr, [line])
        self.full: Callable[[], None] = lambda: None

    def receive(self, port: int, message: Message) -> None:
        """Take in one datagram that came to a port."""
        if self._left == 0:
            return
        self.tally.receive(port, message)
        self.show(port, message)
        self.faults += len(message.faults)
        if self._strict:
            for line in output.render_faults(port, message):
                self.complain(line)
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                self.full()

    def fault(self, place: str, fault: DecodeError) -> None:
        """Report what is wrong outside of any datagram."""
        self.faults += 1
        if self._strict:
            self.complain(f"{place}: {fault}")
