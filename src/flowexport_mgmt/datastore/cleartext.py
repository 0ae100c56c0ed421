"""Passwords in clear text: hashed when they arrive, before anything keeps them (RFC 7317)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from flowexport_mgmt.credentials.passwords import CLEARTEXT, hash_password, is_cleartext
from flowexport_mgmt.errors import ErrorTag, ManagementError
from flowexport_mgmt.schema.edits import EditNode

_PASSWORD: Final = "/server/user/password-hash"  # noqa: S105 - where one is
_ABOVE: Final = ("/server", "/server/user", _PASSWORD)


async def hash_cleartext(edits: Sequence[EditNode]) -> tuple[EditNode, ...]:
    """Put hashes in the place of clear text, beside the event loop.

    Raises:
        ManagementError: invalid-value for what is no password.
    """
    if not _has_cleartext(edits):
        return tuple(edits)
    return await asyncio.to_thread(hash_cleartext_now, edits)


def hash_cleartext_now(edits: Iterable[EditNode]) -> tuple[EditNode, ...]:
    """Put hashes in the place of clear text.

    Raises:
        ManagementError: invalid-value for what is no password.
    """
    return tuple(map(_hashed, edits))


def _has_cleartext(edits: Iterable[EditNode]) -> bool:
    return any(
        _is_cleartext(edit) or _has_cleartext(edit.children)
        for edit in edits
        if edit.schema.schema_path in _ABOVE
    )


def _is_cleartext(edit: EditNode) -> bool:
    return (
        edit.schema.schema_path == _PASSWORD and edit.value is not None and is_cleartext(edit.value)
    )


def _hashed(edit: EditNode) -> EditNode:
    if edit.schema.schema_path not in _ABOVE:
        return edit
    if not _is_cleartext(edit):
        return replace(edit, children=hash_cleartext_now(edit.children))
    try:
        return replace(edit, value=hash_password((edit.value or "").removeprefix(CLEARTEXT)))
    except ValueError:
        message = "this is no password: it has 1 to 256 characters, none of them U+0000"
        raise ManagementError.single(ErrorTag.INVALID_VALUE, message, path=edit.path) from None
