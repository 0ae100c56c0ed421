"""The schema of another installation, made of the texts that it serves."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.describe import describe
from flowexport_mgmt.schema.grammar import Grammar


@dataclass(frozen=True, slots=True)
class RemoteModule:
    """An entry of the yang-library of a server; ``implemented`` is false for imported ones."""

    name: str
    revision: str
    features: tuple[str, ...]
    implemented: bool


def remote_grammar(
    content_id: str, modules: Sequence[RemoteModule], texts: Mapping[str, str]
) -> Grammar:
    """Describe the schema that the modules make; ``texts`` are those of all of them by name.

    Raises:
        LibraryError: a text is wrong, or a module that another one imports is not there.
    """
    with tempfile.TemporaryDirectory(prefix="flowexport-yang-") as folder:
        for name, text in texts.items():
            (Path(folder) / f"{_file_name(name)}.yang").write_text(text, encoding="utf-8")
        wanted = tuple((m.name, m.features) for m in modules if m.implemented and m.name in texts)
        schema = SchemaContext(modules=wanted, folders=(Path(folder),))
        try:
            return msgspec.structs.replace(describe(schema), content_id=content_id)
        finally:
            schema.destroy()


def _file_name(name: str) -> str:
    """Give a module's name, which a server chose, as the name of a file.

    Raises:
        ValueError: no module can have it.
    """
    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or name[0] == ".":
        raise ValueError(f"{name!r} is not the name of a YANG module")
    return name
