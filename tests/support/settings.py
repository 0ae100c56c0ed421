"""Every node of a grammar that can be configured, with a value that it accepts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hypothesis import strategies as st

from flowexport_mgmt.cli.grammar.paths import Path, Step
from flowexport_mgmt.schema.grammar import Grammar, Node, Type

BY_NAME = {
    "ip-address": ("192.0.2.7", "2001:db8::7"),
    "ip-address-no-zone": ("192.0.2.7", "2001:db8::7"),
    "ipv4-address": ("192.0.2.7",),
    "ipv6-address": ("2001:db8::7",),
    "ip-prefix": ("192.0.2.0/24", "2001:db8::/32"),
    "ipv4-prefix": ("192.0.2.0/24",),
    "ipv6-prefix": ("2001:db8::/32",),
    "host": ("192.0.2.7", "a.example"),
    "crypt-hash": ("$6$rounds=1000$abcdefgh$" + "a" * 86,),
    "tls-fingerprint": ("04:" + ":".join(["ab"] * 32),),
    "node-instance-path": ("/flow-export:flow-export/flow-export:collector",),
    "node-instance-identifier": ("/flow-export:flow-export/flow-export:collector",),
    "dotted-quad": ("192.0.2.7",),
    "pem-name": ("a.pem",),
    "date-and-time": ("2026-11-28T10:00:00Z",),
}
"""Values of types that a pattern restricts, by the names of the types."""


def leaves(grammar: Grammar) -> list[Path]:
    """List the paths to every leaf and leaf-list that can be configured, keys left out."""
    return [path for path in nodes(grammar) if path[-1].node.is_term]


def nodes(grammar: Grammar) -> list[Path]:
    """List the paths to every node that can be configured, keys left out."""
    return list(_below(grammar.nodes, ()))


def _below(children: Iterable[Node], above: Path) -> Iterator[Path]:
    keys = above[-1].node.keys if above else ()
    for node in children:
        if not node.config or node.name in keys or node.kind in ("anydata", "anyxml"):
            continue
        if node.kind == "action":
            continue
        step = Step(node, tuple(accepted(_child(node, key))[0] for key in node.keys))
        yield (*above, step)
        if node.is_parent:
            yield from _below(node.children, (*above, step))


def _child(node: Node, name: str) -> Node:
    return next(child for child in node.children if child.name == name)


def accepted(node: Node) -> tuple[str, ...]:
    """Give values that a leaf accepts."""
    assert node.type is not None
    name = node.type.name.rpartition(":")[2]
    if name in BY_NAME:
        return BY_NAME[name]
    return tuple(_accepted(node.type))


def _accepted(kind: Type) -> Iterator[str]:
    listed = [member for member in kind.leaves if member.values]
    for member in listed or kind.leaves:
        if member.values:
            yield from (value for value, _ in member.values)
        elif member.base == "boolean":
            yield from ("true", "false")
        elif member.base == "empty":
            yield ""
        elif member.base.startswith(("int", "uint")):
            yield from _numbers(member)
        else:
            yield "a"


def _numbers(kind: Type) -> tuple[str, str]:
    if not kind.limits:
        return "0", "7"
    least, _, greatest = kind.limits.replace(" ", "").split("|")[0].partition("..")
    return least, greatest or least


def value_of(node: Node) -> st.SearchStrategy[str]:
    """Draw a value of a leaf; free text may hold whatever has to be quoted."""
    kind = node.type
    assert kind is not None
    if kind.base == "string" and kind.name == "string" and not kind.values:
        least = int((kind.limits or "0").partition("..")[0] or 0)
        text = st.text(st.sampled_from("abz019 \"'\\{}[];#|/*,:\t\n-_ä"), min_size=max(1, least))
        return text.map(lambda value: value[:15])
    return st.sampled_from(accepted(node))
