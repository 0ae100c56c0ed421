"""Find the node that a path of the library's means.

The library writes a key between quotes of one kind, whatever is in it: with both kinds in the key
the path is no path any more. A tree tells what was meant, because its nodes can be written so too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flowexport_mgmt.schema.data import Node
from flowexport_mgmt.schema.nodes import SchemaNode
from flowexport_mgmt.schema.paths import parse_path
from flowexport_mgmt.schema.tree import Tree


def locate(tree: Tree, text: str) -> tuple[Node | None, str]:
    """Give the node of a tree, and its path with prefixes.

    The end of the path may be a node that is not in the tree, such as a default: then there is the
    path alone. Without any node on the way there is no path either.
    """
    node, rest = max(
        _on_the_way(tree.top(), text, ""), key=lambda found: -len(found[1]), default=(None, text)
    )
    if node is None:
        return None, ""
    return (None if rest else node), node.path + _below(node.schema, rest)


def _on_the_way(nodes: Iterable[Node], text: str, module: str) -> Iterator[tuple[Node, str]]:
    for node in nodes:
        step = _step(node, module)
        rest = text[len(step) :]
        if text.startswith(step) and (not rest or rest[0] == "/"):
            yield node, rest
            if rest and not node.schema.is_term:
                yield from _on_the_way(node.children(), rest, node.schema.module)


def _step(node: Node, module: str) -> str:
    """Write a step as the library does."""
    step = node.step()
    name = step.name if step.module == module else f"{step.module}:{step.name}"
    return f"/{name}" + "".join(f"[{key}={_quoted(value)}]" for key, value in step.predicates)


def _quoted(value: str) -> str:
    quote = '"' if "'" in value else "'"
    return f"{quote}{value}{quote}"


def _below(schema: SchemaNode, rest: str) -> str:
    """Write what is left of a path with prefixes, as far as the schema knows it."""
    try:
        steps = parse_path(rest)
    except ValueError:
        return ""
    path = ""
    for step in steps:
        found = next((c for c in schema.children.values() if c.name == step.name), None)
        if found is None:
            break
        path, schema = found.place(path), found
    return path
