"""The attributes of an edit.

Those are the operation (RFC 6241, section 7.2), the place in a list (RFC 7950, section 7.8.6), and
the tag of a value that is the schema's (RFC 6243, section 6).
"""

from __future__ import annotations

from typing import NamedTuple

from lxml import etree

from flowexport_mgmt.errors import ErrorTag, ErrorType
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.edits import DELETING, Insertion, Operation, Where
from flowexport_mgmt.schema.findings import Findings
from flowexport_mgmt.schema.library import LibraryError
from flowexport_mgmt.schema.nodes import Kind, SchemaNode
from flowexport_mgmt.schema.paths import parse_predicates
from flowexport_mgmt.schema.values import canonical_xml

NETCONF = "urn:ietf:params:xml:ns:netconf:base:1.0"
WITH_DEFAULTS = "urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults"
YANG = "urn:ietf:params:xml:ns:yang:1"

_OPERATION = f"{{{NETCONF}}}operation"
_INSERT, _KEY, _VALUE = (f"{{{YANG}}}{name}" for name in ("insert", "key", "value"))
_DEFAULT = f"{{{WITH_DEFAULTS}}}default"
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
_KNOWN = {_OPERATION, _INSERT, _KEY, _VALUE}


class Attributes(NamedTuple):
    """What an element's attributes say."""

    operation: Operation | None = None
    insertion: Insertion | None = None


class AttributeReader:
    """Reads attributes; ``allowed`` is false where the data is a whole configuration."""

    def __init__(self, schema: SchemaContext, findings: Findings, *, allowed: bool) -> None:
        self._schema = schema
        self._findings = findings
        self._allowed = allowed

    def peek(self, element: etree._Element) -> Operation | None:
        """Give the operation of an element without noting faults."""
        if not element.attrib:
            return None
        try:
            return Operation(element.get(_OPERATION, ""))
        except ValueError:
            return None

    def read(
        self, element: etree._Element, schema: SchemaNode, path: str, within: Operation | None
    ) -> Attributes:
        """Read and check all attributes of a node; ``within`` is set below a deleted node."""
        if not element.attrib:
            return Attributes()
        for name in map(str, element.attrib):
            if name == _DEFAULT and schema.is_term and not schema.is_key:
                continue
            if name not in _KNOWN or not self._allowed:
                self._note(ErrorTag.UNKNOWN_ATTRIBUTE, "unknown attribute", name, schema, path)
        if not self._allowed:
            return Attributes()
        operation = self._operation(element, schema, path)
        if within and operation and operation not in DELETING:
            self._note(
                ErrorTag.BAD_ATTRIBUTE,
                f"{operation} below a node of {within}",
                _OPERATION,
                schema,
                path,
            )
        return Attributes(operation, self._insertion(element, schema, path))

    def is_default(
        self,
        element: etree._Element,
        schema: SchemaNode,
        path: str,
        value: str | None,
        operation: Operation | None,
    ) -> bool:
        """Tell whether a leaf is tagged as holding the value of the schema; it must do so then."""
        tag = element.get(_DEFAULT)
        if tag is None:
            return False
        if tag not in _TRUTH:
            self._note(ErrorTag.BAD_ATTRIBUTE, "neither true nor false", _DEFAULT, schema, path)
        elif operation in DELETING:
            message = f"a value of the schema with the operation {operation}"
            self._note(ErrorTag.BAD_ATTRIBUTE, message, _DEFAULT, schema, path)
        elif _TRUTH[tag] and value not in schema.defaults:
            message = f"{value!r} is tagged as the value of the schema and is not"
            self._findings.add(ErrorTag.INVALID_VALUE, message, path=path)
        return _TRUTH.get(tag, False)

    def check_key(
        self, element: etree._Element, key: SchemaNode, path: str, entry: Attributes
    ) -> None:
        """Check a key: it may repeat the operation of its entry and has none of its own."""
        operation = self.read(element, key, path, None).operation
        if operation not in (None, Operation.MERGE, entry.operation):
            self._note(
                ErrorTag.BAD_ATTRIBUTE,
                f"a key cannot be the subject of {operation}",
                _OPERATION,
                key,
                path,
            )

    def _operation(
        self, element: etree._Element, schema: SchemaNode, path: str
    ) -> Operation | None:
        text = element.get(_OPERATION)
        if text is None:
            return None
        try:
            operation = Operation(text)
        except ValueError:
            operation = Operation.NONE
        if operation is Operation.NONE:
            message = f"{text!r} is not an edit operation"
            self._note(ErrorTag.BAD_ATTRIBUTE, message, _OPERATION, schema, path)
            return None
        return operation

    def _insertion(
        self, element: etree._Element, schema: SchemaNode, path: str
    ) -> Insertion | None:
        given = [name for name in (_INSERT, _KEY, _VALUE) if element.get(name) is not None]
        if not given:
            return None
        if not schema.user_ordered:
            for name in given:
                self._note(
                    ErrorTag.UNKNOWN_ATTRIBUTE,
                    "entries are not ordered by the user",
                    name,
                    schema,
                    path,
                )
            return None
        try:
            where = Where(element.get(_INSERT, ""))
        except ValueError:
            self._note(ErrorTag.BAD_ATTRIBUTE, "no such place", _INSERT, schema, path)
            return None
        if where in (Where.FIRST, Where.LAST):
            return Insertion(where)
        return self._beside(element, schema, path, where)

    def _beside(
        self, element: etree._Element, schema: SchemaNode, path: str, where: Where
    ) -> Insertion | None:
        name = _KEY if schema.kind is Kind.LIST else _VALUE
        text = element.get(name)
        if text is None:
            self._note(
                ErrorTag.MISSING_ATTRIBUTE,
                f"insert {where} needs the entry to be beside",
                name,
                schema,
                path,
            )
            return None
        try:
            return Insertion(where, self._anchor(element, schema, text))
        except (LibraryError, ValueError) as error:
            self._note(ErrorTag.BAD_ATTRIBUTE, str(error), name, schema, path)
            return None

    def _anchor(self, element: etree._Element, schema: SchemaNode, text: str) -> tuple[str, ...]:
        if schema.kind is Kind.LEAF_LIST:
            return (canonical_xml(self._schema, schema, text, element),)
        given = dict(parse_predicates(text.strip()))
        if set(given) != {key.name for key in schema.keys}:
            raise ValueError(f"the keys are {', '.join(key.name for key in schema.keys)}")
        return tuple(
            canonical_xml(self._schema, key, given[key.name], element) for key in schema.keys
        )

    def _note(
        self, tag: ErrorTag, message: str, attribute: str, schema: SchemaNode, path: str
    ) -> None:
        name = etree.QName(attribute).localname
        self._findings.add(
            tag,
            f"attribute {name} of {schema.name}: {message}",
            path=path,
            type=ErrorType.PROTOCOL,
            bad_attribute=name,
            bad_element=schema.name,
        )
