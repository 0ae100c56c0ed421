"""OpenSSH public keys: one line of an authorized_keys file without options, and its parts."""

from __future__ import annotations

import base64
import binascii

_CURVES = {"nistp256": 65, "nistp384": 97, "nistp521": 133}
"""Octets of an uncompressed point (SEC 1, section 2.3.3)."""

_FIELDS: dict[str, tuple[int | None, ...]] = {
    "ssh-ed25519": (32,),
    "ssh-ed448": (57,),
    "sk-ssh-ed25519@openssh.com": (32, None),
    "ssh-rsa": (None, None),
    **{f"ecdsa-sha2-{curve}": (len(curve), size) for curve, size in _CURVES.items()},
    "sk-ecdsa-sha2-nistp256@openssh.com": (8, 65, None),
}
"""The fields after the type and their lengths, None for any (RFC 4253, RFC 5656, RFC 8709)."""


class PublicKeyError(ValueError):
    """A line that is no public key; says why."""


def read_public_key(line: str) -> bytes:
    """Check a line ``TYPE BASE64 [COMMENT]`` and give the key itself, which no comment changes.

    Raises:
        PublicKeyError: it is something else, such as a private key or a line with options.
    """
    if "PRIVATE KEY" in line:
        raise PublicKeyError("this is a private key; the public one ends in .pub")
    if not line.isprintable():
        raise PublicKeyError("a public key is one line of text")
    kind, _, rest = line.strip().partition(" ")
    if kind not in _FIELDS:
        raise PublicKeyError(f"{kind[:40]!r} is not a type of public key that is accepted")
    text = rest.split(maxsplit=1)[0] if rest.split() else ""
    try:
        blob = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise PublicKeyError("the key is not in base64") from None
    _check_fields(kind, blob)
    return blob


def _check_fields(kind: str, blob: bytes) -> None:
    fields = _split(blob)
    if not fields or fields[0] != kind.encode():
        raise PublicKeyError(f"the key is not of the type {kind} that the line says")
    lengths = _FIELDS[kind]
    if len(fields) != len(lengths) + 1:
        raise PublicKeyError("the key is cut short or has something after its end")
    for value, length in zip(fields[1:], lengths, strict=True):
        if not value or (length is not None and len(value) != length):
            raise PublicKeyError(f"the key is not a whole {kind} key")


def _split(blob: bytes) -> list[bytes]:
    """Split the length-prefixed strings of a key (RFC 4251, section 5)."""
    fields, position = [], 0
    while position < len(blob):
        end = position + 4 + int.from_bytes(blob[position : position + 4])
        if end > len(blob) or position + 4 > len(blob):
            return []
        fields.append(blob[position + 4 : end])
        position = end
    return fields
