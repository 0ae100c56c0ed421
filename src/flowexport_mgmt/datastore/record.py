"""What is known of a commit."""

from __future__ import annotations

from typing import Protocol

import msgspec


class Author(Protocol):
    """Whoever makes a commit: a session, or the daemon itself."""

    @property
    def user(self) -> str:
        """The user; empty for the daemon."""

    @property
    def door(self) -> str:
        """The way in."""

    @property
    def source(self) -> str:
        """Where from."""


class PendingConfirm(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    """A confirmed commit that nobody has confirmed yet (RFC 6241, section 8.4).

    ``back_to`` is the commit that a rollback restores: the one before the first of a row of
    confirmed commits. ``timeout`` is in seconds. ``expires`` is the deadline in seconds of
    CLOCK_MONOTONIC, which no step of the wall clock moves and which goes on when the manager alone
    is started again; ``deadline`` is the same in RFC 3339 text, for people. ``life`` names the run
    of flowexportd that all this belongs to. ``persist`` is the token by which any session may
    confirm; None binds it to the session that issued it.
    """

    back_to: int
    timeout: int
    expires: float
    deadline: str
    life: str
    persist: str | None = None


class CommitRecord(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    """A commit: ``time`` is RFC 3339 text, ``changes`` counts nodes created, changed and deleted.

    Commit 0 is the configuration that a daemon without a state file starts with. ``pending`` only
    while the commit waits to be confirmed.
    """

    id: int
    time: str
    user: str
    door: str
    source: str = ""
    comment: str = ""
    label: str = ""
    changes: int = 0
    pending: PendingConfirm | None = None
