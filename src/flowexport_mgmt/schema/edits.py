"""An edit as every door hands it to the datastore: checked against the schema, values canonical."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from flowexport_mgmt.schema.nodes import SchemaNode


class Operation(enum.StrEnum):
    """What to do with a node (RFC 6241, section 7.2); NONE only as a default operation."""

    MERGE = "merge"
    REPLACE = "replace"
    CREATE = "create"
    DELETE = "delete"
    REMOVE = "remove"
    NONE = "none"


DELETING = frozenset((Operation.DELETE, Operation.REMOVE))


class Where(enum.StrEnum):
    """Where an entry of a list ordered by the user goes (RFC 7950, section 7.8.6)."""

    FIRST = "first"
    LAST = "last"
    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Insertion:
    """A place among the siblings: ``anchor`` holds canonical keys, or the value of a leaf-list."""

    where: Where
    anchor: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EditNode:
    """A node of an edit.

    ``path`` is the instance path with module prefixes, as faults carry it. ``operation`` is what
    the node itself says, or None where it inherits. ``keys`` are the canonical key values of a list
    entry in the order of the schema; keys are not repeated in ``children``. ``value`` is the
    canonical value of a leaf or leaf-list entry; None for a leaf that is deleted without one.
    ``insertion`` only in a list ordered by the user.
    """

    schema: SchemaNode
    path: str
    operation: Operation | None = None
    keys: tuple[str, ...] = ()
    value: str | None = None
    insertion: Insertion | None = None
    children: tuple[EditNode, ...] = ()
