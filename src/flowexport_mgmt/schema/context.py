"""The one libyang context: which modules, with which features, from where."""

from __future__ import annotations

import hashlib
import re
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import libyang

from flowexport_mgmt.schema import library
from flowexport_mgmt.schema.confined import confined_lists
from flowexport_mgmt.schema.library import NULL, Pointer
from flowexport_mgmt.schema.nodes import Choice, Kind, SchemaNode, SchemaNodes, mandatory_choices
from flowexport_mgmt.schema.paths import Step, parse_path, render_path

_PACKAGE = Path(__file__).resolve().parent.parent

NETCONF_FEATURES = (
    "writable-running",
    "candidate",
    "confirmed-commit",
    "rollback-on-error",
    "validate",
    "xpath",
)
"""The optional capabilities that work; each is also a feature of ietf-netconf."""

OWN_MODULES = (
    "flow-export-cli",
    "flow-export-types",
    "flow-export",
    "flow-export-simulation",
    "flow-export-server",
    "flow-export-management",
    "flow-export-configured-subscriptions",
    "flow-export-acm-deviations",
    "flow-export-deviations",
    "flow-export-system-deviations",
)
"""Deviations are split by what they are from, so that a client which cannot read one of those reads
the others. Those of subscriptions come before those of interfaces, to which they refer.
"""

_Loads = tuple[tuple[str, tuple[str, ...]], ...]

_STANDARD_MODULES: _Loads = (
    ("ietf-interfaces", ()),
    ("iana-if-type", ()),
    ("ietf-netconf", NETCONF_FEATURES),
    ("ietf-netconf-monitoring", ()),
    ("ietf-netconf-acm", ()),
    ("ietf-netconf-with-defaults", ()),
    ("ietf-origin", ()),
    ("ietf-netconf-nmda", ("origin", "with-defaults")),
    ("ietf-x509-cert-to-name", ()),
    ("iana-crypt-hash", ("crypt-hash-sha-256", "crypt-hash-sha-512")),
    ("notifications", ()),
    ("nc-notifications", ()),
    ("ietf-netconf-notifications", ()),
    ("ietf-subscribed-notifications", ("encode-xml", "replay", "subtree", "xpath")),
    ("ietf-yang-push", ("on-change",)),
    ("ietf-system", ()),
)

INSTANCE_PATH = "node-instance-path"
"""The type of paths in rules of access, respelled: the library's own knows no ``$USER``."""

_RESPELLED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "ietf-netconf-acm": (("node-instance-identifier", INSTANCE_PATH),),
    "ietf-interfaces": ((r"container interfaces \{", "\\g<0> config true;"),),
    "ietf-system": ((r"container system \{", "\\g<0> config true;"),),
    "ietf-subscribed-notifications": (
        (r"container subscriptions \{", "\\g<0> config true;"),
        (r"type leafref \{\s*path \"/ni:[^}]*\}", "type string;"),
    ),
}

_INTERNAL = frozenset(("yang", "ietf-yang-schema-mount"))
"""Modules that libyang implements in every context for its own use; nothing of them is served."""


@dataclass(frozen=True, slots=True)
class ModuleInfo:
    """An entry of the module list: ``implemented`` is false for modules only imported.

    ``organization`` is who publishes the module.
    """

    name: str
    revision: str
    namespace: str
    prefix: str
    features: tuple[str, ...]
    deviations: tuple[str, ...]
    implemented: bool
    organization: str = ""


def module_folders() -> tuple[Path, ...]:
    """Find the folders of YANG modules: our own, then those that come with pyang."""
    data = Path(sysconfig.get_path("data")) / "share"
    roots = (_PACKAGE.parent.parent / "yang", data / "flowexport-mgmt" / "yang")
    own = tuple(folder for root in roots for folder in (root, root / "rfc5277"))
    installed = (data / "yang" / "modules" / "ietf", data / "yang" / "modules" / "iana")
    return tuple(folder for folder in own + installed if folder.is_dir())


