"""Actions: operations of one node of the data (RFC 7950, section 7.15)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lxml import etree

from flowexport_mgmt.datastore import Action
from flowexport_mgmt.errors import ErrorTag, ManagementError
from flowexport_mgmt.north.netconf import names
from flowexport_mgmt.north.netconf.calls import Call, OperationRow
from flowexport_mgmt.north.netconf.model_operations import reply_of
from flowexport_mgmt.north.netconf.replies import Reply
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.findings import Findings, note_missing_key, note_unknown
from flowexport_mgmt.schema.library import LibraryError
from flowexport_mgmt.schema.nodes import Kind, SchemaNode
from flowexport_mgmt.schema.values import canonical_xml

_Nodes = Mapping[str, SchemaNode]


async def act(call: Call) -> Reply:
    """Carry out the one action that is named, of the one instance that is named."""
    action = _Reader(call.datastore.schema).read(call.operation)
    output = await call.datastore.act(call.session, action)
    return reply_of(output, action.nodes[-1].namespace)


class _Reader:
    """Walks down from the top to the action; none of the model's has input."""

    def __init__(self, schema: SchemaContext) -> None:
        self._schema = schema
        self._nodes: list[SchemaNode] = []
        self._keys: list[Mapping[str, str]] = []

    def read(self, operation: etree._Element) -> Action:
        """Read the content of ``action``.

        Raises:
            ManagementError: ``missing-element``, ``bad-element``, ``unknown-element``,
                ``unknown-namespace`` or ``invalid-value``, with the path.
        """
        element, path = operation, ""
        names_here: _Nodes = self._schema.top_nodes
        actions: _Nodes = {}
        keys: tuple[SchemaNode, ...] = ()
        while True:
            element = self._only_child(element, keys, path)
            node = actions.get(element.tag) or self._inner(element, names_here, path)
            self._nodes.append(node)
            if node.kind is Kind.ACTION:
                return self._end(element, node.place(path))
            keys, names_here, actions = node.keys, node.children, node.actions
            values = self._values(element, node, path)
            self._keys.append(dict(zip((key.name for key in keys), values, strict=True)))
            path = node.place(path, values)

    def _end(self, element: etree._Element, path: str) -> Action:
        for child in element:
            raise self._unknown(child, path)
        return Action(tuple(self._nodes), tuple(self._keys), path)

    def _inner(self, element: etree._Element, names_here: _Nodes, path: str) -> SchemaNode:
        node = names_here.get(element.tag)
        if node is None:
            raise self._unknown(element, path)
        if node.kind not in (Kind.CONTAINER, Kind.LIST):
            raise _bad(ErrorTag.BAD_ELEMENT, "there is no action below this node", element, path)
        return node

    def _only_child(
        self, element: etree._Element, keys: tuple[SchemaNode, ...], path: str
    ) -> etree._Element:
        found = [child for child in element if child.tag not in {key.tag for key in keys}]
        if not found:
            raise _bad(ErrorTag.MISSING_ELEMENT, "an action is missing", element, path)
        if len(found) > 1:
            message = "one action is called at a time"
            raise _bad(ErrorTag.BAD_ELEMENT, message, found[1], path)
        return found[0]

    def _values(self, element: etree._Element, node: SchemaNode, path: str) -> tuple[str, ...]:
        """Read the keys of an entry."""
        findings, values = Findings(), []
        for key in node.keys:
            given = element.find(key.tag)
            if given is None:
                note_missing_key(findings, key, node.place(path))
                continue
            try:
                values.append(canonical_xml(self._schema, key, given.text or "", given))
            except LibraryError as error:
                findings.add_value_error(error, key, key.place(node.place(path)))
        findings.raise_if_any()
        return tuple(values)

    def _unknown(self, element: etree._Element, path: str) -> ManagementError:
        tag = str(element.tag)
        namespace, findings = names.namespace_of(tag), Findings()
        known = namespace in self._schema.namespaces
        note_unknown(findings, names.local_name(tag), path, namespace, known=known)
        return findings.error


def _bad(tag: ErrorTag, message: str, element: etree._Element, path: str) -> ManagementError:
    name = names.local_name(str(element.tag))
    return ManagementError.single(tag, message, path=path, info={"bad-element": name})


OPERATIONS: Final[Mapping[str, OperationRow]] = {
    f"{{{names.YANG}}}action": OperationRow(act, is_open=True),
}
