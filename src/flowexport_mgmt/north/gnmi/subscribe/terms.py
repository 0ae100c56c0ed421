"""What a subscriber asks for, read from its first message."""

from __future__ import annotations

import enum
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from _libyang import lib

from flowexport_mgmt.north.gnmi.messages import Encoding, ListMode, Mode
from flowexport_mgmt.north.gnmi.paths import (
    CLI,
    DEEP,
    Element,
    Instance,
    Pattern,
    asked_paths,
    is_named,
    read_path,
    resolve,
)
from flowexport_mgmt.north.gnmi.requests import read_encoding, read_extensions, read_models
from flowexport_mgmt.north.gnmi.shape import Shape
from flowexport_mgmt.north.gnmi.status import invalid, unimplemented
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.nodes import SchemaNode

_MAX_PATHS: Final = 1024
_MILLISECOND: Final = 1_000_000
_LONGEST: Final = 86_400 * 1000 * _MILLISECOND
"""The longest interval that is kept; a longer one is shortened to it."""
OWN_INTERVAL: Final = 10_000 * _MILLISECOND
"""How often counters are sent when the client leaves it to us."""

_NUMBERS: Final = frozenset(
    (lib.LY_TYPE_INT8, lib.LY_TYPE_INT16, lib.LY_TYPE_INT32, lib.LY_TYPE_INT64,
     lib.LY_TYPE_UINT8, lib.LY_TYPE_UINT16, lib.LY_TYPE_UINT32, lib.LY_TYPE_UINT64,
     lib.LY_TYPE_DEC64)
)  # fmt: skip
_TIMES: Final = frozenset(("date-and-time", "timestamp", "timeticks"))


class Class(enum.IntEnum):
    """What makes a leaf change: a commit, an event, or the mere passing of time."""

    CONFIGURATION = 0
    STATE = 1
    COUNTER = 2


@functools.lru_cache(maxsize=4096)
def class_of(node: SchemaNode) -> Class:
    """Tell what makes a leaf change: of the state, numbers and times change all the time."""
    if node.config:
        return Class.CONFIGURATION
    if node.is_any:
        return Class.STATE
    timed = node.type_name.rpartition(":")[2] in _TIMES
    return Class.COUNTER if timed or node.base_types <= _NUMBERS else Class.STATE


@dataclass(frozen=True, slots=True)
class Wanted:
    """One subscription of a list; intervals are nanoseconds, 0 is never."""

    pattern: Pattern
    paths: tuple[str, ...]
    mode: Mode
    has_state: bool
    has_configuration: bool
    interval: int = 0
    heartbeat: int = 0
    suppress: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """A subscription list. Those of one user with equal terms are served together."""

    user: str
    recovery: bool
    mode: ListMode
    wanted: tuple[Wanted, ...]
    encoding: Encoding
    origin: str
    target: str
    shape: Shape


def read_terms(
    schema: SchemaContext, request: Any, user: str, *, recovery: bool, shortest: int
) -> Terms:
    """Read a subscription list; ``shortest`` is the least interval, in nanoseconds.

    Raises:
        RpcError: what is wrong with it.
    """
    given = request.subscribe
    extensions = read_extensions(request.extension, allowed=("depth",))
    try:
        mode = ListMode(given.mode)
    except ValueError:
        raise invalid(f"there is no mode {given.mode}") from None
    if not 1 <= len(given.subscription) <= _MAX_PATHS:
        raise invalid(f"a subscription list has 1 to {_MAX_PATHS} subscriptions")
    encoding = read_encoding(given.encoding)
    if encoding is Encoding.ASCII:
        raise unimplemented("encoding ASCII is supported for origin cli only")
    return Terms(
        user=user,
        recovery=recovery,
        mode=mode,
        wanted=tuple(
            _read_wanted(schema, given.prefix, one, mode, shortest) for one in given.subscription
        ),
        encoding=encoding,
        origin=str(given.prefix.origin),
        target=str(given.prefix.target),
        shape=Shape(models=read_models(schema, given.use_models), depth=extensions.depth),
    )


def _read_wanted(
    schema: SchemaContext, prefix: Any, given: Any, list_mode: ListMode, shortest: int
) -> Wanted:
    pattern = read_path(schema, prefix, given.path)
    if pattern.origin == CLI:
        raise unimplemented("origin cli is not served by Subscribe")
    pattern, nodes = resolve(schema, pattern)
    paths = asked_paths(schema, pattern, nodes)
    has_state = not nodes or any(_has_state(node) for node in nodes)
    has_configuration = not nodes or any(node.config for node in nodes)
    if list_mode is not ListMode.STREAM:
        return Wanted(pattern, paths, Mode.SAMPLE, has_state, has_configuration)
    try:
        mode = Mode(given.mode)
    except ValueError:
        raise invalid(f"{pattern}: there is no subscription mode {given.mode}") from None
    own = max(shortest, OWN_INTERVAL) if mode is Mode.TARGET_DEFINED else shortest
    sampled = mode is not Mode.ON_CHANGE
    return Wanted(
        pattern,
        paths,
        mode,
        has_state,
        has_configuration,
        interval=_interval(pattern, given.sample_interval, shortest, own) if sampled else 0,
        heartbeat=_interval(pattern, given.heartbeat_interval, shortest, 0),
        suppress=bool(given.suppress_redundant) and mode is Mode.SAMPLE,
    )


def _interval(pattern: Pattern, asked: int, shortest: int, otherwise: int) -> int:
    if not asked:
        return otherwise
    if asked < shortest:
        told = f"{asked / _MILLISECOND:g} ms is shorter than {shortest // _MILLISECOND} ms"
        raise invalid(f"{pattern}: an interval of {told}, which is the shortest here")
    return min(int(asked), _LONGEST)


def _has_state(node: SchemaNode) -> bool:
    return not node.config or (
        not node.is_term and any(_has_state(child) for child in node.children.values())
    )


def reach(elements: Sequence[Element], instance: Instance, at: int = 0) -> int | None:
    """Give how many nodes from the top of an instance are the first that a path chooses."""
    if not elements:
        return at
    element, rest = elements[0], elements[1:]
    if element.name == DEEP:
        ends = (reach(rest, instance, start) for start in range(at, len(instance) + 1))
        return next((end for end in ends if end is not None), None)
    if at < len(instance) and is_named(instance[at].schema, element):
        return reach(rest, instance, at + 1)
    return None
