"""The sets of a NetFlow v9 packet or an IPFIX message: templates, options templates and data."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, NamedTuple

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire.elements import VARIABLE
from flowexport_mgmt.wire.layouts import Layout, make_layout
from flowexport_mgmt.wire.messages import Faults, Record
from flowexport_mgmt.wire.sessions import Sequence
from flowexport_mgmt.wire.templates import Field
from flowexport_mgmt.wire.times import Clock, check_times
from flowexport_mgmt.wire.values import find_element, name_field

SESSION_BUDGET: Final = 262_144
"""Fields of templates, those of all exporters of a decoder together."""

_MAX_TEMPLATES: Final = 1024  # of a session
_MAX_FIELDS: Final = 16_384  # of a session
_MAX_EMPTY: Final = 16  # fields of no length: records of them cost more than their octets
_FIRST_DATA_SET: Final = 256
_HEADER: Final = struct.Struct(">HH")


@dataclass(slots=True)
class Session:
    """One observation domain of one exporter; ``weight`` counts the fields of its templates."""

    sequence: Sequence = field(default_factory=Sequence)
    export_time_s: int = 0
    uptime_ms: int | None = None
    templates: dict[int, Layout] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    weight: int = 0

    def learn(self, template_id: int, layout: Layout) -> bool:
        """Keep a template in place of an older one; False when there is no room for it."""
        self.forget(template_id)
        weight = self.weight + len(layout.fields)
        if weight > _MAX_FIELDS or len(self.templates) >= _MAX_TEMPLATES:
            return False
        self.templates[template_id] = layout
        self.kinds[layout.kind] += 1
        self.weight = weight
        return True

    def forget(self, template_id: int) -> None:
        """Drop a template, if it is known."""
        layout = self.templates.pop(template_id, None)
        if layout is not None:
            self.kinds[layout.kind] -= 1
            self.weight -= len(layout.fields)

    def forget_kind(self, kind: str) -> None:
        """Drop all templates of a kind."""
        if self.kinds[kind]:
            for known in [key for key, one in self.templates.items() if one.kind == kind]:
                self.forget(known)


class TemplateHead(NamedTuple):
    """The head of a template record: how many fields follow at ``at``, the scope ones first."""

    id: int
    fields: int
    scopes: int
    at: int


class SetReader(ABC):
    """Reads the sets of one message; the two protocols differ in how templates are written.

    A fault inside a set is reported and ends that set, not the message. ``complete`` tells whether
    every record could be read, so that they can be counted.
    """

    template_set: ClassVar[int]
    options_set: ClassVar[int]
    longest_padding: ClassVar[int]
    aligned: ClassVar[bool]
    scope_types: ClassVar[Mapping[int, str] | None]
    """Names of scope types; None where scope fields are information elements."""

    def __init__(self, data: bytes, session: Session, clock: Clock, faults: Faults) -> None:
        self._data = data
        self._session = session
        self._clock = clock
        self._faults = faults
        self.records: list[Record] = []
        self.templates = 0
        self.complete = True

    @abstractmethod
    def read_head(self, set_id: int, at: int, end: int) -> TemplateHead:
        """Read the head of a template record."""

    @abstractmethod
    def read_fields(self, at: int, end: int, count: int) -> Iterator[tuple[Field, int]]:
        """Read field specifiers, each with the octet that follows it."""

    @abstractmethod
    def read_empty(self, set_id: int, template_id: int, at: int) -> None:
        """Handle a template without fields."""

    def read(self, at: int, end: int) -> None:
        """Read all sets between two octets of the message.

        Raises:
            DecodeError: a set does not end inside of the message, so that none can follow.
        """
        while end - at >= _HEADER.size:
            set_id, length = _HEADER.unpack_from(self._data, at)
            if length < _HEADER.size:
                self.complete = False
                raise DecodeError("set-length", f"set {set_id} has length {length}", at + 2)
            if length > end - at:
                self.complete = False
                message = f"set {set_id} of {length} octets with {end - at} left"
                raise DecodeError("set-overrun", message, at + 2)
            if self.aligned and length % 4:
                self._faults.add("set-alignment", f"length {length} of set {set_id}", at + 2)
            self._isolate(set_id, at, at + length)
            at += length
        if at < end:
            raise DecodeError("message-length", f"{end - at} octets follow the last set", at)

    def _isolate(self, set_id: int, at: int, end: int) -> None:
        try:
            self._read_set(set_id, at + _HEADER.size, end)
        except DecodeError as fault:
            self.complete = False
            self._faults.append(fault)

    def _read_set(self, set_id: int, at: int, end: int) -> None:
        if at == end:
            self._faults.add("set-empty", f"set {set_id} holds nothing", at)
        elif set_id in (self.template_set, self.options_set):
            self._read_templates(set_id, at, end)
        elif set_id < _FIRST_DATA_SET:
            raise DecodeError("set-id", f"set id {set_id} is reserved", at - _HEADER.size)
        elif set_id in self._session.templates:
            self._read_data(self._session.templates[set_id], at, end)
        else:
            message = f"data of template {set_id}, which is not known"
            raise DecodeError("template-missing", message, at - _HEADER.size)

    def _read_data(self, layout: Layout, at: int, end: int) -> None:
        while end - at >= layout.least:
            fields, following = layout.read(self._data, at, end)
            self.records.append(Record(layout.kind, fields, at))
            check_times(fields, self._clock, self._faults, at)
            at = following
        self._check_padding(at, end)

    def _check_padding(self, at: int, end: int) -> None:
        if end - at > self.longest_padding:
            raise DecodeError("partial-record", f"{end - at} octets are no whole record", at)
        if any(self._data[at:end]):
            self._faults.add("set-padding", "padding is not zero", at)

    def _read_templates(self, set_id: int, at: int, end: int) -> None:
        while end - at >= _HEADER.size and (end - at > 7 or any(self._data[at:end])):
            at = self._read_template(set_id, at, end)
        self._check_padding(at, end)

    def _read_template(self, set_id: int, at: int, end: int) -> int:
        head = self.read_head(set_id, at, end)
        self.templates += 1
        if head.fields == 0:
            self.read_empty(set_id, head.id, at)
            return head.at
        fields, following = [], head.at
        for specifier, after in self.read_fields(head.at, end, head.fields):
            fields.append(specifier)
            following = after
        kind = "options" if set_id == self.options_set else "data"
        layout = make_layout(kind, fields, head.scopes, self.scope_types)
        self._check_fields(
            head.id, fields if self.scope_types is None else fields[head.scopes :], at
        )
        self._learn(head.id, layout, at)
        return following

    def _learn(self, template_id: int, layout: Layout, at: int) -> None:
        """Keep a template, unless it is one that no data can follow."""
        known = self._session.templates.get(template_id)
        if known is not None and known.differs(layout):
            self._faults.add("template-redefined", f"template {template_id} changed", at)
        if template_id < _FIRST_DATA_SET:
            self._faults.add("template-id", f"template id {template_id} is below 256", at)
        elif layout.least == 0:
            self._faults.add("template-fields", f"template {template_id} has no length", at)
        elif layout.empty > _MAX_EMPTY:
            message = f"template {template_id} has {layout.empty} fields of no length"
            self._faults.add("template-fields", message, at)
        elif not self._session.learn(template_id, layout):
            self._faults.add("template-limit", f"no room for template {template_id}", at)

    def _check_fields(self, template_id: int, fields: list[Field], at: int) -> None:
        for specifier in fields:
            element = find_element(specifier)
            where = f"{name_field(specifier)} in template {template_id}"
            if element is not None:
                accepted = element.accepts(specifier.length)
            else:
                accepted = specifier.length > 0
                if not specifier.enterprise:
                    self._faults.add("element-unknown", where, at)
            if not accepted:
                length = "variable" if specifier.length == VARIABLE else specifier.length
                self._faults.add("element-length", f"length {length} of {where}", at)
