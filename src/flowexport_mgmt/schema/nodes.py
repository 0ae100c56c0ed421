"""The schema as parsers and the edit engine walk it: one cached object for each data node."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from _libyang import ffi, lib

from flowexport_mgmt.schema.library import NULL, Pointer, items, siblings, text
from flowexport_mgmt.schema.paths import Step, render_step


class Kind(enum.Enum):
    """The kinds of data nodes, and the actions that stand among them."""

    CONTAINER = lib.LYS_CONTAINER
    LIST = lib.LYS_LIST
    LEAF = lib.LYS_LEAF
    LEAF_LIST = lib.LYS_LEAFLIST
    ANYDATA = lib.LYS_ANYDATA
    ANYXML = lib.LYS_ANYXML
    ACTION = lib.LYS_ACTION


_ON_REQUEST = ("flow-export-types", "on-request")
_ALL_KINDS = {kind.value: kind for kind in Kind}
_KINDS = {kind.value: kind for kind in Kind if kind is not Kind.ACTION}
_STRUCTS = {Kind.LIST: "list", Kind.LEAF_LIST: "leaflist", Kind.LEAF: "leaf"}


class Choice(NamedTuple):
    """A mandatory choice: its identity as in ``cases``, and the cases around it."""

    identity: int
    name: str
    cases: tuple[tuple[int, int], ...]


class SchemaNodes:
    """The data nodes of a C context, each made once: when it is first asked for.

    Args:
        context: the C context.
        modules: gives the compiled modules whose top nodes are served.
    """

    def __init__(self, context: Pointer, modules: Callable[[], Iterable[Pointer]]) -> None:
        self.context = context
        self._modules = modules
        self._known: dict[int, SchemaNode] = {}

    def __getitem__(self, pointer: Pointer) -> SchemaNode:
        """Give the one SchemaNode of a compiled schema node."""
        identity = _identity(pointer)
        node = self._known.get(identity)
        if node is None:
            node = self._known[identity] = SchemaNode(self, pointer)
        return node

    @cached_property
    def top(self) -> Mapping[str, SchemaNode]:
        """The top data nodes by their XML names (``{namespace}name``)."""
        return {node.tag: node for module in self._modules() for node in self.below(NULL, module)}

    def below(self, parent: Pointer, module: Pointer = NULL) -> Iterator[SchemaNode]:
        """Give the data nodes below a schema node, or at the top of a compiled module."""
        child = lib.lys_getnext(NULL, parent, module, 0)
        while child:
            if child.nodetype in _KINDS:
                yield self[child]
            child = lib.lys_getnext(child, parent, module, 0)

    def forget(self) -> None:
        """Let go of all nodes, before the C context is freed."""
        self._known.clear()


class SchemaNode:
    """A data node of the schema; choices and cases are no nodes but stand in ``cases``."""

    def __init__(self, nodes: SchemaNodes, pointer: Pointer) -> None:
        self.pointer = pointer
        self._nodes = nodes
        flags = pointer.flags
        self.kind = _ALL_KINDS[pointer.nodetype]
        self.is_list = self.kind in (Kind.LIST, Kind.LEAF_LIST)
        """Whether there may be several: a list or a leaf-list."""
        self.is_term = self.kind in (Kind.LEAF, Kind.LEAF_LIST)
        """Whether it holds a value: a leaf or a leaf-list."""
        self.name = text(pointer.name)
        self.module = text(pointer.module.name)
        self.prefix = text(pointer.module.prefix)
        self.namespace = text(pointer.module.ns)
        self.tag = f"{{{self.namespace}}}{self.name}"
        self.config = not flags & lib.LYS_CONFIG_R
        self.mandatory = bool(flags & lib.LYS_MAND_TRUE)
        self.presence = self.kind is Kind.CONTAINER and bool(flags & lib.LYS_PRESENCE)
        self.user_ordered = self.is_list and bool(flags & lib.LYS_ORDBY_USER)
        self.is_key = self.kind is Kind.LEAF and bool(flags & lib.LYS_KEY)
        self.has_when = bool(lib.lysc_node_when(pointer))

    @cached_property
    def on_request(self) -> bool:
        """Whether it is state that is told only to who names it, as flow-export-types marks it."""
        definitions = (getattr(extension, "def") for extension in items(self.pointer.exts))
        names = ((text(d.module.name), text(d.name)) for d in definitions)
        return self.kind is Kind.LIST and _ON_REQUEST in names

    @property
    def is_any(self) -> bool:
        """Whether it holds what no schema describes."""
        return self.kind in (Kind.ANYDATA, Kind.ANYXML)

    @cached_property
    def parent(self) -> SchemaNode | None:
        """The data node above, choices and cases left out."""
        above = self.pointer.parent
        while above and above.nodetype not in _KINDS:
            above = above.parent
        return self._nodes[above] if above else None

    @cached_property
    def children(self) -> Mapping[str, SchemaNode]:
        """The nodes below by their XML names (``{namespace}name``)."""
        return {child.tag: child for child in self._nodes.below(self.pointer)}

    @property
    def siblings(self) -> Iterable[SchemaNode]:
        """The nodes at the same place, itself among them."""
        above = self.parent
        return (self._nodes.top if above is None else above.children).values()

    @cached_property
    def actions(self) -> Mapping[str, SchemaNode]:
        """The actions of a container or list by their XML names."""
        found = siblings(ffi.cast("struct lysc_node *", lib.lysc_node_actions(self.pointer)))
        nodes = [self._nodes[pointer] for pointer in found]
        return {node.tag: node for node in nodes}

    @cached_property
    def by_json_name(self) -> Mapping[str, SchemaNode]:
        """The nodes below by their RFC 7951 names; the module may be given where it is optional."""
        names = {}
        for child in self.children.values():
            names[f"{child.module}:{child.name}"] = child
            if child.module == self.module:
                names[child.name] = child
        return names

    @cached_property
    def keys(self) -> tuple[SchemaNode, ...]:
        """The key leaves of a list, in the order of the schema."""
        return tuple(child for child in self.children.values() if child.is_key)

    @cached_property
    def cases(self) -> tuple[tuple[int, int], ...]:
        """The (choice, case) pairs that it stands in, outermost first, as identities to compare."""
        return _cases_around(self.pointer)

    @cached_property
    def mandatory_choices(self) -> tuple[Choice, ...]:
        """The mandatory choices directly below, those within cases included."""
        return tuple(mandatory_choices(self.pointer, NULL))

    @cached_property
    def type(self) -> Pointer:
        """The compiled type of a leaf or leaf-list."""
        return self._typed.type

    @cached_property
    def type_name(self) -> str:
        """The name of a leaf's type as its module writes it, such as ``inet:ip-address``."""
        parsed = f"struct lysp_node_{_STRUCTS[self.kind]} *"
        return text(ffi.cast(parsed, self.pointer.priv).type.name)

    @cached_property
    def base_types(self) -> frozenset[int]:
        """The built-in types that a value may have, unions and leafrefs followed."""
        return frozenset(_bases(self.type))

    @cached_property
    def limits(self) -> tuple[int, int]:
        """The least and the greatest number of entries of a list; the greatest is 0 for any."""
        typed = self._typed
        return int(typed.min), (0 if typed.max == 0xFFFFFFFF else int(typed.max))

    @cached_property
    def defaults(self) -> tuple[str, ...]:
        """The canonical values that a leaf or leaf-list has when nobody sets it."""
        typed, context = self._typed, self._nodes.context
        if self.kind is Kind.LEAF:
            values = [typed.dflt] if typed.dflt else []
        else:
            values = list(items(typed.dflts))
        return tuple(text(lib.lyd_value_get_canonical(context, value)) for value in values)

    @property
    def _typed(self) -> Any:
        return ffi.cast(f"struct lysc_node_{_STRUCTS[self.kind]} *", self.pointer)

    @cached_property
    def schema_path(self) -> str:
        """The path without prefixes, such as ``/flow-export/collector/port``."""
        above = self.parent
        return (above.schema_path if above else "") + f"/{self.name}"

    def step(self, keys: tuple[str, ...] = (), value: str | None = None) -> Step:
        """Give the step of an instance in a path."""
        predicates: tuple[tuple[str, str], ...] = ()
        if self.kind is Kind.LIST:
            predicates = tuple(zip((key.name for key in self.keys), keys, strict=False))
        elif self.kind is Kind.LEAF_LIST and value is not None:
            predicates = ((".", value),)
        return Step(self.module, self.prefix, self.name, predicates)

    def place(self, above: str, keys: tuple[str, ...] = (), value: str | None = None) -> str:
        """Give the path, with prefixes, of an instance below another path."""
        if keys or value is not None:
            return above + render_step(self.step(keys, value))
        return f"{above}/{self.prefix}:{self.name}"

    def __repr__(self) -> str:
        return f"<SchemaNode {self.kind.name.lower()} {self.schema_path}>"


