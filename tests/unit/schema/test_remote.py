"""The grammar of a server elsewhere, made of the texts that it gives."""

from __future__ import annotations

import pytest
from tests.support.netconf_server import schema

from flowexport_mgmt.schema.describe import describe
from flowexport_mgmt.schema.grammar import Grammar, decode, encode
from flowexport_mgmt.schema.library import LibraryError
from flowexport_mgmt.schema.remote import RemoteModule, remote_grammar

TYPES = """module types { yang-version 1.1; namespace "urn:types"; prefix t;
  typedef port { type uint16 { range "1..9"; } } }"""
BOX = """module box { yang-version 1.1; namespace "urn:box"; prefix b;
  import types { prefix t; }
  feature wide;
  container box {
    leaf port { type t:port; description "Its port."; }
    leaf width { if-feature wide; type uint8; }
  } }"""
MODULES = (
    RemoteModule("box", "", (), implemented=True),
    RemoteModule("types", "", (), implemented=False),
)


def names(grammar: Grammar) -> list[str]:
    (top,) = (node for node in grammar.nodes if node.name == "box")
    return [child.name for child in top.children]


def test_our_own_texts_make_our_own_grammar() -> None:
    """As ``flowexport`` fetches it from a daemon of its own version."""
    ours = schema()
    texts = {m.name: ours.module_text(m.name) or "" for m in ours.modules}
    modules = [RemoteModule(m.name, m.revision, m.features, m.implemented) for m in ours.modules]
    found = remote_grammar(ours.content_id, modules, texts)
    assert found == describe(ours)
    assert decode(encode(found)) == found


def test_a_module_that_nobody_here_has() -> None:
    found = remote_grammar("7", MODULES, {"box": BOX, "types": TYPES})
    assert (found.content_id, names(found)) == ("7", ["port"])
    (top,) = (node for node in found.nodes if node.name == "box")
    port = top.children[0]
    assert port.type is not None
    assert (port.type.limits, port.description) == ("1..9", "Its port.")


def test_features_are_those_of_the_server() -> None:
    modules = (RemoteModule("box", "", ("wide",), implemented=True), MODULES[1])
    found = remote_grammar("7", modules, {"box": BOX, "types": TYPES})
    assert names(found) == ["port", "width"]


@pytest.mark.parametrize(
    "texts", [{"box": BOX}, {"box": "module box {", "types": TYPES}, {"box": "", "types": TYPES}]
)
def test_texts_that_are_wrong(texts: dict[str, str]) -> None:
    with pytest.raises(LibraryError):
        remote_grammar("7", MODULES, texts)


@pytest.mark.parametrize("name", ["../box", ".box", "a/b", "", "a b", "/etc/passwd"])
def test_no_server_names_a_file_elsewhere(name: str) -> None:
    modules = (RemoteModule(name, "", (), implemented=True),)
    with pytest.raises((ValueError, IndexError), match=r"is not the name|out of range"):
        remote_grammar("7", modules, {name: BOX})
