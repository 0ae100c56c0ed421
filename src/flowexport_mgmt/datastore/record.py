"""What is known of a commit."""

from __future__ import annotations

import msgspec


class CommitRecord(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """A commit: ``time`` is RFC 3339 text, ``changes`` counts nodes created, changed and deleted.

    Commit 0 is the configuration that a daemon without a state file starts with.
    """

    id: int
    time: str
    user: str
    door: str
    source: str = ""
    comment: str = ""
    changes: int = 0
