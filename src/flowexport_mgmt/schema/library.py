"""The C library: the binding's functions with typed errors, and those that the binding lacks.

What is particular to libyang 2 stands here. A *pointer* is a ``struct lyd_node *`` (data), a
``struct lysc_node *`` (schema) or NULL, which is false.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import _libyang
from _libyang import ffi, lib
from cffi import FFI

Pointer = Any
NULL: Pointer = ffi.NULL

DEFAULT = lib.LYD_DEFAULT
_TERMS = lib.LYS_LEAF | lib.LYS_LEAFLIST | lib.LYS_ANYDATA | lib.LYS_ANYXML

_CDEF = """
    int lyd_find_sibling_val(
        void *siblings, void *schema, const char *value, size_t length, void **match);
    int lyd_insert_before(void *sibling, void *node);
    int lyd_insert_after(void *sibling, void *node);
    int lyd_insert_sibling(void *sibling, void *node, void **first);
    int lyd_validate_module(void **tree, void *module, uint32_t options, void **changes);
    int lyd_change_term(void *term, const char *value);
    int lydict_remove(void *context, const char *value);
    struct identity {
        const char *name; const char *description; const char *reference; void *module;
        struct identity **derived;
    };
    struct pattern { const char *expression; };
    struct range { struct { uint64_t least; uint64_t greatest; } *parts; };
"""
_extra = FFI()
_extra.cdef(_CDEF)
more: Any = _extra.dlopen(_libyang.__file__)
"""The same C library through the binding's own file, so that there is only one of it."""

_VOID, _RESULT = _extra.typeof("void *"), _extra.typeof("void **")
_EXTRA_ADDRESS, _ADDRESS = _extra.typeof("uintptr_t"), ffi.typeof("uintptr_t")
_NODE = ffi.typeof("struct lyd_node *")
"""Types that are needed at every step, parsed once."""


@dataclass(frozen=True, slots=True)
class ErrorItem:
    """One entry of the library's error list."""

    code: int
    validation_code: int
    message: str
    path: str
    app_tag: str


class LibraryError(Exception):
    """A call of the library failed; ``items`` is what it said, possibly nothing."""

    def __init__(self, items: tuple[ErrorItem, ...], call: str) -> None:
        self.items = items
        said = "; ".join(f"{item.message} {item.path}".strip() for item in items)
        super().__init__(said or f"{call} failed")


def configure_errors() -> None:
    """Keep errors in the context with their paths; print nothing."""
    lib.ly_log_level(lib.LY_LLERR)
    lib.ly_log_options(lib.LY_LOSTORE)
    lib.ly_set_log_clb(ffi.NULL, True)


def text(value: Pointer) -> str:
    """Decode a C string; NULL is empty. A message may quote octets that are no text."""
    return ffi.string(value).decode(errors="replace") if value else ""


def take_errors(context: Pointer) -> tuple[ErrorItem, ...]:
    """Give the errors since the last call, and forget them."""
    items, item = [], lib.ly_err_first(context)
    while item:
        items.append(
            ErrorItem(item.no, item.vecode, text(item.msg), text(item.path), text(item.apptag))
        )
        item = item.next
    lib.ly_err_clean(context, ffi.NULL)
    return tuple(items)


def load_module(context: Pointer, name: str, features: tuple[str, ...]) -> None:
    """Find a module in the search path and implement it.

    Raises:
        LibraryError: there is no such module, or it is wrong.
    """
    names = _strings(features)
    if not lib.ly_ctx_load_module(context, name.encode(), ffi.NULL, names[0]):
        raise LibraryError(take_errors(context), f"loading {name}")


def parse_module(context: Pointer, text: str, features: tuple[str, ...]) -> None:
    """Implement a module that is given as text.

    Raises:
        LibraryError: the text is wrong.
    """
    names, source, read = (
        _strings(features),
        ffi.new("char[]", text.encode()),
        ffi.new("struct ly_in **"),
    )
    check(context, lib.ly_in_new_memory(source, read), "reading a module")
    try:
        result = lib.lys_parse(context, read[0], lib.LYS_IN_YANG, names[0], ffi.NULL)
    finally:
        lib.ly_in_free(read[0], False)
    check(context, result, "parsing a module")


