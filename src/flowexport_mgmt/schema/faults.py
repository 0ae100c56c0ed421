"""From what the library says to faults (RFC 7950, section 15)."""

from __future__ import annotations

import re

from flowexport_mgmt.errors import ErrorTag, Fault
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.library import ErrorItem, LibraryError
from flowexport_mgmt.schema.paths import parse_path

_LOCATION = re.compile(r'(?:Data|Schema) location "(.*?)"(?:,? line number \d+)?\.?$', re.DOTALL)
_INSTANCES = re.compile(r'^Unique data leaf\(s\) "(.*?)" not satisfied in "(.*)" and "(.*)"\.$')
_CONDITION = re.compile(r'^When condition "(.*)" not satisfied\.$', re.DOTALL)

_BY_APP_TAG = {
    "instance-required": ErrorTag.DATA_MISSING,
    "missing-choice": ErrorTag.DATA_MISSING,
}
_BY_MESSAGE = (
    ("When condition", ErrorTag.UNKNOWN_ELEMENT, ""),
    ("Mandatory node", ErrorTag.DATA_MISSING, "missing-mandatory"),
    ("Duplicate instance", ErrorTag.BAD_ELEMENT, "data-not-unique"),
    ("Data for both cases", ErrorTag.BAD_ELEMENT, ""),
)


def validation_fault(schema: SchemaContext, error: LibraryError) -> Fault:
    """Word a validation error as a fault."""
    if not error.items:
        return Fault(tag=ErrorTag.OPERATION_FAILED, message=str(error))
    item = error.items[-1]
    tag, app_tag = _classify(item)
    message = _CONDITION.sub(r"this node exists only when \1", item.message)
    path = schema.prefixed(location(item))
    info: dict[str, str] = {}
    if tag in (ErrorTag.UNKNOWN_ELEMENT, ErrorTag.BAD_ELEMENT):
        info["bad-element"] = last_name(path)
    if item.app_tag == "data-not-unique":
        info["non-unique"] = "\n".join(_non_unique(schema, item))
    return Fault(tag=tag, message=message, app_tag=app_tag, path=path, info=info)


def last_name(path: str) -> str:
    """Give the name of the last node of a prefixed path."""
    try:
        return parse_path(path)[-1].name
    except (ValueError, IndexError):
        return path


def _classify(item: ErrorItem) -> tuple[ErrorTag, str]:
    for start, tag, app_tag in _BY_MESSAGE:
        if item.message.startswith(start):
            return tag, app_tag
    return _BY_APP_TAG.get(item.app_tag, ErrorTag.OPERATION_FAILED), item.app_tag


def location(item: ErrorItem) -> str:
    """Give the path in a library error, with module names; empty without one."""
    match = _LOCATION.match(item.path)
    return match[1] if match else ""


def _non_unique(schema: SchemaContext, item: ErrorItem) -> list[str]:
    """Give the paths of all leaves that break a unique statement (RFC 7950, section 15.1)."""
    match = _INSTANCES.match(item.message)
    if match is None:
        return []
    paths = (
        schema.prefixed(f"{entry}/{leaf}")
        for entry in match.group(2, 3)
        for leaf in match[1].split()
    )
    return [path for path in paths if path]
