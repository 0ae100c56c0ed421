"""The names of datastores and the options of an edit (RFC 6241, section 7.2)."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from flowexport_mgmt.schema.edits import Operation


class Store(enum.StrEnum):
    """A configuration datastore."""

    RUNNING = "running"
    CANDIDATE = "candidate"


class TestOption(enum.StrEnum):
    """Whether an edit is validated and whether it is made."""

    __test__ = False  # the name is RFC 6241's; pytest would collect it

    TEST_THEN_SET = "test-then-set"
    SET = "set"
    TEST_ONLY = "test-only"


class ErrorOption(enum.StrEnum):
    """What becomes of an edit with a fault.

    With each of the three the target stays as it was and every fault is told: an edit that is half
    made helps nobody, and RFC 6241 lets a server stop before it has begun.
    """

    STOP_ON_ERROR = "stop-on-error"
    CONTINUE_ON_ERROR = "continue-on-error"
    ROLLBACK_ON_ERROR = "rollback-on-error"


@dataclass(frozen=True, slots=True, kw_only=True)
class EditOptions:
    """The options of one edit; ``test_option`` None means the default of the target.

    The candidate may be incomplete, so its default is ``set``; running is always valid.
    """

    default_operation: Operation = Operation.MERGE
    error_option: ErrorOption = ErrorOption.ROLLBACK_ON_ERROR
    test_option: TestOption | None = None
