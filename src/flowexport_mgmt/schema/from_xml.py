"""Edits from XML, as they stand in ``<config>``, fully checked against the schema."""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from flowexport_mgmt.errors import ErrorTag
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.edits import DELETING, EditNode, Operation
from flowexport_mgmt.schema.findings import (
    Findings,
    check_siblings,
    note_missing_key,
    note_repeated_key,
    note_state,
    note_unknown,
    note_unsupported,
)
from flowexport_mgmt.schema.library import LibraryError
from flowexport_mgmt.schema.nodes import Kind, SchemaNode
from flowexport_mgmt.schema.values import canonical_xml
from flowexport_mgmt.schema.xml_attributes import AttributeReader, Attributes

_Names = Mapping[str, SchemaNode]


def edits_from_xml(
    schema: SchemaContext, config: etree._Element, *, operations: bool = True
) -> tuple[EditNode, ...]:
    """Parse the children of a ``<config>`` element.

    Args:
        schema: the modules to check against.
        config: the element around the data; its own attributes are not looked at.
        operations: whether ``operation`` and insert attributes may appear, as in edit-config; else
            the data is a whole configuration, as in copy-config and validate.

    Raises:
        ManagementError: every fault that was found, each with its instance path.
    """
    reader = _Reader(schema, operations=operations)
    edits = reader.children(config, schema.top_nodes, "", None)
    reader.findings.raise_if_any()
    return edits


class _Reader:
    """Reads elements; what is wrong goes to ``findings``, and a node that it spoils is left out.

    ``within`` is the operation of a deleted node above, or None: what stands below it says nothing.
    """

    def __init__(self, schema: SchemaContext, *, operations: bool) -> None:
        self.findings = Findings()
        self._schema = schema
        self._operations = operations
        self._attributes = AttributeReader(schema, self.findings, allowed=operations)

    def children(
        self,
        element: etree._Element,
        names: _Names,
        path: str,
        within: Operation | None,
        skip: tuple[SchemaNode, ...] = (),
    ) -> tuple[EditNode, ...]:
        """Read what is below an element; ``skip`` are the keys, read before."""
        found = []
        blank = not element.text or element.text.isspace()
        for child in element:
            blank = blank and (not child.tail or child.tail.isspace())
            if not _is_element(child):
                continue
            schema = names.get(child.tag)
            if schema is None:
                self._note_unknown(child, path)
            elif schema not in skip:
                node = self._node(child, schema, path, within)
                found += [node] if node else []
        if not blank:
            self._note_text(element, path)
        check_siblings(self.findings, found)
        return tuple(found)

    def _note_unknown(self, element: etree._Element, path: str) -> None:
        name = etree.QName(element)
        namespace = name.namespace or ""
        known = namespace in self._schema.namespaces
        note_unknown(self.findings, name.localname, path, "" if known else namespace, known=known)

    def _note_text(self, element: etree._Element, path: str) -> None:
        name = etree.QName(element).localname
        self.findings.add(ErrorTag.BAD_ELEMENT, f"{name} holds text", path=path, bad_element=name)

    def _node(
        self, element: etree._Element, schema: SchemaNode, path: str, within: Operation | None
    ) -> EditNode | None:
        if not schema.config:
            note_state(self.findings, schema, path)
            return None
        if schema.is_any:
            note_unsupported(self.findings, schema, path)
            return None
        if schema.is_term:
            return self._term(element, schema, path, within)
        return self._inner(element, schema, path, within)

    def _inner(
        self, element: etree._Element, schema: SchemaNode, path: str, within: Operation | None
    ) -> EditNode | None:
        """Read a container or a list entry."""
        keys = self._keys(element, schema, path) if schema.keys else ()
        values = tuple(value for value in keys if value is not None)
        path = schema.place(path, values)
        attributes = self._attributes.read(element, schema, path, within)
        if schema.keys:
            self._check_key_operations(element, schema, path, attributes)
        below = within or (attributes.operation if attributes.operation in DELETING else None)
        children = self.children(element, schema.children, path, below, schema.keys)
        if len(values) < len(keys):
            return None
        return EditNode(
            schema, path, attributes.operation, values, None, attributes.insertion, children
        )

    def _keys(self, element: etree._Element, schema: SchemaNode, path: str) -> list[str | None]:
        """Read the keys of an entry: canonical values, None for what is wrong."""
        place = schema.place(path)
        return [self._key(element, key, place) for key in schema.keys]

    def _key(self, element: etree._Element, key: SchemaNode, path: str) -> str | None:
        given = [child for child in element if child.tag == key.tag]
        if not given:
            note_missing_key(self.findings, key, path)
            return None
        if len(given) > 1:
            note_repeated_key(self.findings, key, path)
        self._check_no_children(given[0], key.place(path))
        return self._value(given[0], key, key.place(path))

    def _check_key_operations(
        self, element: etree._Element, schema: SchemaNode, path: str, entry: Attributes
    ) -> None:
        for child in element:
            if child.attrib and _is_element(child):
                key = schema.children.get(child.tag)
                if key is not None and key.is_key:
                    self._attributes.check_key(child, key, path, entry)

    def _term(
        self, element: etree._Element, schema: SchemaNode, path: str, within: Operation | None
    ) -> EditNode | None:
        """Read a leaf or a leaf-list entry."""
        place = schema.place(path)
        self._check_no_children(element, place)
        value: str | None = None
        deleting = within or self._attributes.peek(element) in DELETING
        empty = not (element.text or "").strip()
        if not (deleting and empty and schema.kind is Kind.LEAF):
            value = self._value(element, schema, place)
            if value is None:
                self._attributes.read(element, schema, place, within)
                return None
        if schema.is_list:
            place = schema.place(path, (), value)
        attributes = self._attributes.read(element, schema, place, within)
        if self._attributes.is_default(element, schema, place, value, attributes.operation):
            return self._unset(schema, place, value)
        return EditNode(schema, place, attributes.operation, (), value, attributes.insertion)

    def _unset(self, schema: SchemaNode, place: str, value: str | None) -> EditNode | None:
        """Give a leaf back to the schema; a whole configuration just does not set it."""
        if not self._operations:
            return None
        kept = value if schema.is_list else None
        return EditNode(schema, place, Operation.REMOVE, (), kept)

    def _check_no_children(self, element: etree._Element, path: str) -> None:
        for child in element:
            if _is_element(child):
                self._note_unknown(child, path)

    def _value(self, element: etree._Element, schema: SchemaNode, path: str) -> str | None:
        """Give the canonical value of a leaf's element; None when it is wrong."""
        text = element.text or ""
        if len(element):  # comments, which may stand in the middle of a value
            text += "".join(child.tail or "" for child in element)
        try:
            return canonical_xml(self._schema, schema, text, element)
        except LibraryError as error:
            self.findings.add_value_error(error, schema, path)
            return None


def _is_element(node: etree._Element) -> bool:
    """Tell elements from comments and processing instructions, which say nothing."""
    return isinstance(node.tag, str)
