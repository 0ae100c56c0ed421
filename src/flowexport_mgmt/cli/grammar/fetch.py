"""The grammar of a server: from the cache by its content-id, else from its own modules.

libyang is loaded only when a schema is met for the first time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from lxml import etree

from flowexport_mgmt.cli.session.replies import NotReachedError
from flowexport_mgmt.cli.session.session import Session
from flowexport_mgmt.schema.grammar import FORM, Grammar, decode, encode

_LARGEST: Final = 16 * 1024 * 1024
"""The most octets that the texts of all modules of a server may have."""
_KEPT: Final = 8
"""Grammars that are kept in the cache."""


def cache_folder() -> Path:
    """Find the folder of what this program may lose."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    parent = Path(home) if home.startswith("/") else Path.home() / ".cache"
    return parent / "flowexport"


def load_grammar(session: Session) -> Grammar:
    """Give the grammar of a session's server.

    Raises:
        NotReachedError: the server has no list of modules, or its modules are wrong.
        ManagementError: the server refused to give its modules.
    """
    known = _cached(session.content_id)
    if known is not None:
        return known
    grammar = _fetch(session)
    _keep(grammar)
    return grammar


def _cached(content_id: str) -> Grammar | None:
    if not content_id.isalnum():
        return None
    try:
        grammar = decode(_file(content_id).read_bytes())
    except (OSError, msgspec.MsgspecError):
        return None
    return grammar if (grammar.form, grammar.content_id) == (FORM, content_id) else None


def _file(content_id: str) -> Path:
    return cache_folder() / f"grammar-{FORM}-{content_id}"


def _keep(grammar: Grammar) -> None:
    """Write a grammar where the next start finds it; without such a place there is no cache."""
    import tempfile  # noqa: PLC0415 - slow, and only a schema that is new needs it

    if not grammar.content_id.isalnum():
        return
    folder = cache_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            file.write(encode(grammar))
        Path(file.name).rename(_file(grammar.content_id))
        kept = sorted(folder.glob("grammar-*"), key=lambda path: path.stat().st_mtime)
        for old in kept[:-_KEPT]:
            old.unlink(missing_ok=True)
    except OSError:
        return


def _fetch(session: Session) -> Grammar:
    from flowexport_mgmt.schema.library import LibraryError  # noqa: PLC0415 - it loads libyang
    from flowexport_mgmt.schema.remote import RemoteModule, remote_grammar  # noqa: PLC0415

    library = session.library()
    if library is None:
        raise NotReachedError(f"{session.place}: the server does not tell its modules")
    modules, texts, size = [], {}, 0
    for entry, implemented in _entries(library):
        name, revision = entry.findtext("{*}name") or "", entry.findtext("{*}revision") or ""
        features = tuple(found.text or "" for found in entry.iterfind("{*}feature"))
        modules.append(RemoteModule(name, revision, features, implemented))
        texts[name] = session.schema(name, revision)
        size += len(texts[name])
        if size > _LARGEST:
            raise NotReachedError(f"{session.place}: the modules have more than {_LARGEST} octets")
    try:
        content_id = library.findtext("{*}content-id") or ""
        return remote_grammar(content_id, modules, texts)
    except (LibraryError, ValueError) as error:
        message = f"{session.place}: the modules of the server are wrong: {error}"
        raise NotReachedError(message) from error


def _entries(library: etree._Element) -> Iterator[tuple[etree._Element, bool]]:
    for module_set in library.iterfind("{*}module-set"):
        yield from ((entry, True) for entry in module_set.iterfind("{*}module"))
        yield from ((entry, False) for entry in module_set.iterfind("{*}import-only-module"))
