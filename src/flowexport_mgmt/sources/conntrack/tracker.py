"""Dumps and events, put together into records."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Final

from flowexport_mgmt.records import FlowBatch
from flowexport_mgmt.sources.conntrack.accounting import Accounting
from flowexport_mgmt.sources.conntrack.sockets import (
    MAX_EVENTS,
    DumpSocket,
    EventSocket,
    OpenSocket,
    open_netfilter,
)
from flowexport_mgmt.wire.conntrack import Decoder

_ATTEMPTS: Final = 3
"""How often a dump is repeated that the kernel calls interrupted."""
_MAX_DRAINS: Final = 64


class Tracker:
    """Follows the connections of the network namespace that its thread is in.

    What is known of flows outlives the sockets. Not thread-safe.
    """

    def __init__(
        self, publish: Callable[[FlowBatch], None], open_socket: OpenSocket = open_netfilter
    ) -> None:
        self.events: EventSocket | None = None
        self.accounting: Accounting | None = None
        """None until the sockets were open for the first time."""
        self.destroy_events = 0
        self.losses = 0
        """Times that the kernel said that it had to drop events."""
        self.vanished = 0
        """Flows that were forgotten because two dumps had them no more and nobody told of their
        end."""
        self.entries = 0
        """Entries of the latest dump."""
        self._publish = publish
        self._open_socket = open_socket
        self._decoder = Decoder()
        self._dumps: DumpSocket | None = None

    @property
    def is_open(self) -> bool:
        """Whether the sockets are open."""
        return self._dumps is not None

    def open(self) -> None:
        """Listen for ends first, so that none is missed between the first dump and the listening.

        Raises:
            OSError: the kernel has no ctnetlink, or the process may not use it.
        """
        self.events = EventSocket(self._open_socket)
        self._dumps = DumpSocket(self._open_socket)
        if self.accounting is None:
            self.accounting = Accounting(time.time_ns(), secrets.randbits(64))

    def close(self) -> None:
        """Release the sockets."""
        for link in (self.events, self._dumps):
            if link is not None:
                link.close()
        self.events = self._dumps = None

    def dump(self, *, aging: bool, go_on: Callable[[], bool] = lambda: True) -> None:
        """Read the table, again if the kernel calls it interrupted, and publish what grew.

        Args:
            aging: as of Accounting.finish.
            go_on: asked after each piece; when it says no, the dump breaks off.

        Raises:
            OSError, DecodeError: the kernel did not give it; what came before counts.
        """
        for _ in range(_ATTEMPTS):
            if self._dump_once(aging=aging, go_on=go_on) or not go_on():
                return

    def drain(self) -> None:
        """Publish what is left to tell of flows that ended.

        Raises:
            OSError, DecodeError: the events cannot be read any more.
        """
        if self.events is None or self.accounting is None:
            return
        before = self.events.losses
        for _ in range(_MAX_DRAINS):
            found = self.events.read(self._decoder)
            count = sum(map(len, found))
            self.destroy_events += count
            self._send(self.accounting.end(found, time.time_ns()))
            if count < MAX_EVENTS:
                break
        self.losses += self.events.losses - before

    def _dump_once(self, *, aging: bool, go_on: Callable[[], bool]) -> bool:
        """Tell whether the dump was whole."""
        if self._dumps is None or self.accounting is None:
            return True
        whole = False
        entries = 0
        self.accounting.begin(time.time_ns())
        try:
            for found in self._dumps.read(self._decoder):
                self.drain()  # before the entries: those of flows that ended since are told
                self._send(self.accounting.see(found, time.time_ns()))
                entries += sum(map(len, found))
                if not go_on():
                    return False
            self.drain()
            whole = not self._dumps.interrupted
            self.entries = entries
        finally:
            self.vanished += self.accounting.finish(whole=whole, aging=aging)
        return whole

    def _send(self, batches: list[FlowBatch]) -> None:
        for batch in batches:
            self._publish(batch)
