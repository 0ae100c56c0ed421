"""Strict decoder of IPFIX messages (RFC 7011)."""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator
from typing import Final

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire.messages import Faults, Message, Source
from flowexport_mgmt.wire.sessions import Sessions
from flowexport_mgmt.wire.sets import SESSION_BUDGET, Session, SetReader, TemplateHead
from flowexport_mgmt.wire.templates import Field
from flowexport_mgmt.wire.times import Clock

PROTOCOL: Final = "ipfix"
_VERSION: Final = 10
_HEADER: Final = struct.Struct(">HHIII")  # version, length, export time, sequence, domain
_ENTERPRISE: Final = 0x8000


class Decoder:
    """Decodes the messages of any number of exporters and watches over their sequences."""

    def __init__(self) -> None:
        self._sessions = Sessions(Session, SESSION_BUDGET)

    def receive(self, data: bytes, source: Source, now_ns: int) -> Message:
        """Decode one message; whatever is wrong with it is in the message's ``faults``."""
        faults = Faults()
        message = functools.partial(Message, PROTOCOL, source, now_ns)
        if len(data) < _HEADER.size:
            return message(faults=(DecodeError("truncated", f"{len(data)} octets", len(data)),))
        version, length, seconds, sequence, domain = _HEADER.unpack_from(data)
        if version != _VERSION:
            return message(faults=(DecodeError("version", f"version {version} is not 10"),))
        if length != len(data):
            faults.add("message-length", f"length {length} in {len(data)} octets", 2)
        key = (source, domain)
        session = self._sessions.open(key)
        reader = _Reader(data, session, Clock(seconds), faults)
        try:
            reader.read(_HEADER.size, min(length, len(data)))
        except DecodeError as fault:
            faults.append(fault)
        whole = reader.complete and length == len(data)
        advance = len(reader.records) if whole else None
        step = session.sequence.check(sequence, advance, faults, what="data records")
        if not step.late:
            _check_clock(session, seconds, faults)
        self._sessions.settle(key)
        return message(
            sequence=sequence,
            domain=domain,
            export_time_s=seconds,
            records=tuple(reader.records),
            faults=tuple(faults.found),
            lost=step.lost,
        )


def _check_clock(session: Session, seconds: int, faults: Faults) -> None:
    if seconds < session.export_time_s:
        faults.add("export-time-back", f"from {session.export_time_s} to {seconds}", 4)
    session.export_time_s = seconds


class _Reader(SetReader):
    """Reads the sets of a message (RFC 7011, sections 3.3 and 3.4)."""

    template_set = 2
    options_set = 3
    longest_padding = 7
    aligned = False
    scope_types = None

    def read_head(self, set_id: int, at: int, end: int) -> TemplateHead:
        """Read id and field count, of options templates also how many of the fields are scope."""
        template_id, count = struct.unpack_from(">HH", self._data, at)
        if set_id == self.template_set or count == 0:
            return TemplateHead(template_id, count, 0, at + 4)
        if end - at < 6:
            raise DecodeError("template-short", f"{end - at} octets of an options template", at)
        (scopes,) = struct.unpack_from(">H", self._data, at + 4)
        if not 0 < scopes <= count:
            message = f"{scopes} scope fields of {count} in template {template_id}"
            self._faults.add("scope-count", message, at + 4)
        return TemplateHead(template_id, count, min(scopes, count), at + 6)

    def read_fields(self, at: int, end: int, count: int) -> Iterator[tuple[Field, int]]:
        """Read field specifiers; those of enterprises carry their number."""
        for number in range(count):
            if end - at < 4:
                raise DecodeError("template-short", f"{number} of {count} fields", at)
            element, length = struct.unpack_from(">HH", self._data, at)
            enterprise = 0
            at += 4
            if element & _ENTERPRISE:
                if end - at < 4:
                    raise DecodeError("template-short", f"{number} of {count} fields", at)
                (enterprise,) = struct.unpack_from(">I", self._data, at)
                at += 4
            yield Field(element & ~_ENTERPRISE, length, enterprise), at

    def read_empty(self, set_id: int, template_id: int, at: int) -> None:
        """Forget a template, or with the id of its set all of them (RFC 7011, section 8.1)."""
        self._faults.add("template-withdrawal", f"of {template_id}, not allowed over UDP", at)
        if template_id == set_id:
            self._session.forget_kind("options" if set_id == self.options_set else "data")
        else:
            self._session.forget(template_id)