def mandatory_choices(parent: Pointer, module: Pointer) -> Iterator[Choice]:
    """Give the mandatory choices below a schema node, or at the top of a compiled module."""
    child = lib.lys_getnext(NULL, parent, module, lib.LYS_GETNEXT_WITHCHOICE)
    while child:
        if child.nodetype == lib.LYS_CHOICE and not child.flags & lib.LYS_CONFIG_R:
            if child.flags & lib.LYS_MAND_TRUE and not lib.lysc_node_when(child):
                yield Choice(_identity(child), text(child.name), _cases_around(child))
            yield from _choices_in_cases(child)
        child = lib.lys_getnext(child, parent, module, lib.LYS_GETNEXT_WITHCHOICE)


def _choices_in_cases(choice: Pointer) -> Iterator[Choice]:
    case = lib.lysc_node_child(choice)
    while case:
        yield from mandatory_choices(case, NULL)
        case = case.next


def _cases_around(node: Pointer) -> tuple[tuple[int, int], ...]:
    found, above = [], node.parent
    while above and above.nodetype in (lib.LYS_CASE, lib.LYS_CHOICE):
        if above.nodetype == lib.LYS_CASE:
            found.append((_identity(above.parent), _identity(above)))
        above = above.parent
    return tuple(reversed(found))


def _identity(pointer: Pointer) -> int:
    return int(ffi.cast("uintptr_t", pointer))


def _bases(compiled: Pointer) -> Iterator[int]:
    if compiled.basetype == lib.LY_TYPE_UNION:
        for member in items(ffi.cast("struct lysc_type_union *", compiled).types):
            yield from _bases(member)
    elif compiled.basetype == lib.LY_TYPE_LEAFREF:
        yield from _bases(ffi.cast("struct lysc_type_leafref *", compiled).realtype)
    else:
        yield int(compiled.basetype)
