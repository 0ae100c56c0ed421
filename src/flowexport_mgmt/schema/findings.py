"""The faults of one edit while it is read, and the checks that all encodings share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flowexport_mgmt.errors import ErrorTag, ErrorType, Fault, ManagementError
from flowexport_mgmt.schema.edits import DELETING, EditNode
from flowexport_mgmt.schema.library import LibraryError
from flowexport_mgmt.schema.nodes import Kind, SchemaNode

LIMIT = 256
"""Faults that are reported of one request; a request may hold millions."""

_DUPLICATE = "data-not-unique"


class Findings:
    """Collects faults up to the limit."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._more = 0

    def add(
        self,
        tag: ErrorTag,
        message: str,
        *,
        path: str = "",
        app_tag: str = "",
        type: ErrorType = ErrorType.APPLICATION,  # noqa: A002 - the name in RFC 6241
        **info: str,
    ) -> None:
        """Note a fault; underscores in the names of ``info`` are hyphens."""
        if len(self._faults) >= LIMIT:
            self._more += 1
            return
        named = {name.replace("_", "-"): value for name, value in info.items()}
        self._faults.append(
            Fault(tag=tag, message=message, type=type, app_tag=app_tag, path=path, info=named)
        )

    def add_value_error(self, error: LibraryError, schema: SchemaNode, path: str) -> None:
        """Note that a value is not of its leaf's type."""
        item = error.items[-1]
        message = item.message
        if message.startswith("Invalid union"):  # the library does not say what was wanted
            message = f"not a value of type {schema.type_name}"
        self.add(ErrorTag.INVALID_VALUE, message, path=path, app_tag=item.app_tag)

    def raise_if_any(self) -> None:
        """Raise ManagementError when a fault was noted."""
        if self._faults:
            raise self.error

    @property
    def error(self) -> ManagementError:
        """What was noted."""
        last = f"{self._more} further faults are not listed"
        more = (Fault(tag=ErrorTag.OPERATION_FAILED, message=last),) if self._more else ()
        return ManagementError((*self._faults, *more))


def check_siblings(findings: Findings, nodes: Sequence[EditNode]) -> None:
    """Note what appears twice among siblings, and data of two cases of one choice."""
    if len(nodes) < 2:
        return
    _check_duplicates(findings, nodes)
    _check_cases(findings, nodes)


def _check_duplicates(findings: Findings, nodes: Iterable[EditNode]) -> None:
    seen: set[tuple[int, tuple[str, ...], str | None]] = set()
    for node in nodes:
        schema = node.schema
        value = node.value if schema.kind is Kind.LEAF_LIST else None
        instance = (id(schema), node.keys, value)
        if instance in seen:
            what = "entry" if schema.is_list else schema.kind.name.lower()
            findings.add(
                ErrorTag.BAD_ELEMENT,
                f"this {what} appears more than once in the edit",
                path=node.path,
                app_tag=_DUPLICATE,
                bad_element=schema.name,
            )
        seen.add(instance)


def _check_cases(findings: Findings, nodes: Iterable[EditNode]) -> None:
    chosen: dict[int, int] = {}
    for node in nodes:
        if node.operation in DELETING:
            continue
        for choice, case in node.schema.cases:
            if chosen.setdefault(choice, case) != case:
                findings.add(
                    ErrorTag.BAD_ELEMENT,
                    "the edit holds data of another case of the same choice",
                    path=node.path,
                    bad_element=node.schema.name,
                )


def note_unknown(findings: Findings, name: str, path: str, namespace: str, *, known: bool) -> None:
    """Note an element that no module has at this place, or whose namespace nobody knows."""
    if known:
        findings.add(
            ErrorTag.UNKNOWN_ELEMENT, f"unknown element {name}", path=path, bad_element=name
        )
        return
    findings.add(
        ErrorTag.UNKNOWN_NAMESPACE,
        f"element {name} is in the unknown namespace {namespace!r}"
        if namespace
        else f"element {name} is in no namespace",
        path=path,
        bad_element=name,
        bad_namespace=namespace,
    )


def note_state(findings: Findings, schema: SchemaNode, path: str) -> None:
    """Note an attempt to configure state."""
    findings.add(
        ErrorTag.UNKNOWN_ELEMENT,
        f"{schema.name} is operational state and cannot be configured",
        path=schema.place(path),
        bad_element=schema.name,
    )


def note_unsupported(findings: Findings, schema: SchemaNode, path: str) -> None:
    """Note a node that no schema describes inside."""
    findings.add(
        ErrorTag.OPERATION_NOT_SUPPORTED,
        f"{schema.kind.name.lower()} {schema.name} cannot be configured",
        path=schema.place(path),
    )


def note_missing_key(findings: Findings, key: SchemaNode, path: str) -> None:
    """Note that an entry lacks a key; ``path`` is that of the list."""
    findings.add(
        ErrorTag.MISSING_ELEMENT,
        f"the list entry lacks its key {key.name}",
        path=path,
        bad_element=key.name,
    )


def note_repeated_key(findings: Findings, key: SchemaNode, path: str) -> None:
    """Note that an entry has a key twice; ``path`` is that of the list."""
    findings.add(
        ErrorTag.BAD_ELEMENT,
        f"the key {key.name} appears more than once",
        path=path,
        app_tag=_DUPLICATE,
        bad_element=key.name,
    )