def find_module(name: str) -> Path | None:
    """Find the file of a YANG module."""
    return _find(name, module_folders())


def _find(name: str, folders: Iterable[Path]) -> Path | None:
    files = (folder / f"{name}.yang" for folder in folders)
    return next((file for file in files if file.is_file()), None)


def _is_implemented(module: libyang.Module) -> bool:
    return bool(module.cdata.implemented) and module.name() not in _INTERNAL


def _on_request(nodes: Iterable[SchemaNode]) -> Iterator[str]:
    for node in nodes:
        if node.on_request:
            yield node.schema_path
        if node.kind in (Kind.CONTAINER, Kind.LIST):
            yield from _on_request(node.children.values())


class SchemaContext:
    """A libyang context with every module that the daemon implements.

    Args:
        extra: texts of further YANG modules to implement, such as a test's.
        modules: names and features of other modules than the daemon's, in the order of loading.
        folders: where the files of the modules are, when they are not those of this installation.
    """

    def __init__(
        self,
        extra: Iterable[str] = (),
        *,
        modules: _Loads | None = None,
        folders: tuple[Path, ...] | None = None,
    ) -> None:
        library.configure_errors()
        self._folders = module_folders() if folders is None else folders
        self.context = libyang.Context(":".join(map(str, self._folders)))
        self._nodes = SchemaNodes(self.pointer, self._compiled)
        own = tuple((name, ()) for name in OWN_MODULES)
        for name, features in _STANDARD_MODULES + own if modules is None else modules:
            load = self._load_respelled if name in _RESPELLED else self._load
            load(name, features)
        for text in extra:
            self.context.parse_module_str(text)

    def _load_respelled(self, name: str, features: tuple[str, ...]) -> None:
        """Load a module with what libyang needs to have spelled out, or left out.

        Our deviations replace the config statement of some containers, and libyang replaces only
        what is there; RFC 7950 (section 7.21.1) makes ``config true`` the meaning of its absence.
        """
        path = _find(name, self._folders)
        if path is None:
            raise FileNotFoundError(f"YANG module {name} (it comes with pyang)")
        text = path.read_text(encoding="utf-8")
        for pattern, replacement in _RESPELLED[name]:
            text = re.sub(pattern, replacement, text)
        library.parse_module(self.pointer, text, features)

    def _load(self, name: str, features: tuple[str, ...]) -> None:
        library.load_module(self.pointer, name, features)

    @property
    def pointer(self) -> Pointer:
        """The C context."""
        return self.context.cdata

    def schema_node(self, pointer: Pointer) -> SchemaNode:
        """Give the one SchemaNode of a compiled schema node."""
        return self._nodes[pointer]

    @property
    def top_nodes(self) -> Mapping[str, SchemaNode]:
        """The top data nodes by their XML names (``{namespace}name``)."""
        return self._nodes.top

    def _compiled(self) -> Iterator[Pointer]:
        served = (module for module in self._served if _is_implemented(module))
        return (module.cdata.compiled for module in served)

    @cached_property
    def notifications(self) -> Mapping[str, str]:
        """The namespace of every notification, by its RFC 7951 name."""
        return {
            f"{module.name()}:{name}": library.text(module.cdata.ns)
            for module in self._served
            if _is_implemented(module)
            for name in library.notification_names(module.cdata)
        }

    @cached_property
    def mandatory_choices(self) -> tuple[Choice, ...]:
        """The mandatory choices at the top of the modules."""
        return tuple(
            choice
            for module in self.context
            if module.cdata.implemented
            for choice in mandatory_choices(NULL, module.cdata.compiled)
        )

    @cached_property
    def top_by_json_name(self) -> Mapping[str, SchemaNode]:
        """The top data nodes by their RFC 7951 names."""
        return {f"{node.module}:{node.name}": node for node in self.top_nodes.values()}

    @cached_property
    def on_request(self) -> frozenset[str]:
        """The schema paths of the lists that are told only to who names them."""
        return frozenset(_on_request(self.top_nodes.values()))

    @cached_property
    def confined_lists(self) -> frozenset[SchemaNode]:
        """The lists whose entries can be validated one by one."""
        return confined_lists(self.top_nodes.values())

    @cached_property
    def namespaces(self) -> Mapping[str, str]:
        """Every implemented module's name by its namespace."""
        return {module.namespace: module.name for module in self.modules if module.implemented}

    @cached_property
    def prefixes(self) -> Mapping[str, str]:
        """Every implemented module's namespace by its prefix, for declaring what paths use."""
        return {module.prefix: module.namespace for module in self.modules if module.implemented}

    @cached_property
    def modules(self) -> tuple[ModuleInfo, ...]:
        """All modules that are served, for hello, yang-library and netconf-monitoring."""
        return tuple(self._describe(module) for module in self._served)

    @property
    def _served(self) -> Iterator[libyang.Module]:
        """Give the modules that are served, and those of the library's that others import."""
        unserved = _INTERNAL - self._imported
        return (module for module in self.context if module.name() not in unserved)

    @cached_property
    def _imported(self) -> frozenset[str]:
        """The names of the modules that others import."""
        return frozenset(
            library.text(item.name)
            for module in self.context
            if module.cdata.parsed
            for item in library.items(module.cdata.parsed.imports)
        )

    def _describe(self, module: libyang.Module) -> ModuleInfo:
        deviated = module.cdata.deviated_by
        return ModuleInfo(
            name=module.name(),
            revision=library.text(module.cdata.revision),
            namespace=library.text(module.cdata.ns),
            prefix=module.prefix(),
            features=tuple(f.name() for f in module.features() if f.state()),
            deviations=tuple(library.text(by.name) for by in library.items(deviated)),
            implemented=_is_implemented(module),
            organization=" ".join(library.text(module.cdata.org).split()),
        )

    @cached_property
    def content_id(self) -> str:
        """A text that changes when the modules do (RFC 8525, section 3)."""
        digest = hashlib.sha256(repr(self.modules).encode())
        for module in self.modules:  # a text may change before its revision does
            file = _find(module.name, self._folders)
            digest.update(file.read_bytes() if file else b"")
        return digest.hexdigest()[:16]

    def module_text(self, name: str, revision: str = "") -> str | None:
        """Give a module as YANG, or None when the context has no such module (get-schema)."""
        for module in self._served:
            if module.name() != name or revision not in ("", library.text(module.cdata.revision)):
                continue
            file = find_module(name)
            text = file.read_text("utf-8") if file else ""
            said = re.compile(rf'revision\s+"?{library.text(module.cdata.revision)}\b')
            return text if said.search(text) else str(module.print_mem("yang"))
        return None

    def resolve(self, path: str, *, actions: bool = False) -> tuple[SchemaNode, ...]:
        """Find the schema nodes along an instance path, with module names or with prefixes.

        ``actions``: it may end with an action.

        Raises:
            ValueError: it is no instance path of these modules.
        """
        found: list[SchemaNode] = []
        for step in parse_path(path):
            names = found[-1].children if found else self.top_nodes
            if actions and found:
                names = {**names, **found[-1].actions}
            labels = (step.module,) if step.module or not found else (found[-1].module,)
            matching = [
                node
                for node in names.values()
                if node.name == step.name and (node.module in labels or node.prefix in labels)
            ]
            if not matching:
                raise ValueError(f"there is no node {step.name} in {path!r}")
            found.append(matching[0])
        return tuple(found)

    def prefixed(self, path: str) -> str:
        """Write an instance path with prefixes; what is no path of these modules gives none."""
        try:
            steps = parse_path(path)
            schemas = self.resolve(path)
        except ValueError:
            return ""
        return render_path(
            Step(schema.module, schema.prefix, schema.name, step.predicates)
            for schema, step in zip(schemas, steps, strict=True)
        )

    def destroy(self) -> None:
        """Free the context; every tree made from it must be freed before."""
        self._nodes.forget()
        self.context.destroy()
