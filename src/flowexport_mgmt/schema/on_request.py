"""State that is told only to who names it: the lists that flow-export-types marks so.

Such a list is asked for by its schema path, which unlike others may end with predicates:
``/simulation/device[address='192.0.2.1']``. They say which entries are needed; whoever reports them
may report more, and whoever asked chooses.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from flowexport_mgmt.schema.paths import parse_path, quote


def write_request(listed: str, predicates: Iterable[tuple[str, str]]) -> str:
    """Write what is asked of a list."""
    return listed + "".join(f"[{name}={quote(value)}]" for name, value in predicates)


def list_of(path: str, lists: Collection[str]) -> str | None:
    """Give the list that a path asks for or that it leads into, if it is any of these."""
    found = (one for one in lists if path == one or path.startswith((f"{one}[", f"{one}/")))
    return next(found, None)


def requests_in(paths: Iterable[str], listed: str) -> list[dict[str, str]]:
    """Give what some paths ask of a list: for each of them the leaves that entries must have."""
    asked = (path for path in paths if list_of(path, (listed,)))
    return [_predicates(path, listed.count("/") - 1) for path in asked]


def _predicates(path: str, place: int) -> dict[str, str]:
    """Read the predicates of a step; of a value too odd to be read any will do."""
    try:
        return dict(parse_path(path)[place].predicates)
    except ValueError:
        return {}


def common_paths(paths: Iterable[str], lists: Collection[str]) -> tuple[str, ...]:
    """Give the paths that ask for no such list."""
    return tuple(path for path in paths if list_of(path, lists) is None)


def special_paths(paths: Iterable[str], lists: Collection[str]) -> frozenset[str]:
    """Give the paths that ask for such lists: what is read for them is not for others."""
    return frozenset(path for path in paths if list_of(path, lists) is not None)
