"""The edit engine: an edit is planned on a tree, which finds all its faults, and then made.

Planning changes nothing, so a refused edit leaves the tree as it was; making a plan cannot fail,
because everything that a tree could refuse was looked at before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from flowexport_mgmt.datastore.changes import Change, Kind
from flowexport_mgmt.errors import ErrorTag, Fault
from flowexport_mgmt.schema.edits import DELETING, EditNode, Insertion, Operation, Where
from flowexport_mgmt.schema.nodes import Kind as NodeKind
from flowexport_mgmt.schema.nodes import SchemaNode
from flowexport_mgmt.schema.tree import Node, Tree

_Instance = tuple[SchemaNode | str, ...]
"""A node among its siblings: its schema node, then keys or value."""


@dataclass(eq=False, slots=True)
class _Place:
    """A node that an edit speaks of: there already, or there once the plan has been made."""

    node: Node | None
    top: bool = False
    created: set[_Instance] = field(default_factory=set)
    """Entries of lists ordered by the user that the plan creates below."""
    deleted: set[_Instance] = field(default_factory=set)

    @property
    def exists(self) -> bool:
        """Whether nodes can stand below it before the plan is made."""
        return self.top or self.node is not None


@dataclass(frozen=True, slots=True)
class Delete:
    """A node goes, with all below it."""

    node: Node


@dataclass(frozen=True, slots=True)
class Create:
    """A node comes; what an edit has below it are steps of their own."""

    parent: _Place
    edit: EditNode
    place: _Place


@dataclass(frozen=True, slots=True)
class Set:
    """A leaf gets another value."""

    node: Node
    value: str


@dataclass(frozen=True, slots=True)
class Move:
    """An entry of a list ordered by the user goes to a place, if it is not there already."""

    parent: _Place
    place: _Place
    edit: EditNode
    insertion: Insertion


@dataclass(slots=True)
class Plan:
    """What is to be done to a tree, or why it cannot be: ``faults`` is empty or decides."""

    steps: list[Delete | Create | Set | Move] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def plan_edits(tree: Tree, edits: Sequence[EditNode], default: Operation) -> Plan:
    """Plan edits of the top of a tree; ``default`` is the operation of nodes that name none."""
    planner = _Planner(tree)
    planner.children(edits, _Place(None, top=True), default)
    return planner.plan


def plan_whole(tree: Tree, edits: Sequence[EditNode]) -> Plan:
    """Plan to make a tree equal to a whole configuration."""
    planner = _Planner(tree)
    planner.replace_children(tree.top(), edits, _Place(None, top=True))
    return planner.plan


def make(tree: Tree, plan: Plan) -> None:
    """Make a plan that has no faults on the tree it was planned on."""
    for step in plan.steps:
        match step:
            case Delete(node):
                tree.delete(node)
            case Set(node, value):
                tree.set_value(node, value)
            case Create(parent, edit, place):
                place.node = tree.create(parent.node, edit.schema, edit.keys, edit.value)
            case Move():
                _move(tree, step)


def _move(tree: Tree, step: Move) -> None:
    edit, parent = step.edit, step.parent.node
    node = step.place.node or tree.child(parent, edit.schema, edit.keys, edit.value)
    if node is None:
        return
    schema = edit.schema
    where, anchor = step.insertion.where, step.insertion.anchor
    if where in (Where.FIRST, Where.LAST):
        entries = tree.entries(parent, schema)
        beside: Node | None = entries[0 if where is Where.FIRST else -1]
    else:
        beside = _find_instance(tree, parent, schema, anchor)
    if beside is not None and beside.pointer != node.pointer:
        tree.move(node, beside, after=where in (Where.LAST, Where.AFTER))


def _find_instance(
    tree: Tree, parent: Node | None, schema: SchemaNode, instance: tuple[str, ...]
) -> Node | None:
    """Find an entry by its keys, or one of a leaf-list by its value."""
    if schema.kind is NodeKind.LIST:
        return tree.child(parent, schema, instance)
    return tree.child(parent, schema, (), instance[0])


class _Planner:
    """Walks edits beside the tree; each method gives how many nodes it creates in a new parent."""

    def __init__(self, tree: Tree) -> None:
        self.plan = Plan()
        self._tree = tree
        self._dropped: set[int] = set()

    def children(self, edits: Sequence[EditNode], parent: _Place, inherited: Operation) -> int:
        """Plan the edits below one place."""
        return sum(self._edit(edit, parent, edit.operation or inherited) for edit in edits)

    def replace_children(
        self, existing: Iterable[Node], edits: Sequence[EditNode], parent: _Place
    ) -> None:
        """Plan to leave below a place exactly what the edits hold."""
        nodes, wanted = list(existing), {_instance(edit) for edit in edits}
        for node in nodes:
            if _node_instance(node) not in wanted:
                self._drop(node, parent, node.path)
        self.children(edits, parent, Operation.REPLACE)
        self._order(nodes, edits, parent)

    def _edit(self, edit: EditNode, parent: _Place, operation: Operation) -> int:
        node = self._find(edit, parent)
        present = node is not None and not node.is_default
        if operation in DELETING:
            self._delete(edit, node if present else None, parent, operation)
            return 0
        if operation is Operation.CREATE and present:
            self._refuse(ErrorTag.DATA_EXISTS, edit, "the node exists already")
            return 0
        if operation is Operation.NONE:
            return self._pass(edit, node, parent)
        self._drop_other_cases(edit.schema, parent)
        place, created = self._write(edit, node, parent, operation)
        if edit.insertion is not None:
            self._insert(edit, edit.insertion, parent, place)
        return created

    def _find(self, edit: EditNode, parent: _Place) -> Node | None:
        if not parent.exists:
            return None
        return self._tree.child(parent.node, edit.schema, edit.keys, edit.value)

    # -- writing

    def _write(
        self, edit: EditNode, node: Node | None, parent: _Place, operation: Operation
    ) -> tuple[_Place, int]:
        if node is None:
            return self._create(edit, parent, operation)
        place = _Place(node)
        if edit.schema.is_term:
            self._set(edit, node)
        elif operation is Operation.REPLACE:
            self.replace_children(node.settings(), edit.children, place)
        else:
            self.children(edit.children, place, operation)
        return place, 0

    def _create(self, edit: EditNode, parent: _Place, operation: Operation) -> tuple[_Place, int]:
        place, before = _Place(None), len(self.plan.steps)
        self.plan.steps.append(Create(parent, edit, place))
        if edit.schema.user_ordered:
            parent.created.add(_instance(edit))
        nodes = self.children(edit.children, place, operation)
        if edit.schema.kind is not NodeKind.CONTAINER or edit.schema.presence:
            nodes += 1
        elif edit.children and not nodes:  # what led to something that was only to be removed
            del self.plan.steps[before:]
        if parent.exists:
            if nodes:
                self._record(Kind.CREATED, edit, nodes)
            return place, 0
        return place, nodes

    def _set(self, edit: EditNode, node: Node) -> None:
        value = edit.value or ""
        if node.is_default or node.value != value:
            self.plan.steps.append(Set(node, value))
            kind = Kind.CREATED if node.is_default else Kind.CHANGED
            old = None if node.is_default else node.value
            self.plan.changes.append(Change(kind, edit.path, edit.schema, old=old, new=value))

    def _pass(self, edit: EditNode, node: Node | None, parent: _Place) -> int:
        """Plan what is below a node that the edit only leads through."""
        structural = edit.schema.kind is NodeKind.CONTAINER and not edit.schema.presence
        if not structural and (node is None or node.is_default):
            self._refuse(ErrorTag.DATA_MISSING, edit, "the node does not exist")
            return 0
        if edit.schema.is_term:
            return 0
        before = len(self.plan.changes)
        created = self._write(edit, node, parent, Operation.NONE)[1]
        if created or any(c.kind is not Kind.DELETED for c in self.plan.changes[before:]):
            self._drop_other_cases(edit.schema, parent)
        return created

    # -- deleting

    def _delete(
        self, edit: EditNode, node: Node | None, parent: _Place, operation: Operation
    ) -> None:
        if node is not None:
            self._drop(node, parent, edit.path)
        elif operation is Operation.DELETE:
            self._refuse(ErrorTag.DATA_MISSING, edit, "the node to delete does not exist")

    def _drop(self, node: Node, parent: _Place, path: str) -> None:
        """Plan to delete a node; one that two rules delete is deleted once."""
        if node.identity in self._dropped:
            return
        self._dropped.add(node.identity)
        if node.schema.user_ordered:
            parent.deleted.add(_node_instance(node))
        nodes = node.count()
        self.plan.steps.append(Delete(node))
        if nodes:
            old = node.value if node.schema.is_term else None
            change = Change(Kind.DELETED, path, node.schema, nodes, old=old)
            self.plan.changes.append(change)

    def _drop_other_cases(self, schema: SchemaNode, parent: _Place) -> None:
        """Plan to delete what stands in other cases of the node's choices (RFC 7950, 7.9)."""
        if not schema.cases or not parent.exists:
            return
        chosen = dict(schema.cases)
        for node in self._tree.below(parent.node):
            if any(chosen.get(choice, case) != case for choice, case in node.schema.cases):
                self._drop(node, parent, node.path)

    # -- order

    def _insert(self, edit: EditNode, insertion: Insertion, parent: _Place, place: _Place) -> None:
        if insertion.anchor and not self._is_anchor(edit, insertion.anchor, parent):
            self.plan.faults.append(
                Fault(
                    tag=ErrorTag.BAD_ATTRIBUTE,
                    message="there is no such entry to be beside",
                    app_tag="missing-instance",
                    path=edit.path,
                    info={
                        "bad-attribute": "key" if edit.keys else "value",
                        "bad-element": edit.schema.name,
                    },
                )
            )
            return
        self.plan.steps.append(Move(parent, place, edit, insertion))
        if place.node is not None:
            self._record(Kind.MOVED, edit, 1)

    def _is_anchor(self, edit: EditNode, anchor: tuple[str, ...], parent: _Place) -> bool:
        instance = (edit.schema, *anchor)
        if instance in parent.created:
            return instance != _instance(edit)
        if instance in parent.deleted or instance == _instance(edit) or not parent.exists:
            return False
        return _find_instance(self._tree, parent.node, edit.schema, anchor) is not None

    def _order(self, existing: list[Node], edits: Sequence[EditNode], parent: _Place) -> None:
        """Plan to order lists as if a replacing edit had filled them from nothing."""
        entries = [e for e in edits if e.schema.user_ordered and e.operation not in DELETING]
        for schema in dict.fromkeys(edit.schema for edit in entries):
            wanted = {_instance(edit): edit for edit in entries if edit.schema is schema}
            kept = [_node_instance(node) for node in existing if node.schema is schema]
            result = dict.fromkeys(name for name in kept if name in wanted)
            result |= dict.fromkeys(wanted)
            placed = any(edit.insertion for edit in wanted.values())
            if list(result) == list(wanted) and not placed:
                continue
            for edit in wanted.values():
                self._move(edit, Insertion(Where.LAST), parent)
                if edit.insertion is not None:
                    self._move(edit, edit.insertion, parent)

    def _move(self, edit: EditNode, insertion: Insertion, parent: _Place) -> None:
        place = _Place(self._find(edit, parent))
        self.plan.steps.append(Move(parent, place, edit, insertion))
        self._record(Kind.MOVED, edit, 1)

    # -- notes

    def _record(self, kind: Kind, edit: EditNode, nodes: int) -> None:
        new = edit.value if kind is Kind.CREATED else None
        self.plan.changes.append(Change(kind, edit.path, edit.schema, nodes, new=new))

    def _refuse(self, tag: ErrorTag, edit: EditNode, message: str) -> None:
        self.plan.faults.append(Fault(tag=tag, message=message, path=edit.path))


def _instance(edit: EditNode) -> _Instance:
    if edit.schema.kind is NodeKind.LEAF_LIST:
        return (edit.schema, edit.value or "")
    return (edit.schema, *edit.keys)


def _node_instance(node: Node) -> _Instance:
    if node.schema.kind is NodeKind.LEAF_LIST:
        return (node.schema, node.value)
    return (node.schema, *(node.keys if node.schema.keys else ()))
