"""Password hashes in the form of crypt(3): SHA-512 and SHA-256, and no weaker ones (RFC 7317)."""

from __future__ import annotations

import re
from typing import Final

CLEARTEXT: Final = "$0$"
"""What stands before a password that was not hashed."""

MIN_ROUNDS: Final = 1_000
MAX_ROUNDS: Final = 1_000_000
_OWN_ROUNDS: Final = 100_000
"""A sixth of a second to try one password; crypt(3) makes 5000 rounds unless told."""

_MAX_LENGTH: Final = 256
"""Characters of a password that are taken: hashing more costs time that a stranger would have."""

_FORM: Final = re.compile(r"\$(?P<id>[^$]*)\$(?:rounds=(?P<rounds>[0-9]+)\$)?")
_UNSTATED_ROUNDS: Final = 5_000


def refusal(stored: str) -> str:
    """Say why a hash will not do; empty when it will. The words do not repeat it."""
    match = _FORM.match(stored)
    kind = match["id"] if match else ""
    if kind not in {"5", "6"}:
        return "a password hash is one of SHA-512 ($6$) or SHA-256 ($5$)"
    rounds = rounds_of(stored)
    if not MIN_ROUNDS <= rounds <= MAX_ROUNDS:
        return f"a password hash has {MIN_ROUNDS} to {MAX_ROUNDS} rounds"
    return ""


def rounds_of(stored: str) -> int:
    """Give the rounds of a hash, which is what it costs to try a password."""
    match = _FORM.match(stored)
    return int(match["rounds"] or _UNSTATED_ROUNDS) if match else 0


def is_cleartext(value: str) -> bool:
    """Tell whether a value is a password that was not hashed."""
    return value.startswith(CLEARTEXT)


def hash_password(password: str) -> str:
    """Hash a password with a salt of its own; takes a good part of a second.

    Raises:
        ValueError: it is empty, too long, or holds the character U+0000.
    """
    from passlib.hash import sha512_crypt  # noqa: PLC0415 - slow, and seldom needed

    if not 0 < len(password) <= _MAX_LENGTH:
        raise ValueError(f"a password has 1 to {_MAX_LENGTH} characters")
    return str(sha512_crypt.using(rounds=_OWN_ROUNDS).hash(password))


def verify_password(password: str, stored: str) -> bool:
    """Try a password against a hash; takes as long for the wrong one as for the right one."""
    from passlib.hash import sha256_crypt, sha512_crypt  # noqa: PLC0415 - as above

    if len(password) > _MAX_LENGTH or refusal(stored):
        return False
    scheme = sha512_crypt if stored.startswith("$6$") else sha256_crypt
    try:
        return bool(scheme.verify(password, stored))
    except ValueError:  # no text that was ever hashed, such as U+0000
        return False
