"""Management sessions: who is in, through which door, and what they have done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(eq=False, slots=True)
class Session:
    """One session of a door. The door counts its requests here; the datastore owns the rest.

    ``door`` names the way in (``netconf-ssh``, ``netconf-unix``), ``source`` where from, ``since``
    is RFC 3339 text. ``on_kill`` ends the session's transport when another session kills it.
    """

    id: int
    user: str
    door: str
    source: str
    since: str
    on_kill: Callable[[], None]
    closed: bool = False
    in_rpcs: int = field(default=0)
    in_bad_rpcs: int = field(default=0)
    out_rpc_errors: int = field(default=0)


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock on a datastore: who holds it, and since when (RFC 3339 text)."""

    session: Session
    since: str
