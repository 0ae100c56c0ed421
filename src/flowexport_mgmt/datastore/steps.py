"""A private candidate that is edited step by step and committed as one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from flowexport_mgmt.datastore.access.control import CheckPlan
from flowexport_mgmt.datastore.candidate import Candidate, LogEntry
from flowexport_mgmt.datastore.cleartext import hash_cleartext
from flowexport_mgmt.errors import Fault, ManagementError
from flowexport_mgmt.schema.tree import Tree

_TURN: Final = 100
"""Steps that are taken before others than this transaction have their turn."""

Step = Callable[[Tree], LogEntry]
"""Gives the edits of one step, made for the tree as the steps before have left it."""


class StepRefusedError(ManagementError):
    """A step was refused, and with it the transaction; ``index`` tells which."""

    def __init__(self, index: int, faults: Sequence[Fault]) -> None:
        super().__init__(faults)
        self.index = index


async def take_steps(
    candidate: Candidate, steps: Sequence[Step], check: CheckPlan | None = None
) -> None:
    """Make the edits of all steps in a candidate, which is of no further use after a refusal.

    Raises:
        StepRefusedError: every reason against the first step that cannot be made.
    """
    for index, step in enumerate(steps):
        if index % _TURN == _TURN - 1:
            await asyncio.sleep(0)
        try:
            entry = step(candidate.tree)
            edits = await hash_cleartext(entry.edits)
            candidate.edit(replace(entry, edits=edits), check)
        except ManagementError as error:
            raise StepRefusedError(index, error.faults) from None
