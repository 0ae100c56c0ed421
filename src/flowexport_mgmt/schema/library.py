"""The C library: the binding's functions with typed errors, and those that the binding lacks.

Everything below this line of the house that is particular to libyang 2 stands here. A *pointer* is a
``struct lyd_node *`` (data), a ``struct lysc_node *`` (schema) or NULL, which is false.
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

DEFAULT, WHEN_TRUE, NEW = lib.LYD_DEFAULT, lib.LYD_WHEN_TRUE, lib.LYD_NEW

_CDEF = """
    int lyd_find_sibling_val(void *siblings, void *schema, const char *value, size_t length, void **match);
    int lyd_find_sibling_first(void *siblings, void *target, void **match);
    void lyd_unlink_tree(void *node);
    int lyd_insert_before(void *sibling, void *node);
    int lyd_insert_after(void *sibling, void *node);
    int lyd_insert_sibling(void *sibling, void *node, void **first);
    int lyd_change_term(void *term, const char *value);
    int lydict_remove(void *context, const char *value);
"""
_extra = FFI()
_extra.cdef(_CDEF)
more = _extra.dlopen(_libyang.__file__)
"""The same C library through the binding's own file, so that there is only one of it."""
_void_pointers: Any = _extra.new("void *[1]")


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
        super().__init__("; ".join(f"{i.message} {i.path}".strip() for i in items) or f"{call} failed")


def configure_errors() -> None:
    """Keep errors in the context with their paths; print nothing."""
    lib.ly_log_level(lib.LY_LLERR)
    lib.ly_log_options(lib.LY_LOSTORE)
    lib.ly_set_log_clb(ffi.NULL, True)


def text(value: Pointer) -> str:
    """Decode a C string; NULL is empty."""
    return ffi.string(value).decode() if value else ""


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


def check(context: Pointer, result: int, call: str) -> None:
    """Raise LibraryError unless a call succeeded."""
    if result != lib.LY_SUCCESS:
        raise LibraryError(take_errors(context), call)


def siblings(first: Pointer) -> Iterator[Pointer]:
    """Walk a data node and what follows it."""
    while first:
        following = first.next
        yield first
        first = following


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
    out = _extra.new("void **")
    if more.lyd_find_sibling_val(_void(first), _void(schema), encoded, length, out):
        return NULL
    return ffi.cast("struct lyd_node *", int(_extra.cast("uintptr_t", out[0])))


def _void(pointer: Pointer) -> Any:
    return _extra.cast("void *", int(ffi.cast("uintptr_t", pointer)))


def insert_top(root: Pointer, node: Pointer) -> Pointer:
    """Add a node to the top of a tree and give the tree's new first node."""
    if not root:
        return node
    out = _extra.new("void **")
    more.lyd_insert_sibling(_void(root), _void(node), out)
    return ffi.cast("struct lyd_node *", int(_extra.cast("uintptr_t", out[0])))


def change_term(context: Pointer, node: Pointer, value: str) -> bool:
    """Give a leaf another value and make it explicit; say whether anything changed."""
    result = more.lyd_change_term(_void(node), value.encode())
    if result in (lib.LY_EEXIST, lib.LY_ENOT):
        take_errors(context)
        return bool(result == lib.LY_EEXIST)
    check(context, result, "changing")
    return True


def move(context: Pointer, node: Pointer, anchor: Pointer, *, after: bool) -> None:
    """Put an entry of a list ordered by the user beside another one."""
    place = more.lyd_insert_after if after else more.lyd_insert_before
    check(context, place(_void(anchor), _void(node)), "moving")