def _strings(values: tuple[str, ...]) -> tuple[Pointer, list[Pointer]]:
    """Make a C array of strings, and what must live as long as it does."""
    kept = [ffi.new("char[]", value.encode()) for value in values]
    return (ffi.new("const char *[]", [*kept, ffi.NULL]) if kept else ffi.NULL), kept


def check(context: Pointer, result: int, call: str) -> None:
    """Raise LibraryError unless a call succeeded."""
    if result != lib.LY_SUCCESS:
        raise LibraryError(take_errors(context), call)


def notification_names(module: Pointer) -> Iterator[str]:
    """Give the names of the notifications of an implemented module."""
    node = lib.lys_getnext(NULL, NULL, module.compiled, 0)
    while node:
        if node.nodetype == lib.LYS_NOTIF:
            yield text(node.name)
        node = lib.lys_getnext(node, NULL, module.compiled, 0)


def derived_identities(identity: Pointer) -> Iterator[tuple[Pointer, str, str]]:
    """Give the identities derived from another: module, name, description."""
    address = int(ffi.cast(_ADDRESS, identity))
    for found in _derived(_extra.cast("struct identity *", address)):
        module = ffi.cast("struct lys_module *", int(_extra.cast(_EXTRA_ADDRESS, found.module)))
        yield module, _extra_text(found.name), _extra_text(found.description)


def _extra_text(value: Pointer) -> str:
    found = _extra.string(value) if value else b""
    return found.decode() if isinstance(found, bytes) else found


def _derived(identity: Pointer) -> Iterator[Pointer]:
    if not identity.derived:
        return
    count = _extra.cast("uint64_t *", identity.derived)[-1]
    for position in range(count):
        yield identity.derived[position]
        yield from _derived(identity.derived[position])


def range_parts(limits: Pointer) -> Iterator[tuple[int, int]]:
    """Give the ends of each part of a range or of lengths, as unsigned numbers."""
    known: Any = _extra.cast("struct range *", int(ffi.cast(_ADDRESS, limits)))
    parts = known.parts
    for position in range(_extra.cast("uint64_t *", parts)[-1]):
        yield int(parts[position].least), int(parts[position].greatest)


def patterns(first: Pointer) -> Iterator[str]:
    """Give the patterns of a string."""
    for pattern in items(first):
        known: Any = _extra.cast("struct pattern *", int(ffi.cast(_ADDRESS, pattern)))
        yield _extra_text(known.expression)


def siblings(first: Pointer) -> Iterator[Pointer]:
    """Walk a node and what follows it."""
    while first:
        following = first.next
        yield first
        first = following


def items(first: Pointer) -> Iterator[Pointer]:
    """Walk an array of the library's, which keeps its length before its first item."""
    if first:
        for position in range(ffi.cast("uint64_t *", first)[-1]):
            yield first[position]


def made(context: Pointer, call: str, make: Callable[[Pointer], int]) -> Pointer:
    """Run a call that hands its result to an out parameter."""
    out = ffi.new("struct lyd_node **")
    check(context, make(out), call)
    return out[0]


def find_sibling(first: Pointer, schema: Pointer, value: str | None) -> Pointer:
    """Find a sibling by schema node and, for lists, key predicates or, for leaf-lists, a value."""
    if not first:
        return NULL
    encoded = _extra.NULL if value is None else value.encode()
    length = 0 if value is None else len(encoded)
    out = _extra.new(_RESULT)
    if more.lyd_find_sibling_val(_void(first), _void(schema), encoded, length, out):
        return NULL
    return ffi.cast(_NODE, int(_extra.cast(_EXTRA_ADDRESS, out[0])))


def _void(pointer: Pointer) -> Any:
    return _extra.cast(_VOID, int(ffi.cast(_ADDRESS, pointer)))


def insert_top(root: Pointer, node: Pointer) -> Pointer:
    """Add a node to the top of a tree and give the tree's new first node."""
    if not root:
        return node
    out = _extra.new("void **")
    more.lyd_insert_sibling(_void(root), _void(node), out)
    return ffi.cast("struct lyd_node *", int(_extra.cast("uintptr_t", out[0])))


