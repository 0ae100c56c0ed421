"""What travels on the bus, as event records of YANG notifications."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

import msgspec

from flowexport_mgmt.datastore import (
    Change,
    ConfigurationChanged,
    ConfirmedCommitChanged,
    ConfirmEvent,
    Session,
)
from flowexport_mgmt.north.netconf import names
from flowexport_mgmt.north.netconf.monitoring import source_host
from flowexport_mgmt.north.netconf.notifications.records import Record, instant, now
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.paths import parse_path

MAX_EDITS: Final = 1000
"""Edits that one notification lists; of a larger commit it names the top nodes."""

_RFC6470: Final = "ietf-netconf-notifications"
_OWN_MODULE: Final = "flow-export"
_OPERATIONS: Final = {"created": "create", "changed": "replace", "deleted": "delete"}
_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """A NETCONF session exchanged its hellos."""

    session: Session


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """A NETCONF session that had started ended; ``reason`` as in RFC 6470, section 2.2."""

    session: Session
    reason: str


@dataclass(frozen=True, slots=True)
class _By:
    """Who did something; session 0 is the server itself."""

    user: str
    session: int
    source: str


class Renderer:
    """Renders events; what no module has a notification for gives none."""

    def __init__(self, schema: SchemaContext) -> None:
        self._schema = schema

    def render(self, event: object) -> Record | None:
        """Render one event."""
        match event:
            case ConfigurationChanged():
                return self._configuration(event)
            case ConfirmedCommitChanged():
                return self._rfc6470("netconf-confirmed-commit", _confirm(event))
            case SessionStarted(session):
                return self._rfc6470("netconf-session-start", _who(_by(session)))
            case SessionEnded():
                return self._rfc6470("netconf-session-end", _end(event))
            case msgspec.Struct():
                return self._own(event)
        return None

    def _configuration(self, event: ConfigurationChanged) -> Record:
        record = event.record
        by = _By(record.user, event.session, record.source)
        content = [
            "<changed-by>",
            *(_who(by) if by.session else ("<server/>",)),
            "</changed-by><datastore>running</datastore>",
            *self._edits(event.changes),
        ]
        return self._rfc6470("netconf-config-change", content, instant(record.time))

    def _edits(self, changes: Sequence[Change]) -> Iterator[str]:
        if len(changes) > MAX_EDITS:
            tops = dict.fromkeys("/" + change.path.split("/", 2)[1] for change in changes)
            yield from (self._edit(path, "merge") for path in tops)
            return
        for change in changes:
            yield self._edit(change.path, _OPERATIONS.get(change.kind, "merge"))

    def _edit(self, path: str, operation: str) -> str:
        prefixes = dict.fromkeys(step.module for step in parse_path(path))
        known: Mapping[str, str] = self._schema.prefixes
        declared = "".join(f" xmlns:{p}={quoteattr(known[p])}" for p in prefixes if p in known)
        return (
            f"<edit><target{declared}>{escape(path)}</target>"
            f"<operation>{operation}</operation></edit>"
        )

    def _rfc6470(
        self, name: str, content: Iterator[str] | Sequence[str], time: datetime | None = None
    ) -> Record:
        xml = f'<{name} xmlns="{names.NETCONF_NOTIFICATIONS}">{"".join(content)}</{name}>'
        return Record(time or now(), f"{_RFC6470}:{name}", xml.encode())

    def _own(self, event: msgspec.Struct) -> Record | None:
        """Render an event of the exporter, whose struct has the names of its notification."""
        name = _WORD.sub("-", type(event).__name__).lower()
        namespace = self._schema.notifications.get(f"{_OWN_MODULE}:{name}")
        if namespace is None:
            return None
        leaves = "".join(_leaves(msgspec.to_builtins(event)))
        xml = f"<{name} xmlns={quoteattr(namespace)}>{leaves}</{name}>"
        return Record(now(), f"{_OWN_MODULE}:{name}", xml.encode())


def _leaves(values: Mapping[str, Any]) -> Iterator[str]:
    for field, value in values.items():
        if value is None or field == "type":
            continue
        leaf = field.replace("_", "-")
        text = str(value).lower() if isinstance(value, bool) else str(value)
        yield f"<{leaf}>{escape(text)}</{leaf}>"


def _by(session: Session) -> _By:
    return _By(session.user, session.id, session.source)


def _who(by: _By) -> Iterator[str]:
    yield f"<username>{escape(by.user)}</username><session-id>{by.session}</session-id>"
    host = source_host(by.source)
    if host:
        yield f"<source-host>{escape(host)}</source-host>"


def _confirm(event: ConfirmedCommitChanged) -> Iterator[str]:
    if event.event is not ConfirmEvent.TIMEOUT:
        yield from _who(_By(event.record.user, event.session, event.record.source))
    yield f"<confirm-event>{event.event}</confirm-event>"
    if event.timeout is not None:
        yield f"<timeout>{event.timeout}</timeout>"


def _end(event: SessionEnded) -> Iterator[str]:
    yield from _who(_by(event.session))
    if event.session.killed_by:
        yield f"<killed-by>{event.session.killed_by}</killed-by>"
    yield f"<termination-reason>{event.reason}</termination-reason>"
