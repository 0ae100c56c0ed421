"""A schema as plain values: what a command line needs to know of every node.

Made from a context by :mod:`flowexport_mgmt.schema.describe`, and small enough to be kept in a
file, so that a program which has it needs no libyang.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

FORM: Final = 1
"""Changes when the structs below do, so that an older file is not read."""

TERMS: Final = ("leaf", "leaf-list")
PARENTS: Final = ("container", "list")


class Type(msgspec.Struct, frozen=True, array_like=True):
    """The type of a leaf.

    ``base`` is YANG's built-in type; ``name`` what the module calls it; ``limits`` the range or the
    lengths in words; ``values`` names and descriptions of enumerations, bits and identities, the
    latter as ``module:name``, and the strings that a pattern lists; ``target`` the schema path of a
    leafref; ``members`` the types of a union.
    """

    base: str
    name: str = ""
    limits: str = ""
    values: tuple[tuple[str, str], ...] = ()
    target: str = ""
    members: tuple[Type, ...] = ()

    @property
    def leaves(self) -> Iterator[Type]:
        """The types that a value may have, unions taken apart."""
        if not self.members:
            yield self
        for member in self.members:
            yield from member.leaves


class Hints(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """What the extensions of flow-export-cli say; ``order`` is 0 where they say nothing."""

    hide: bool = False
    alias: str = ""
    order: int = 0
    compress: bool = False
    secret: bool = False

    @property
    def is_offered(self) -> bool:
        """Whether a word is offered for it; it can be typed nevertheless."""
        return not (self.hide or self.compress)


class Node(msgspec.Struct, frozen=True, array_like=True, dict=True):
    """A node of the schema; ``kind`` is the YANG keyword, such as ``leaf-list`` or ``rpc``."""

    kind: str
    name: str
    module: str
    namespace: str
    description: str = ""
    config: bool = True
    mandatory: bool = False
    presence: bool = False
    user_ordered: bool = False
    units: str = ""
    when: str = ""
    defaults: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    type: Type | None = None
    hints: Hints = Hints()
    children: tuple[Node, ...] = ()

    @property
    def tag(self) -> str:
        """Its XML name, ``{namespace}name``."""
        return f"{{{self.namespace}}}{self.name}"

    @property
    def is_term(self) -> bool:
        """Whether it holds a value."""
        return self.kind in TERMS

    @property
    def is_parent(self) -> bool:
        """Whether it has data nodes below."""
        return self.kind in PARENTS


class Grammar(msgspec.Struct, frozen=True, array_like=True, dict=True):
    """A whole schema: data nodes at the top, rpcs, and modules by namespace."""

    form: int
    content_id: str
    nodes: tuple[Node, ...]
    operations: tuple[Node, ...]
    modules: dict[str, str]


def encode(grammar: Grammar) -> bytes:
    """Write a grammar as MessagePack."""
    return msgspec.msgpack.encode(grammar)


def decode(data: bytes) -> Grammar:
    """Read what :func:`encode` wrote.

    Raises:
        msgspec.MsgspecError: it is something else.
    """
    return msgspec.msgpack.decode(data, type=Grammar)
