"""Owned data trees: parsed, printed, searched, changed, validated and freed."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import ClassVar, Self

from _libyang import ffi, lib

from flowexport_mgmt.schema import library
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.library import NULL, LibraryError, Pointer
from flowexport_mgmt.schema.nodes import Kind, SchemaNode
from flowexport_mgmt.schema.paths import Step, quote, render_json_path, render_path

_COPY = lib.LYD_DUP_RECURSIVE | lib.LYD_DUP_WITH_FLAGS


class Format(enum.Enum):
    """The encodings of data."""

    JSON = lib.LYD_JSON
    XML = lib.LYD_XML


class Defaults(enum.Enum):
    """Which default values are printed (RFC 6243, section 3)."""

    EXPLICIT = lib.LYD_PRINT_WD_EXPLICIT
    TRIM = lib.LYD_PRINT_WD_TRIM
    REPORT_ALL = lib.LYD_PRINT_WD_ALL
    REPORT_ALL_TAGGED = lib.LYD_PRINT_WD_ALL_TAG


class Node:
    """A node of a tree; valid as long as the tree lives and the node stays in it."""

    __slots__ = ("pointer", "schema")

    def __init__(self, schema: SchemaNode, pointer: Pointer) -> None:
        self.schema = schema
        self.pointer = pointer

    @property
    def value(self) -> str:
        """The canonical value of a leaf or leaf-list entry."""
        return library.text(lib.lyd_get_value(self.pointer))

    @property
    def is_default(self) -> bool:
        """Whether nobody set it: a value from the schema or a container without presence."""
        return bool(self.pointer.flags & library.DEFAULT)

    @property
    def keys(self) -> tuple[str, ...]:
        """The key values of a list entry."""
        count = len(self.schema.keys)
        children = library.siblings(lib.lyd_child(self.pointer))
        return tuple(library.text(lib.lyd_get_value(c)) for c, _ in zip(children, range(count), strict=False))

    def step(self) -> Step:
        """Give the node's step in a path."""
        return self.schema.step(
            self.keys if self.schema.kind is Kind.LIST else (),
            self.value if self.schema.kind is Kind.LEAF_LIST else None,
        )


