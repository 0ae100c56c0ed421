"""The shared candidate, and the private ones of those who write elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flowexport_mgmt.datastore.access.control import CheckPlan
from flowexport_mgmt.datastore.candidate import Candidate, LogEntry
from flowexport_mgmt.datastore.options import Store, TestOption
from flowexport_mgmt.datastore.running import Running
from flowexport_mgmt.datastore.validation import validate, validate_in_place
from flowexport_mgmt.schema.edits import EditNode
from flowexport_mgmt.schema.tree import Tree

Source = Store | Sequence[EditNode]
"""Where a whole configuration comes from: a datastore, or one given inline."""


class Candidates:
    """What is edited and not committed; ``running`` gives what is committed."""

    def __init__(self, running: Callable[[], Running]) -> None:
        self._running = running
        self._shared: Candidate | None = None

    @property
    def shared(self) -> Candidate:
        """The candidate that all sessions share.

        Raises:
            RuntimeError: nothing was loaded yet.
        """
        if self._shared is None:
            raise RuntimeError("the datastore was not loaded")
        return self._shared

    def free(self) -> None:
        """Release the shared candidate."""
        if self._shared is not None:
            self._shared.free()

    def new(self) -> Candidate:
        """Make a private candidate; the caller frees it."""
        running = self._running()
        return Candidate(running.record, running.tree)

    def tree(self, store: Store) -> Tree:
        """Give the tree of a datastore, which stays its owner."""
        return self.shared.tree if store is Store.CANDIDATE else self._running().tree

    # -- the shared one

    def renew(self) -> None:
        """Make the shared candidate equal to running."""
        self.free()
        self._shared = self.new()

    def follow_running(self) -> None:
        """Let a candidate without edits stay equal to running; another one keeps its base."""
        if self.shared.log:
            self.shared.keep_tree()
        else:
            self.renew()

    def replace(self, source: Source, check: CheckPlan | None) -> None:
        """Make the shared candidate equal to running or to what is given inline."""
        if source is Store.RUNNING:
            self.renew()
            return
        fresh = self.new()
        try:
            fresh.edit(whole(source), check)
        except BaseException:
            fresh.free()
            raise
        self.free()
        self._shared = fresh

    def edit(self, entry: LogEntry, test: TestOption | None, check: CheckPlan | None) -> None:
        """Edit the shared candidate (RFC 6241, section 7.2)."""
        if test in (TestOption.TEST_THEN_SET, TestOption.TEST_ONLY):
            try_edit(self.shared, entry, check)
        if test is not TestOption.TEST_ONLY:
            self.shared.edit(entry, check)

    def validate(self, source: Store) -> None:
        """Check running, or what a commit of the shared candidate would make of it."""
        running = self._running()
        shared = self.shared
        if source is Store.RUNNING:
            shared = self.new()
        elif shared.base.id != running.record.id:
            rebased = shared.rebased(running.record, running.tree)
            try:
                _check(rebased)
            finally:
                rebased.free()
            return
        _check(shared)


def _check(candidate: Candidate) -> None:
    tree = candidate.tree
    valid = validate_in_place(tree.duplicate(), lambda: tree, candidate.given, candidate.entries())
    valid.tree.free()


def try_edit(candidate: Candidate, entry: LogEntry, check: CheckPlan | None) -> None:
    """Validate what edits would make of a candidate."""

    def given() -> list[str]:
        return [*candidate.given(), *entry.given()]

    with candidate.trial(entry, check) as tree:
        validate(tree, given).tree.free()


def whole(source: Source) -> LogEntry:
    """Give the log entry of a configuration that is given inline."""
    return LogEntry(() if isinstance(source, Store) else tuple(source), None)
