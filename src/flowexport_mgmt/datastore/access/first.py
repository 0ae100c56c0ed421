"""Access at the first start: whoever the first configuration lets in may do everything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.edits import EditNode
from flowexport_mgmt.schema.from_json import edits_from_json

_MODULE = "ietf-netconf-acm"
_GROUP = "admin"


def with_first_access(schema: SchemaContext, edits: tuple[EditNode, ...]) -> tuple[EditNode, ...]:
    """Add rules of access to a first configuration that has none.

    They are there to be seen and changed: its users are the group ``admin``, which may do
    everything; nobody else may write.
    """
    if any(edit.schema.module == _MODULE for edit in edits):
        return edits
    rule = {"name": "everything", "module-name": "*", "access-operations": "*", "action": "permit"}
    nacm = {
        "write-default": "deny",
        "groups": {"group": [{"name": _GROUP, "user-name": list(_users(edits))}]},
        "rule-list": [{"name": _GROUP, "group": [_GROUP], "rule": [rule]}],
    }
    document = msgspec.json.encode({f"{_MODULE}:nacm": nacm})
    return (*edits, *edits_from_json(schema, document))


def _users(edits: Iterable[EditNode]) -> Iterator[str]:
    for edit in edits:
        if edit.schema.schema_path == "/server/user":
            yield edit.keys[0]
        elif edit.schema.schema_path == "/server":
            yield from _users(edit.children)
