"""The operational commands, declared as data: their words, what they read, what they render.

A command is one entry of :data:`COMMANDS`. Parsing, help, the request and the output all follow
from it, so that a further command is a further entry.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from flowexport_mgmt.cli.values import Struct, Value, identity, unix_seconds
from flowexport_mgmt.errors import FlowExportError
from flowexport_mgmt.link.messages import Finding, RecentFlow
from flowexport_mgmt.model import flow_export, interfaces, nacm, server

_FLOW_EXPORT: Final = "urn:flowexport:flow-export"
_MANAGEMENT: Final = "urn:flowexport:flow-export-management"
_SERVER: Final = "urn:flowexport:flow-export-server"
_ACCESS: Final = "urn:ietf:params:xml:ns:yang:ietf-netconf-acm"
_INTERFACES: Final = "urn:ietf:params:xml:ns:yang:ietf-interfaces"


class UsageError(FlowExportError):
    """A command line that is no command, or a name that does not exist."""


@dataclass(frozen=True, slots=True)
class Field:
    """A member of the rendered object: its name, where its value is, how it is turned."""

    name: str
    path: str
    convert: Callable[[Value], Value] | None = None
    default: Value | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Read the entries of one list and render chosen fields of each.

    ``path`` leads from the top container to the node that holds the list ``entry``; ``structs``
    are the types of that node; ``absent`` is the answer when the node does not exist.
    """

    namespace: str
    path: tuple[str, ...]
    structs: tuple[Struct, ...]
    entry: str
    noun: str
    fields: tuple[Field, ...]
    absent: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Have an operation carried out and render its output's list ``entry``, of type ``struct``.

    The command's key value, if one is given, is its parameter ``parameter``.
    """

    namespace: str
    name: str
    parameter: str
    entry: str
    struct: Struct
    failure: tuple[str, Value] | None = None
    """A member, and the value of it that makes the program end as one that failed."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """Read a whole datastore and render it with RFC 7951's names."""

    datastore: str
    structs: MappingProxyType[str, Struct]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command: its words, its help, what it does, and the list key it may be narrowed with."""

    words: tuple[str, ...]
    help: str
    action: Listing | Configuration | Operation
    key: str = ""
    value: str = ""

    @property
    def usage(self) -> str:
        """The command as it is typed, such as ``show interfaces [name NAME]``."""
        narrowed = f" [{self.key} {self.value or self.key.upper()}]" if self.key else ""
        return " ".join(self.words) + narrowed


def _same(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, name) for name in names)


def _below(parent: str, *names: str) -> tuple[Field, ...]:
    return tuple(Field(name, f"{parent}/{name}") for name in names)


COMMANDS: Final = (
    Command(
        words=("show", "flow-export"),
        help="the collectors and what was sent to them",
        key="name",
        action=Listing(
            namespace=_FLOW_EXPORT,
            path=("flow-export",),
            structs=(flow_export.FlowExport, flow_export.FlowExportState),
            entry="collector",
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
        ),
    ),
    Command(
        words=("show", "flow", "recent"),
        help="the latest flow records of connections, those to one prefix or all",
        key="dst",
        value="PREFIX",
        action=Operation(
            namespace=_FLOW_EXPORT,
            name="recent-flows",
            parameter="destination-prefix",
            entry="flow",
            struct=RecentFlow,
        ),
    ),
    Command(
        words=("doctor",),
        help="what is well and what is not, with the command that mends it",
        action=Operation(
            namespace=_MANAGEMENT,
            name="doctor",
            parameter="",
            entry="finding",
            struct=Finding,
            failure=("status", "error"),
        ),
    ),
    Command(
        words=("show", "interfaces"),
        help="the interfaces of this host and their counters",
        key="name",
        action=Listing(
            namespace=_INTERFACES,
            path=("interfaces",),
            structs=(interfaces.Interfaces,),
            entry="interface",
            noun="interface",
            absent=[],
            fields=(
                Field("name", "name"),
                Field("type", "type", identity),
                *_same("oper-status", "speed", "phys-address"),
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
        ),
    ),
    Command(
        words=("show", "sessions"),
        help="who is connected to the management doors",
        action=Listing(
            namespace=_SERVER,
            path=("server", "sessions"),
            structs=(server.Sessions,),
            entry="session",
            noun="session",
            absent=[],
            fields=(
                *_same("id", "user", "door", "source", "since"),
                Field("lock", "lock", default=[]),
                *_same("in-rpcs", "in-bad-rpcs", "out-rpc-errors"),
            ),
        ),
    ),
    Command(
        words=("show", "history"),
        help="the commits that are kept",
        action=Listing(
            namespace=_SERVER,
            path=("server", "history"),
            structs=(server.History,),
            entry="commit",
            noun="commit",
            absent=[],
            fields=_same("id", "time", "user", "door", "changes"),
        ),
    ),
    Command(
        words=("show", "configuration"),
        help="the running configuration",
        action=Configuration(
            "running",
            MappingProxyType(
                {
                    _FLOW_EXPORT: flow_export.FlowExport,
                    _SERVER: server.Server,
                    _ACCESS: nacm.Nacm,
                },
            ),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Invocation:
    """A parsed line: the command, and the key value that narrows it (None: all entries)."""

    command: Command
    name: str | None = None


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    column: int


_WORD: Final = re.compile(r'"(?P<quoted>[^"]*)"|(?P<plain>[^\s"]+)')


def parse(line: str) -> Invocation:
    """Read one command line; a name with spaces stands in double quotes.

    Raises:
        UsageError: with the line and a caret under the word that is wrong.
    """
    words = [
        _Word(found["plain"] or found["quoted"] or "", found.start())
        for found in _WORD.finditer(line)
    ]
    candidates: Sequence[Command] = COMMANDS
    depth = 0
    while depth < max(len(command.words) for command in candidates):
        candidates = _narrow(line, words, depth, candidates)
        depth += 1
    command = candidates[0]
    return Invocation(command, _key_value(line, words[len(command.words) :], command))


def _narrow(
    line: str, words: Sequence[_Word], depth: int, candidates: Sequence[Command]
) -> Sequence[Command]:
    """Keep the commands whose word at ``depth`` is the one that was typed."""
    expected = sorted({command.words[depth] for command in candidates})
    if depth >= len(words):
        raise _usage(line, len(line.rstrip()) + 1, f"more is needed: {', '.join(expected)}")
    word = words[depth]
    found = [command for command in candidates if command.words[depth] == word.text]
    if not found:
        message = f"unknown word '{word.text}', expected {', '.join(expected)}"
        raise _usage(line, word.column, message)
    return found


def _key_value(line: str, rest: Sequence[_Word], command: Command) -> str | None:
    if not rest:
        return None
    if not command.key or rest[0].text != command.key:
        raise _usage(line, rest[0].column, f"unexpected; the command is: {command.usage}")
    if len(rest) == 1:
        raise _usage(line, len(line.rstrip()) + 1, f"a {command.key} is missing")
    if len(rest) > 2:
        raise _usage(line, rest[2].column, f"unexpected; the command is: {command.usage}")
    return rest[1].text


def _usage(line: str, column: int, message: str) -> UsageError:
    return UsageError(f"{line.rstrip()}\n{' ' * column}^ {message}")
