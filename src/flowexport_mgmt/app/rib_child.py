"""What the supervisor keeps for the rib process, which there is only while somebody wants it."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator

from flowexport_mgmt.app.broker import SocketBroker
from flowexport_mgmt.app.child import Child
from flowexport_mgmt.link import control, tables


class RibKeeper:
    """The rib process across its restarts, its listening sockets, and its look-up tables.

    The exporter gets each new tables by which they cannot be written.
    """

    def __init__(self, module: str, manager: Child, exporter: Child) -> None:
        self.child = Child("rib", module)
        self.broker = SocketBroker(None)
        self.wanted = False
        self._manager = manager
        self._exporter = exporter
        self._tables: int | None = None

    @contextlib.contextmanager
    def make_tables(self) -> Iterator[int]:
        """Make fresh tables for a process that is being started, and hand them out."""
        made = tables.make_tables()
        try:
            self._replace(tables.open_to_read(made))
            yield made
        finally:
            os.close(made)

    def hand_out_tables(self) -> None:
        """Let an exporter that has just begun have the tables, if there are any."""
        if self._tables is not None:
            self._exporter.tell(control.NewTables(), self._tables)

    def join(self) -> None:
        """Give the manager and the process fresh ends of the link between them."""
        if self.child.control is None:
            return
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self._manager.tell(control.NewRibLink(self.child.restarts), ours.fileno())
            self.child.tell(control.NewLink(0), theirs.fileno())

    def dismiss(self) -> None:
        """Tell the process to end, and the exporter that there are no tables any more."""
        self.child.tell(control.Stop())
        self._replace(None)
        self._exporter.tell(control.NewTables())

    def take_end(self) -> None:
        """Keep the sockets for the next process, or nothing when none is wanted."""
        self.broker.child_gone()
        if not self.wanted:
            self.broker.close()

    def close(self) -> None:
        """Release everything."""
        self.broker.close()
        self._replace(None)

    def _replace(self, descriptor: int | None) -> None:
        before, self._tables = self._tables, descriptor
        if before is not None:
            os.close(before)
        self.hand_out_tables()
