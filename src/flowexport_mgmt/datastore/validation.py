"""Validation of a whole configuration: everything that is wrong with it, in one answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import msgspec

from flowexport_mgmt.datastore.access.rules import check_rule_paths
from flowexport_mgmt.datastore.changes import find_at
from flowexport_mgmt.datastore.rules import check_rules
from flowexport_mgmt.datastore.touched import Entry
from flowexport_mgmt.errors import ErrorTag, Fault, ManagementError
from flowexport_mgmt.model.configuration import Configuration
from flowexport_mgmt.schema.data import Node
from flowexport_mgmt.schema.faults import last_name, location, validation_fault
from flowexport_mgmt.schema.library import LibraryError
from flowexport_mgmt.schema.locate import locate
from flowexport_mgmt.schema.nodes import Kind, SchemaNode
from flowexport_mgmt.schema.structure import Shortage, find_shortages
from flowexport_mgmt.schema.tree import Format, Tree

_ROUNDS = 64
"""Times that validation looks for one more fault; each costs as much as validating everything."""

_decoder = msgspec.json.Decoder(Configuration, strict=False)


@dataclass(frozen=True, slots=True)
class Valid:
    """A valid configuration; ``deleted`` are paths of set nodes that a ``when`` now rules out."""

    tree: Tree
    document: bytes
    configuration: Configuration
    deleted: tuple[str, ...]


Given = Callable[[], Iterable[str]]
"""Gives the paths of the nodes that the edits in question set."""


def validate(tree: Tree, given: Given = tuple) -> Valid:
    """Validate a copy of a tree; the tree stays as it is and the caller frees the copy.

    Raises:
        ManagementError: with every fault that was found.
    """
    return validate_in_place(tree.duplicate(), lambda: tree, given)


def validate_in_place(
    tree: Tree, original: Callable[[], Tree], given: Given, entries: Iterable[Entry] | None = None
) -> Valid:
    """Validate a tree, which becomes the result or is freed.

    A set node whose ``when`` is false is a fault when it is among ``given``; otherwise another
    edit has made it false and it goes (RFC 7950, section 7.21.5). ``original`` gives the tree
    before validation where more has to be found out; it belongs to somebody else. ``entries`` are
    given when the tree is valid but for them (`touched.touched_entries`).

    Raises:
        ManagementError: with every fault that was found.
    """
    try:
        if entries is not None and _are_valid(tree, entries):
            return _accepted(tree, tree.print(Format.JSON))
        return _validated(tree, original, given)
    except LibraryError:
        tree.free()
        raise ManagementError(_find_faults(original(), given)) from None
    except BaseException:
        tree.free()
        raise


def _are_valid(tree: Tree, entries: Iterable[Entry]) -> bool:
    """Validate entries one by one; False means that the whole has to be validated."""
    nodes = (find_at(tree, entry.schema, entry.steps) for entry in entries)
    try:
        return all(tree.validate_entry(node) for node in nodes if node is not None)
    except LibraryError:
        return False


def _validated(tree: Tree, original: Callable[[], Tree], given: Given) -> Valid:
    """Validate a tree, which becomes the result.

    Raises:
        LibraryError: the first thing that is wrong by the schema.
        ManagementError: everything that is wrong by other rules.
    """
    before = tree.print(Format.JSON)
    tree.validate()
    document = tree.print(Format.JSON)
    deleted = () if document == before else _deleted(original())
    return _accepted(tree, document, deleted, given)


def _accepted(
    tree: Tree, document: bytes, deleted: tuple[str, ...] = (), given: Given = tuple
) -> Valid:
    """Check what is valid by the schema by the other rules.

    Raises:
        ManagementError: everything that is wrong.
    """
    configuration = _decoder.decode(document or b"{}")
    faults = [
        *_ruled_out(deleted, given),
        *check_rules(configuration),
        *check_rule_paths(tree.schema, configuration.nacm),
    ]
    if faults:
        raise ManagementError(faults)
    return Valid(tree, document, configuration, deleted)


def _deleted(tree: Tree) -> tuple[str, ...]:
    """Give the set nodes that validation deletes, by doing it once more on a copy."""
    with tree.duplicate() as copy:
        return copy.validate_and_tell()


def _ruled_out(deleted: tuple[str, ...], given: Given) -> list[Fault]:
    if not deleted:
        return []
    paths = set(given())
    return [
        Fault(
            tag=ErrorTag.UNKNOWN_ELEMENT,
            message="the edit gives this node and rules it out by another value",
            path=path,
            info={"bad-element": last_name(path)},
        )
        for path in deleted
        if path in paths or any(other.startswith(f"{path}/") for other in paths)
    ]


# -- all faults


def _find_faults(tree: Tree, given: Given) -> list[Fault]:
    """Find what else is wrong by leaving out, in a copy, each culprit that was found."""
    with tree.duplicate() as rest:
        search = _Search(rest)
        search.leave_out_shortages()
        for _ in range(_ROUNDS):
            with rest.duplicate() as attempt:
                try:
                    _validated(attempt, lambda: rest, given)
                except LibraryError as error:
                    if search.note(error):
                        continue
                except ManagementError as error:
                    search.faults += error.faults
            break
        return search.faults


class _Search:
    """The faults found so far, and the tree without what has them."""

    def __init__(self, rest: Tree) -> None:
        self.faults: list[Fault] = []
        self._rest = rest
        self._left_out: set[str] = set()
        self._values: set[str] = set()

    def leave_out_shortages(self) -> None:
        """Note what is missing or too much anywhere."""
        shortages = list(find_shortages(self._rest))
        self.faults += [shortage.fault for shortage in shortages]
        for node in _outermost(_culprits(shortages)):
            self._leave_out(node)

    def note(self, error: LibraryError) -> bool:
        """Note a fault and leave out its culprit; say whether a further look makes sense."""
        fault = self._fault(error)
        if not self._is_our_doing(fault, error):
            self.faults.append(fault)
        culprit = self._find_culprit(error)
        if culprit is None:
            return False
        self._leave_out(culprit)
        return True

    def _fault(self, error: LibraryError) -> Fault:
        """Word an error, with its place also where the library's path for it is none."""
        fault = validation_fault(self._rest.schema, error)
        if fault.path or not error.items:
            return fault
        _, path = locate(self._rest, location(error.items[-1]))
        known = {"bad-element": last_name(path)} if "bad-element" in fault.info else {}
        return replace(fault, path=path, info={**fault.info, **known})

    def _is_our_doing(self, fault: Fault, error: LibraryError) -> bool:
        """Say whether a fault is there only because something was left out before."""
        known = {(other.app_tag, other.path) for other in self.faults}
        if fault.path in self._left_out or (fault.app_tag, fault.path) in known:
            return True
        if fault.app_tag != "instance-required":
            return False
        node = self._rest.find(location(error.items[-1]))
        return node is not None and node.value in self._values

    def _find_culprit(self, error: LibraryError) -> Node | None:
        place = location(error.items[-1]) if error.items else ""
        try:
            node = self._rest.find(place) if place else None
        except LibraryError:  # a schema path through a list, or keys that no literal can hold
            node, _ = locate(self._rest, place)
        while node is not None and _is_needed(node.schema):
            node = node.parent
        return node

    def _leave_out(self, node: Node) -> None:
        self._left_out.add(node.path)
        self._values.update(below.value for below in node.walk() if below.schema.is_term)
        self._rest.delete(node)


def _is_needed(schema: SchemaNode) -> bool:
    """Say whether an entry or container would be incomplete without a node."""
    return schema.is_key or schema.mandatory or (schema.is_list and schema.limits[0] > 0)


def _culprits(shortages: Iterable[Shortage]) -> Iterable[Node]:
    for shortage in shortages:
        if shortage.surplus:
            yield from shortage.surplus
            continue
        node = shortage.parent
        while node is not None and node.schema.kind is Kind.CONTAINER and not node.schema.presence:
            node = node.parent
        if node is not None:
            yield node


def _outermost(nodes: Iterable[Node]) -> list[Node]:
    """Leave out nodes below others, and repetitions."""
    chosen = {node.identity: node for node in nodes}
    return [node for node in chosen.values() if not _has_ancestor_in(node, chosen)]


def _has_ancestor_in(node: Node, chosen: dict[int, Node]) -> bool:
    above = node.parent
    while above is not None:
        if above.identity in chosen:
            return True
        above = above.parent
    return False
