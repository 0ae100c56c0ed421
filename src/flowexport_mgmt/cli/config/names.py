"""Values that name nodes or identities: with prefixes in XML, with names of modules where typed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from lxml import etree

from flowexport_mgmt.cli.grammar.words import WordError
from flowexport_mgmt.schema.grammar import Type

_PATH_TYPES: Final = frozenset(("xpath1.0", "node-instance-identifier", "node-instance-path"))
_PREFIX: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*):(?!:)")


def is_path(kind: Type) -> bool:
    """Tell whether values are paths in the tree."""
    named = kind.name.rpartition(":")[2] in _PATH_TYPES
    return named or kind.base == "instance-identifier"


def typed_name(element: etree._Element, kind: Type, modules: Mapping[str, str]) -> str:
    """Give a leaf's value with names of modules in place of prefixes."""
    text = element.text or ""

    def module(prefix: str | None) -> str:
        return modules.get(element.nsmap.get(prefix) or "", "")

    if kind.base == "identityref":
        prefix, _, name = text.strip().rpartition(":")
        found = module(prefix or None)
        return f"{found}:{name}" if found else name
    if is_path(kind):
        return _PREFIX.sub(lambda found: f"{module(found[1]) or found[1]}:", text)
    return text


def declarations(
    text: str, kind: Type, namespaces: Mapping[str, str], column: int
) -> tuple[str, dict[str, str]]:
    """Give a value as XML has it, with the prefixes to declare: those are names of modules.

    Raises:
        WordError: it is an identity that nobody defines.
    """
    if kind.base == "identityref":
        names = [name for name, _ in kind.values]
        found = [name for name in names if text in (name, name.rpartition(":")[2])]
        if not found:
            raise WordError(column, f"'{text}' is none of {', '.join(names)}")
        module = found[0].partition(":")[0]
        return found[0], {module: namespaces[module]}
    if is_path(kind):
        used = {found[1] for found in _PREFIX.finditer(text)} & namespaces.keys()
        return text, {name: namespaces[name] for name in sorted(used)}
    return text, {}