def maker(
    schema: Pointer, parent: Pointer, keys: tuple[str, ...], value: str
) -> Callable[[Pointer], int]:
    """Give the call that makes a node of a schema node below a parent, or on its own."""
    module, name, encoded = schema.module, schema.name, value.encode()
    if schema.nodetype == lib.LYS_LIST:
        values = [ffi.new("char[]", key.encode()) for key in keys]
        return lambda out: lib.lyd_new_list(parent, module, name, False, out, *values)
    if schema.nodetype == lib.LYS_CONTAINER:
        return lambda out: lib.lyd_new_inner(parent, module, name, False, out)
    return lambda out: lib.lyd_new_term(parent, module, name, encoded, False, out)


def meta(context: Pointer, node: Pointer, name: str) -> str:
    """Give the value of an annotation of a node; empty when it has none."""
    item = node.meta
    while item:
        if text(item.name) == name:
            return text(lib.lyd_value_get_canonical(context, ffi.addressof(item.value)))
        item = item.next
    return ""


def root_of(node: Pointer) -> Pointer:
    """Give the top of the branch that a node is in."""
    while node.parent:
        node = ffi.cast(_NODE, node.parent)
    return node


def follow(context: Pointer, entry: Pointer, validated: Pointer) -> None:
    """Make one entry of a list what its validated copy is, from which nodes may be taken."""
    if not _copy_flags(entry, validated):
        for child in siblings(lib.lyd_child_no_keys(entry)):
            lib.lyd_free_tree(child)
        for child in siblings(lib.lyd_child_no_keys(validated)):
            check(context, lib.lyd_insert_child(entry, child), "moving")


def _copy_flags(node: Pointer, other: Pointer) -> bool:
    """Copy what validation notes of nodes; say whether they are the same below all along."""
    node.flags = other.flags
    if node.schema.nodetype & _TERMS:
        return True
    one, two = lib.lyd_child(node), lib.lyd_child(other)
    while one and two and one.schema == two.schema:
        if not _copy_flags(one, two):
            return False
        one, two = one.next, two.next
    return not one and not two


def change_term(context: Pointer, node: Pointer, value: str) -> None:
    """Give a leaf another value and make it explicit."""
    result = more.lyd_change_term(_void(node), value.encode())
    if result not in (lib.LY_EEXIST, lib.LY_ENOT):  # it had the value already
        check(context, result, "changing")


def validate_module(context: Pointer, root: Pointer, module: Pointer, options: int) -> Pointer:
    """Validate the nodes of one module, which are the whole tree, and give its first node.

    Raises:
        LibraryError: the first fault.
    """
    tree = _extra.new(_RESULT, _void(root))
    result = more.lyd_validate_module(tree, _void(module), options, _extra.NULL)
    check(context, result, "validation")
    return ffi.cast(_NODE, int(_extra.cast(_EXTRA_ADDRESS, tree[0])))


def move(context: Pointer, node: Pointer, anchor: Pointer, *, after: bool) -> None:
    """Put an entry of a list ordered by the user beside another one."""
    place = more.lyd_insert_after if after else more.lyd_insert_before
    check(context, place(_void(anchor), _void(node)), "moving")


def canonical(context: Pointer, schema: Pointer, value: str) -> str:
    """Check a value of a leaf and give its canonical form; prefixes in it are module names.

    Raises:
        LibraryError: the value is not of the leaf's type.
    """
    encoded, out = value.encode(), ffi.new("const char **")
    result = lib.lyd_value_validate(context, schema, encoded, len(encoded), ffi.NULL, ffi.NULL, out)
    if result not in (lib.LY_SUCCESS, lib.LY_EINCOMPLETE):  # incomplete: a reference not looked up
        raise LibraryError(take_errors(context), "checking a value")
    found = text(out[0])
    more.lydict_remove(_void(context), _extra.cast("char *", int(ffi.cast("uintptr_t", out[0]))))
    return found
