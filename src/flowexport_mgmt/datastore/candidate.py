"""A candidate: the commit that it started from, and the edits made since."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flowexport_mgmt.datastore.access.control import CheckPlan
from flowexport_mgmt.datastore.changes import Change
from flowexport_mgmt.datastore.engine import Plan, make, plan_edits, plan_whole
from flowexport_mgmt.datastore.record import CommitRecord
from flowexport_mgmt.datastore.touched import Entry, touched_entries
from flowexport_mgmt.errors import ErrorTag, Fault, ManagementError
from flowexport_mgmt.schema.edits import DELETING, EditNode, Operation
from flowexport_mgmt.schema.tree import Tree

LIMIT = 2_000_000
"""Nodes that the edits of a candidate may speak of; a log could otherwise fill the memory."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """Edits that were made together; ``default`` is None for a whole configuration."""

    edits: tuple[EditNode, ...]
    default: Operation | None

    def plan(self, tree: Tree) -> Plan:
        """Plan the entry on a tree."""
        if self.default is None:
            return plan_whole(tree, self.edits)
        return plan_edits(tree, self.edits, self.default)

    def given(self) -> Iterator[str]:
        """Give the paths of the nodes that the entry sets."""
        return _given(self.edits, self.default or Operation.REPLACE)

    def count(self) -> int:
        """Count the nodes that the edits speak of."""
        return sum(map(_count, self.edits))


class Candidate:
    """Edits on top of a commit. Its tree is made at the first edit; free it in the end."""

    def __init__(self, base: CommitRecord, running: Tree) -> None:
        self.base = base
        self.log: list[LogEntry] = []
        self.changes: list[Change] = []
        self._running = running
        self._tree: Tree | None = None
        self._nodes = 0

    @property
    def modified(self) -> bool:
        """Whether it differs, or once differed, from its base."""
        return bool(self.changes)

    @property
    def tree(self) -> Tree:
        """The tree with all edits; it belongs to the candidate, or to running without edits."""
        if self._tree is None and self.log:
            self._tree = self._replayed()
        return self._tree or self._running

    def _replayed(self) -> Tree:
        tree = self._running.duplicate()
        for entry in self.log:
            make(tree, entry.plan(tree))
        return tree

    def keep_tree(self) -> None:
        """Have a tree of its own from now on, because that of the base is about to go."""
        self._tree = self.tree if self.log else self._running.duplicate()

    def take_tree(self) -> Tree:
        """Give the tree away; the candidate makes it anew from the log when it is asked again."""
        tree = self.tree if self.log else self._running.duplicate()
        self._tree = None
        return tree

    def edit(self, entry: LogEntry, check: CheckPlan | None = None) -> None:
        """Make edits, all or none; ``check`` may refuse what they come to.

        Raises:
            ManagementError: every reason why they cannot be made; nothing was.
        """
        nodes = self._nodes + entry.count()
        if nodes > LIMIT:
            raise ManagementError.single(
                ErrorTag.RESOURCE_DENIED,
                f"a candidate holds edits of at most {LIMIT} nodes: commit or discard them",
            )
        tree = self.tree if self.log else self._running.duplicate()
        try:
            plan = _accepted(entry.plan(tree), check)
        except ManagementError:
            if not self.log:
                tree.free()
            raise
        make(tree, plan)
        self._tree, self._nodes = tree, nodes
        self.log.append(entry)
        self.changes += plan.changes

    def trial(self, entry: LogEntry, check: CheckPlan | None = None) -> Tree:
        """Give a copy of the tree with edits made on it; the caller frees it.

        Raises:
            ManagementError: every reason why they cannot be made.
        """
        tree = self.tree.duplicate()
        try:
            make(tree, _accepted(entry.plan(tree), check))
        except ManagementError:
            tree.free()
            raise
        return tree

    def rebased(self, base: CommitRecord, running: Tree) -> Candidate:
        """Make all edits again on another commit; the caller frees the result.

        Raises:
            ManagementError: an edit conflicts with what was committed since; names both.
        """
        candidate = Candidate(base, running)
        for entry in self.log:
            try:
                candidate.edit(entry)
            except ManagementError as error:
                candidate.free()
                raise ManagementError(_conflicts(error.faults, self.base, base)) from None
        return candidate

    def given(self) -> Iterator[str]:
        """Give the paths of the nodes that the edits set."""
        for entry in self.log:
            yield from entry.given()

    def entries(self) -> tuple[Entry, ...] | None:
        """Give the entries that were touched, if nothing but entries of confined lists was."""
        edits = (edit for entry in self.log for edit in entry.edits)
        return touched_entries(self._running.schema.confined_lists, edits, self.changes)

    def free(self) -> None:
        """Release the tree."""
        if self._tree is not None:
            self._tree.free()
            self._tree = None


def _accepted(plan: Plan, check: CheckPlan | None) -> Plan:
    """Give the plan if nothing speaks against it."""
    if plan.faults:
        raise ManagementError(plan.faults)
    if check is not None:
        check(plan)
    return plan


def _count(edit: EditNode) -> int:
    return 1 + sum(map(_count, edit.children))


def _given(edits: Sequence[EditNode], inherited: Operation) -> Iterator[str]:
    for edit in edits:
        operation = edit.operation or inherited
        if operation in DELETING:
            continue
        if operation is not Operation.NONE:
            yield edit.path
        yield from _given(edit.children, operation)


def _conflicts(faults: Sequence[Fault], base: CommitRecord, running: CommitRecord) -> list[Fault]:
    return [
        Fault(
            tag=ErrorTag.OPERATION_FAILED,
            message=(
                f"an edit made on top of commit {base.id} conflicts with commit {running.id}"
                f" ({running.user} through {running.door}): {fault.message}"
            ),
            app_tag="replay-conflict",
            path=fault.path,
        )
        for fault in faults
    ]
