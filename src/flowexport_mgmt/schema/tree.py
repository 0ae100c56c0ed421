"""Owned data trees: parsed, printed, searched, changed, validated and freed."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import ClassVar, Self

from _libyang import ffi, lib

from flowexport_mgmt.schema import library
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.data import Node, nodes
from flowexport_mgmt.schema.library import NULL, Pointer
from flowexport_mgmt.schema.nodes import Kind, SchemaNode
from flowexport_mgmt.schema.paths import quote
from flowexport_mgmt.schema.variables import restore_variables

__all__ = ["Defaults", "Format", "Node", "Tree"]

_NO_STATE = lib.LYD_IMPLICIT_NO_STATE
_NO_STATE_VALID = lib.LYD_VALIDATE_NO_STATE
_COPY = lib.LYD_DUP_RECURSIVE | lib.LYD_DUP_WITH_FLAGS
_ALONE = _COPY | lib.LYD_DUP_WITH_PARENTS


class Format(enum.Enum):
    """The encodings of data."""

    JSON = lib.LYD_JSON
    XML = lib.LYD_XML


class Defaults(enum.Enum):
    """Which default values are printed (RFC 6243, section 3).

    In the basic mode *explicit* a value that somebody set is no default, even if it is the one of
    the schema, so that it is not tagged as one.
    """

    EXPLICIT = lib.LYD_PRINT_WD_EXPLICIT
    TRIM = lib.LYD_PRINT_WD_TRIM
    REPORT_ALL = lib.LYD_PRINT_WD_ALL
    REPORT_ALL_TAGGED = lib.LYD_PRINT_WD_IMPL_TAG


class Tree:
    """A configuration or operational tree that owns its memory.

    Free it, or use it in ``with``. ``alive`` counts the trees that are not freed.
    """

    alive: ClassVar[int] = 0

    def __init__(self, schema: SchemaContext, root: Pointer = NULL) -> None:
        self.schema = schema
        self._root = root
        self._freed = False
        Tree.alive += 1

    # -- memory

    def free(self) -> None:
        """Release the memory; a second time does nothing."""
        if self._freed:
            return
        self._freed = True
        Tree.alive -= 1
        if self._root:
            lib.lyd_free_all(self._root)
        self._root = NULL

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.free()

    def duplicate(self) -> Tree:
        """Copy the whole tree."""
        copy = Tree(self.schema)
        if self._root:
            copy._root = self._made(
                "copying", lambda out: lib.lyd_dup_siblings(self._root, NULL, _COPY, out)
            )
        return copy

    # -- bytes

    @classmethod
    def parse(
        cls, schema: SchemaContext, data: bytes, form: Format, *, state: bool = False
    ) -> Tree:
        """Parse an instance document without validating it; unknown nodes are errors.

        Args:
            schema: the modules to parse by.
            data: the document.
            form: its encoding.
            state: whether nodes of state are accepted.

        Raises:
            LibraryError: what the library said.
        """
        options = lib.LYD_PARSE_ONLY | lib.LYD_PARSE_STRICT
        if not state:
            options |= lib.LYD_PARSE_NO_STATE
        root = library.made(
            schema.pointer,
            "parsing",
            lambda out: lib.lyd_parse_data_mem(schema.pointer, data, form.value, options, 0, out),
        )
        return cls(schema, root)

    def print(
        self, form: Format, defaults: Defaults = Defaults.EXPLICIT, *, pretty: bool = False
    ) -> bytes:
        """Print the tree: a JSON object, or XML elements without one around them."""
        options = lib.LYD_PRINT_WITHSIBLINGS | defaults.value
        if not pretty:
            options |= lib.LYD_PRINT_SHRINK
        out = ffi.new("char **")
        result = lib.lyd_print_mem(out, self._root, form.value, options)
        library.check(self.schema.pointer, result, "printing")
        try:
            printed = bytes(ffi.string(out[0])) if out[0] else b""
        finally:
            lib.free(out[0])
        return restore_variables(printed) if form is Format.XML else printed

    # -- reading

    def top(self) -> Iterator[Node]:
        """Give the top nodes."""
        return nodes(self.schema, self._root)

    def below(self, parent: Node | None) -> Iterator[Node]:
        """Give the nodes below one, or the top nodes."""
        return parent.children() if parent else self.top()

    def walk(self) -> Iterator[Node]:
        """Give all nodes, each before what is below it."""
        for node in self.top():
            yield from node.walk()

    def find(self, path: str) -> Node | None:
        """Find one node by its path with module names (``/a:b/c[k='v']``); None if absent."""
        found = self.find_all(path)
        return found[0] if found else None

    def find_all(self, xpath: str) -> list[Node]:
        """Evaluate an XPath expression with module names as prefixes.

        Raises:
            LibraryError: the expression is wrong.
        """
        if not self._root:
            return []
        out = ffi.new("struct ly_set **")
        result = lib.lyd_find_xpath(self._root, xpath.encode(), out)
        library.check(self.schema.pointer, result, "evaluating")
        try:
            return [Node(self.schema, out[0].dnodes[i]) for i in range(out[0].count)]
        finally:
            lib.ly_set_free(out[0], ffi.NULL)

    # -- whole trees

    def merge(self, other: Tree) -> None:
        """Add another tree's nodes; its values win."""
        if not other._root:
            return
        out = ffi.new("struct lyd_node **", self._root)
        result = lib.lyd_merge_siblings(out, other._root, lib.LYD_MERGE_WITH_FLAGS)
        library.check(self.schema.pointer, result, "merging")
        self._root = out[0]

    def add_defaults(self) -> None:
        """Add the values of the schema where nothing is set, as validation does."""
        root = ffi.new("struct lyd_node **", self._root)
        result = lib.lyd_new_implicit_all(root, self.schema.pointer, _NO_STATE, NULL)
        self._root = root[0]
        library.check(self.schema.pointer, result, "adding defaults")

    def validate(self) -> None:
        """Validate the configuration, adding defaults and deleting what a ``when`` now rules out.

        After an error the tree is of no further use.

        Raises:
            LibraryError: the first fault.
        """
        self._validate(NULL)

    def validate_and_tell(self) -> tuple[str, ...]:
        """Validate, and give the paths of nodes that were deleted though somebody set them.

        The paths have module prefixes. It costs twice as much as not to be told.

        Raises:
            LibraryError: the first fault.
        """
        changes = ffi.new("struct lyd_node **")
        try:
            self._validate(changes)
        finally:
            made = Tree(self.schema, changes[0])
        with made:
            return tuple(
                node.path
                for node in made.walk()
                if library.meta(self.schema.pointer, node.pointer, "operation") == "delete"
                and not node.is_default
            )

    def validate_entry(self, entry: Node) -> bool:
        """Validate one entry of a confined list in a tree whose rest is valid.

        Returns:
            False if a ``when`` rules out something that somebody set: then nothing has changed.

        Raises:
            LibraryError: the first fault; nothing has changed.
        """
        alone = self._made(
            "copying", lambda out: lib.lyd_dup_single(entry.pointer, NULL, _ALONE, out)
        )
        with Tree(self.schema, library.root_of(alone)) as copy:
            before = copy.print(Format.JSON)
            module = copy._root.schema.module
            copy._root = library.validate_module(
                self.schema.pointer, copy._root, module, _NO_STATE_VALID
            )
            if copy.print(Format.JSON) != before:
                return False
            library.follow(self.schema.pointer, entry.pointer, alone)
        return True

    def _validate(self, changes: Pointer) -> None:
        root = ffi.new("struct lyd_node **", self._root)
        result = lib.lyd_validate_all(root, self.schema.pointer, _NO_STATE_VALID, changes)
        self._root = root[0]
        library.check(self.schema.pointer, result, "validation")

    # -- changing: what the edit engine is made of

    def child(
        self,
        parent: Node | None,
        schema: SchemaNode,
        keys: tuple[str, ...] = (),
        value: str | None = None,
    ) -> Node | None:
        """Find a node by its parent (None at the top), schema and keys or leaf-list value."""
        first = lib.lyd_child(parent.pointer) if parent else self._root
        wanted = value if schema.kind is Kind.LEAF_LIST else None
        if schema.kind is Kind.LIST:
            if any("'" in key and '"' in key for key in keys):
                return next((n for n in self.entries(parent, schema) if n.keys == keys), None)
            pairs = zip(schema.keys, keys, strict=True)
            wanted = "".join(f"[{key.name}={quote(text)}]" for key, text in pairs)
        pointer = library.find_sibling(first, schema.pointer, wanted)
        return Node(self.schema, pointer) if pointer else None

    def entries(self, parent: Node | None, schema: SchemaNode) -> list[Node]:
        """Give the entries of one list or leaf-list, in order."""
        return [node for node in self.below(parent) if node.schema is schema]

    def create(
        self,
        parent: Node | None,
        schema: SchemaNode,
        keys: tuple[str, ...] = (),
        value: str | None = None,
    ) -> Node:
        """Create a node below a parent, last among its like; keys come with their entry."""
        above = parent.pointer if parent else NULL
        pointer = self._made("creating", library.maker(schema.pointer, above, keys, value or ""))
        if parent is None:
            self._root = library.insert_top(self._root, pointer)
        return Node(self.schema, pointer)

    def delete(self, node: Node) -> None:
        """Remove a node and what is below it."""
        if node.pointer == self._root:
            self._root = node.pointer.next
        lib.lyd_free_tree(node.pointer)

    def set_value(self, node: Node, value: str) -> None:
        """Give a leaf another value, and make it explicit."""
        library.change_term(self.schema.pointer, node.pointer, value)

    def move(self, node: Node, anchor: Node, *, after: bool) -> None:
        """Put a list entry directly before or after another one."""
        if not after and anchor.pointer == self._root:
            self._root = node.pointer
        library.move(self.schema.pointer, node.pointer, anchor.pointer, after=after)

    def _made(self, call: str, make: Callable[[Pointer], int]) -> Pointer:
        return library.made(self.schema.pointer, call, make)
