"""Which nodes have their changes told (RFC 8641, section 3.10): those that an event announces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from flowexport_mgmt.datastore.changes import overlaps
from flowexport_mgmt.schema.nodes import SchemaNode

_STATUS: Final = "oper-status"
_WITH_STATUS: Final = frozenset({_STATUS, "oper-reason"})


def is_notifiable(schema: SchemaNode) -> bool:
    """Tell whether the changes of a node are told.

    Configuration changes by commits, and each change of an oper-status is an event; counters and
    the rest of the state change without a word.
    """
    if schema.config:
        return True
    above = schema.parent
    if above is None or schema.name not in _WITH_STATUS:
        return False
    status = (child for child in above.children.values() if child.name == _STATUS)
    return any(child.type_name.rpartition(":")[2] == _STATUS for child in status)


def has_notifiable(paths: Iterable[str], schemas: Mapping[str, SchemaNode]) -> bool:
    """Tell whether there is any notifiable node below some schema paths."""
    wanted = [path.rstrip("/") for path in paths]
    return any(_has(schema, wanted) for schema in schemas.values())


def _has(schema: SchemaNode, wanted: list[str]) -> bool:
    if not any(overlaps(schema.schema_path, path) for path in wanted):
        return False
    if schema.is_term:
        return is_notifiable(schema)
    return any(_has(child, wanted) for child in schema.children.values())
