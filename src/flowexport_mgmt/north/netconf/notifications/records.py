"""An event as it is sent and kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Final

from flowexport_mgmt.north.netconf import names
from flowexport_mgmt.north.netconf.evaluation import Printed

_ENVELOPE: Final = (
    '<notification xmlns="' + names.NOTIFICATION + '"><eventTime>%b</eventTime>%b</notification>'
).encode()


def now() -> datetime:
    """Give the time, in UTC."""
    return datetime.now(UTC)


def instant(text: str) -> datetime:
    """Read RFC 3339 text.

    Raises:
        ValueError: it is something else, or says no time zone.
    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"no time zone: {text}")
    return time


def timestamp(time: datetime) -> str:
    """Write a time as RFC 3339 text."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def envelope(time: datetime, content: bytes) -> bytes:
    """Put the XML of an event into a notification message (RFC 5277, section 4)."""
    return _ENVELOPE % (timestamp(time).encode(), content)


@dataclass(frozen=True)
class Record:
    """An event record: ``name`` is that of the notification with its module, as in RFC 7951."""

    time: datetime
    name: str
    xml: bytes

    @cached_property
    def document(self) -> Printed:
        """The event as filters see it."""
        return Printed(self.xml)

    @cached_property
    def message(self) -> bytes:
        """The message to send."""
        return envelope(self.time, self.xml)
