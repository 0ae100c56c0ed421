"""Strict decoder of NetFlow v9 export packets (RFC 3954)."""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator
from typing import Final

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire.elements import VARIABLE
from flowexport_mgmt.wire.messages import Faults, Message, Source
from flowexport_mgmt.wire.sessions import Sessions, modular
from flowexport_mgmt.wire.sets import SESSION_BUDGET, Session, SetReader, TemplateHead
from flowexport_mgmt.wire.templates import Field
from flowexport_mgmt.wire.times import Clock

PROTOCOL: Final = "netflow9"
_VERSION: Final = 9
_HEADER: Final = struct.Struct(">HHIIII")  # version, count, uptime, seconds, sequence, source id
_SCOPES: Final = {
    1: "scopeSystem",
    2: "scopeInterface",
    3: "scopeLineCard",
    4: "scopeCache",
    5: "scopeTemplate",
}


class Decoder:
    """Decodes the packets of any number of exporters and watches over their sequences."""

    def __init__(self) -> None:
        self._sessions = Sessions(Session, SESSION_BUDGET)

    def receive(self, data: bytes, source: Source, now_ns: int) -> Message:
        """Decode one packet; whatever is wrong with it is in the message's ``faults``."""
        faults = Faults()
        message = functools.partial(Message, PROTOCOL, source, now_ns)
        if len(data) < _HEADER.size:
            return message(faults=(DecodeError("truncated", f"{len(data)} octets", len(data)),))
        version, count, uptime, seconds, sequence, domain = _HEADER.unpack_from(data)
        if version != _VERSION:
            return message(faults=(DecodeError("version", f"version {version} is not 9"),))
        key = (source, domain)
        session = self._sessions.open(key)
        step = session.sequence.check(sequence, 1, faults, what="packets")
        if not step.late:
            _check_clock(session, seconds, uptime, faults)
        reader = _Reader(data, session, Clock(seconds, uptime), faults)
        try:
            reader.read(_HEADER.size, len(data))
        except DecodeError as fault:
            faults.append(fault)
        counted = len(reader.records) + reader.templates
        if reader.complete and count != counted:
            faults.add("count", f"the header counts {count} records, there are {counted}", 2)
        self._sessions.settle(key)
        return message(
            sequence=sequence,
            domain=domain,
            uptime_ms=uptime,
            export_time_s=seconds,
            records=tuple(reader.records),
            faults=tuple(faults.found),
            lost=step.lost,
        )


def _check_clock(session: Session, seconds: int, uptime: int, faults: Faults) -> None:
    if seconds < session.export_time_s:
        faults.add("export-time-back", f"from {session.export_time_s} to {seconds}", 8)
    if session.uptime_ms is not None and modular(uptime, session.uptime_ms) < 0:
        faults.add("uptime-back", f"from {session.uptime_ms} to {uptime} ms", 4)
    session.export_time_s, session.uptime_ms = seconds, uptime


class _Reader(SetReader):
    """Reads the FlowSets of a packet (RFC 3954, sections 5.2 to 6.2)."""

    template_set = 0
    options_set = 1
    longest_padding = 3
    aligned = True
    scope_types = _SCOPES

    def read_head(self, set_id: int, at: int, end: int) -> TemplateHead:
        """Read id and field count, or of options the lengths of both parts in octets."""
        if set_id == self.template_set:
            template_id, count = struct.unpack_from(">HH", self._data, at)
            return TemplateHead(template_id, count, 0, at + 4)
        if end - at < 6:
            raise DecodeError("template-short", f"{end - at} octets of an options template", at)
        template_id, scope, option = struct.unpack_from(">HHH", self._data, at)
        if scope % 4 or option % 4:
            message = f"lengths {scope} and {option} of template {template_id}"
            raise DecodeError("template-fields", message, at + 2)
        if scope == 0:
            self._faults.add("scope-count", f"no scope field in template {template_id}", at + 2)
        return TemplateHead(template_id, (scope + option) // 4, scope // 4, at + 6)

    def read_fields(self, at: int, end: int, count: int) -> Iterator[tuple[Field, int]]:
        """Read pairs of type and length."""
        if 4 * count > end - at:
            raise DecodeError("template-short", f"{count} fields in {end - at} octets", at)
        for type_, length in struct.iter_unpack(">HH", self._data[at : at + 4 * count]):
            if length == VARIABLE:
                raise DecodeError("element-length", f"variable length of field type {type_}", at)
            at += 4
            yield Field(type_, length), at

    def read_empty(self, set_id: int, template_id: int, at: int) -> None:
        """Report it: version 9 has no withdrawal."""
        message = f"template {template_id} of FlowSet {set_id} has no fields"
        self._faults.add("template-fields", message, at)
