"""Lists of chosen members: what the commands for every day show of a part of the state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lxml import etree

from flowexport_mgmt.cli.commands.command import Invocation
from flowexport_mgmt.cli.commands.reading import raw_text
from flowexport_mgmt.cli.config.document import filter_of
from flowexport_mgmt.cli.grammar.paths import Step
from flowexport_mgmt.cli.grammar.words import UsageError
from flowexport_mgmt.cli.operator import Operator, node_at
from flowexport_mgmt.cli.pipes.answer import Answer
from flowexport_mgmt.cli.values import Object, Value, pick, typed, unix_seconds
from flowexport_mgmt.schema.grammar import Node


@dataclass(frozen=True, slots=True)
class Field:
    """A member of the rendered object: its name, where its value is, how it is turned."""

    name: str
    path: str
    convert: Callable[[Value], Value] | None = None
    default: Value = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Read the entries of one list and render chosen members of each.

    ``path`` is that of the list; ``absent`` the answer when what holds the list does not exist.
    """

    path: str
    noun: str
    fields: tuple[Field, ...]
    absent: Value
    ranked: bool = False
    """Whether entries are numbered backward, the latest as 0, as ``rollback`` counts them."""

    def __call__(self, operator: Operator, invocation: Invocation) -> Answer:
        """Read and render all entries as a list, or the one of a name as an object.

        Raises:
            UsageError: no entry has that name.
        """
        *above, entry = node_at(operator.grammar, self.path)
        data = operator.session.get([filter_of(tuple(Step(node) for node in above))])
        holder = data.find("/".join(node.tag for node in above))
        raw = raw_text(data, operator.grammar)
        if holder is None:
            return Answer(value=self.absent, raw=raw)
        value = self._rendered(holder, entry, invocation.text("name") or None)
        return Answer(value=value, raw=raw)

    def _rendered(self, holder: etree._Element, node: Node, name: str | None) -> Value:
        entries = [typed(found, node) for found in holder.iterchildren(node.tag)]
        if name is None:
            rows = [self._object(entry) for entry in entries]
            return list(self._ranked(rows) if self.ranked else rows)
        for entry in entries:
            if pick(entry, "name") == name:
                return self._object(entry)
        raise UsageError(f"{self.noun} not found: {name}")

    def _ranked(self, rows: list[Object]) -> list[Object]:
        return [{"rollback": len(rows) - 1 - i, **row} for i, row in enumerate(rows)]

    def _object(self, entry: Value) -> Object:
        result: Object = {}
        for field in self.fields:
            value = pick(entry, field.path)
            if value is None:
                value = field.default
            elif field.convert is not None:
                value = field.convert(value)
            if value is not None:
                result[field.name] = value
        return result


def _same(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, name) for name in names)


def _below(parent: str, *names: str) -> tuple[Field, ...]:
    return tuple(Field(name, f"{parent}/{name}") for name in names)


COLLECTORS: Final = Listing(
    path="flow-export/collector",
    noun="collector",
    absent={"status": "not-configured"},
    fields=(
        Field("name", "name"),
        Field("address", "address"),
        Field("port", "port", default=6343),
        Field("protocol", "protocol"),
        Field("datagrams-sent", "statistics/datagrams-sent", default=0),
        Field("bytes-sent", "statistics/bytes-sent", default=0),
        Field("errors", "statistics/errors", default=0),
        Field("sequence", "statistics/sequence", default=0),
        Field("last-export-time", "statistics/last-export-time", unix_seconds),
    ),
)
INTERFACES: Final = Listing(
    path="interfaces/interface",
    noun="interface",
    absent=[],
    fields=(
        *_same("name", "type", "oper-status", "speed", "phys-address"),
        *_below(
            "statistics",
            "in-octets",
            "in-unicast-pkts",
            "in-multicast-pkts",
            "in-broadcast-pkts",
            "in-discards",
            "in-errors",
            "in-unknown-protos",
            "out-octets",
            "out-unicast-pkts",
            "out-multicast-pkts",
            "out-broadcast-pkts",
            "out-discards",
            "out-errors",
            "discontinuity-time",
        ),
    ),
)
SESSIONS: Final = Listing(
    path="server/sessions/session",
    noun="session",
    absent=[],
    fields=(
        *_same("id", "user", "door", "source", "since"),
        Field("lock", "lock", default=[]),
        *_same("in-rpcs", "in-bad-rpcs", "out-rpc-errors"),
    ),
)
HISTORY: Final = Listing(
    path="server/history/commit",
    noun="commit",
    absent=[],
    fields=_same("id", "time", "user", "door", "changes", "comment", "label"),
    ranked=True,
)
