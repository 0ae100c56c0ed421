"""The replay log of an event stream (RFC 5277, section 3; RFC 8639, section 2.4.2.1)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from flowexport_mgmt.north.netconf.notifications.records import Record

MAX_RECORDS: Final = 4096
MAX_OCTETS: Final = 8 * 1024 * 1024


class Journal:
    """The latest records; the oldest leave when there are too many of them or of their octets."""

    def __init__(
        self, created: datetime, *, records: int = MAX_RECORDS, octets: int = MAX_OCTETS
    ) -> None:
        self.created = created
        """When the log began."""
        self.aged: datetime | None = None
        """The time of the latest record that had to leave."""
        self._records: deque[Record] = deque()
        self._limits = records, octets
        self._octets = 0

    def add(self, record: Record) -> None:
        """Keep a record."""
        self._records.append(record)
        self._octets += len(record.xml)
        records, octets = self._limits
        while len(self._records) > records or self._octets > octets:
            gone = self._records.popleft()
            self._octets -= len(gone.xml)
            self.aged = gone.time

    def since(self, start: datetime) -> Sequence[Record]:
        """Give what happened at a time or later."""
        return [record for record in self._records if record.time >= start]

    def latest_before(self, start: datetime) -> datetime | None:
        """Give the time of the last record before a time, also of one that left."""
        times = [record.time for record in self._records if record.time < start]
        return times[-1] if times else self.aged