class Tree:
    """A configuration or operational tree that owns its memory.

    Free it, or use it in ``with``. ``alive`` counts the trees not yet freed.
    """

    alive: ClassVar[int] = 0

    def __init__(self, schema: SchemaContext, root: Pointer = NULL) -> None:
        self.schema = schema
        self.root = root
        self._freed = False
        Tree.alive += 1

    # -- memory

    def free(self) -> None:
        """Release the memory; a second time does nothing."""
        if self._freed:
            return
        self._freed = True
        Tree.alive -= 1
        if self.root:
            lib.lyd_free_all(self.root)
        self.root = NULL

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.free()

    def duplicate(self) -> Tree:
        """Copy the whole tree."""
        copy = Tree(self.schema)
        if self.root:
            copy.root = self._made("copying", lambda out: lib.lyd_dup_siblings(self.root, NULL, _COPY, out))
        return copy

    # -- bytes

    @classmethod
    def parse(cls, schema: SchemaContext, data: bytes, form: Format, *, state: bool = False) -> Tree:
        """Parse an instance document without validating it; unknown nodes are errors.

        Args:
            state: whether nodes of state are accepted.

        Raises:
            LibraryError: what the library said.
        """
        options = lib.LYD_PARSE_ONLY | lib.LYD_PARSE_STRICT | (0 if state else lib.LYD_PARSE_NO_STATE)
        tree = cls(schema)
        try:
            tree.root = tree._made(
                "parsing",
                lambda out: lib.lyd_parse_data_mem(schema.pointer, data, form.value, options, 0, out),
            )
        except LibraryError:
            tree.free()
            raise
        return tree

    def print(self, form: Format, defaults: Defaults = Defaults.EXPLICIT, *, shrink: bool = True) -> bytes:
        """Print the tree: a JSON object, or XML elements without one around them."""
        options = lib.LYD_PRINT_WITHSIBLINGS | defaults.value | (lib.LYD_PRINT_SHRINK if shrink else 0)
        out = ffi.new("char **")
        root = lib.lyd_first_sibling(self.root) if self.root else NULL
        library.check(self.schema.pointer, lib.lyd_print_mem(out, root, form.value, options), "printing")
        try:
            return bytes(ffi.string(out[0])) if out[0] else b""
        finally:
            lib.free(out[0])

    # -- reading

    def top(self) -> Iterator[Node]:
        """Give the top nodes."""
        yield from self._nodes(self.root)

    def children(self, node: Node) -> Iterator[Node]:
        """Give the nodes below one."""
        yield from self._nodes(lib.lyd_child(node.pointer))

    def walk(self) -> Iterator[Node]:
        """Give all nodes, each before what is below it."""
        waiting = list(self.top())[::-1]
        while waiting:
            node = waiting.pop()
            yield node
            if not node.schema.is_term and not node.schema.is_any:
                waiting.extend(list(self.children(node))[::-1])

    def find(self, path: str) -> Node | None:
        """Find one node by its path with module names (``/a:b/c[k='v']``); None if absent."""
        if not self.root:
            return None
        out = ffi.new("struct lyd_node **")
        result = lib.lyd_find_path(self.root, path.encode(), False, out)
        library.take_errors(self.schema.pointer)
        return self._node(out[0]) if result == lib.LY_SUCCESS else None

    def find_all(self, xpath: str) -> list[Node]:
        """Evaluate an XPath expression with module names as prefixes.

        Raises:
            LibraryError: the expression is wrong.
        """
        if not self.root:
            return []
        out = ffi.new("struct ly_set **")
        result = lib.lyd_find_xpath(self.root, xpath.encode(), out)
        library.check(self.schema.pointer, result, "evaluating")
        try:
            return [self._node(out[0].dnodes[i]) for i in range(out[0].count)]
        finally:
            lib.ly_set_free(out[0], ffi.NULL)

    def select(self, nodes: Iterable[Node]) -> Tree:
        """Copy nodes with what is below them, their parents and the keys of those."""
        options = _COPY | lib.LYD_DUP_WITH_PARENTS
        chosen = Tree(self.schema)
        for node in nodes:
            pointer = node.pointer
            copy = self._made("copying", lambda out, p=pointer: lib.lyd_dup_single(p, NULL, options, out))
            while copy.parent:
                copy = ffi.cast("struct lyd_node *", copy.parent)
            chosen._merge(copy)
            lib.lyd_free_all(copy)
        return chosen

    def path(self, node: Node) -> str:
        """Give a node's instance path with module prefixes."""
        return render_path(self._steps(node))

    def json_path(self, node: Node) -> str:
        """Give a node's instance path with module names."""
        return render_json_path(self._steps(node))

    def _steps(self, node: Node) -> list[Step]:
        steps, pointer = [], node.pointer
        while pointer:
            steps.append(self._node(pointer).step())
            pointer = ffi.cast("struct lyd_node *", pointer.parent)
        return steps[::-1]

    # -- whole trees

    def merge(self, other: Tree) -> None:
        """Add another tree's nodes; its values win."""
        if other.root:
            self._merge(other.root)

    def _merge(self, root: Pointer) -> None:
        out = ffi.new("struct lyd_node **", self.root)
        result = lib.lyd_merge_siblings(out, root, lib.LYD_MERGE_WITH_FLAGS)
        library.check(self.schema.pointer, result, "merging")
        self.root = lib.lyd_first_sibling(out[0]) if out[0] else NULL

    # -- changing: what the edit engine is made of

    def child(self, parent: Node | None, schema: SchemaNode, keys: tuple[str, ...] = (), value: str | None = None) -> Node | None:
        """Find a node by its parent (None at the top), schema and keys or leaf-list value."""
        first = lib.lyd_child(parent.pointer) if parent else self.root
        wanted = value
        if schema.kind is Kind.LIST:
            if any("'" in key and '"' in key for key in keys):
                return next((n for n in self._nodes(first) if n.schema is schema and n.keys == keys), None)
            wanted = "".join(f"[{k.name}={quote(v)}]" for k, v in zip(schema.keys, keys, strict=True))
        elif schema.kind is not Kind.LEAF_LIST:
            wanted = None
        pointer = library.find_sibling(first, schema.pointer, wanted)
        return Node(schema, pointer) if pointer else None

    def create(self, parent: Node | None, schema: SchemaNode, keys: tuple[str, ...] = (), value: str | None = None) -> Node:
        """Create a node below a parent, last among its like; keys come with their entry."""
        above = parent.pointer if parent else NULL
        module, name = schema.pointer.module, schema.pointer.name
        make: Callable[[Pointer], int]
        if schema.kind is Kind.LIST:
            values = [ffi.new("char[]", key.encode()) for key in keys]
            make = lambda out: lib.lyd_new_list(above, module, name, False, out, *values)  # noqa: E731
        elif schema.is_term:
            encoded = (value or "").encode()
            make = lambda out: lib.lyd_new_term(above, module, name, encoded, False, out)  # noqa: E731
        else:
            make = lambda out: lib.lyd_new_inner(above, module, name, False, out)  # noqa: E731
        pointer = self._made("creating", make)
        if parent is None:
            self.root = library.insert_top(self.root, pointer)
        return Node(schema, pointer)

    def delete(self, node: Node) -> None:
        """Remove a node and what is below it."""
        if node.pointer == self.root:
            self.root = node.pointer.next
        lib.lyd_free_tree(node.pointer)

    def set_value(self, node: Node, value: str) -> bool:
        """Give a leaf another value and make it explicit; say whether anything changed."""
        return library.change_term(self.schema.pointer, node.pointer, value)

    def move(self, node: Node, anchor: Node, *, after: bool) -> None:
        """Put a list entry directly before or after another one."""
        library.move(self.schema.pointer, node.pointer, anchor.pointer, after=after)

    # -- inside

    def _node(self, pointer: Pointer) -> Node:
        return Node(self.schema.schema_node(pointer.schema), pointer)

    def _nodes(self, first: Pointer) -> Iterator[Node]:
        for pointer in library.siblings(first):
            yield self._node(pointer)

    def _made(self, call: str, make: Callable[[Pointer], int]) -> Pointer:
        return library.made(self.schema.pointer, call, make)
