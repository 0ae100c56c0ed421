"""Which YANG modules the server has, as ietf-yang-library tells it (RFC 8525)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from flowexport_mgmt.schema.context import ModuleInfo

_INTERNAL: Final = frozenset(["yang", "ietf-yang-schema-mount", "ietf-yang-structure-ext"])
"""Modules that libyang brings along for itself; nothing of theirs is offered."""

_DATASTORES: Final = ("running", "candidate", "operational")
_NAME: Final = "complete"

_Object = dict[str, Any]


def offered(modules: Iterable[ModuleInfo]) -> tuple[ModuleInfo, ...]:
    """Leave out what only the library itself uses."""
    return tuple(module for module in modules if module.name not in _INTERNAL)


def content_id(modules: Sequence[ModuleInfo]) -> str:
    """Identify a list of modules: another one has another id, the same one always the same."""
    return hashlib.sha256(msgspec.json.encode(modules)).hexdigest()[:16]


class YangLibrary:
    """Reports the modules, in the form of RFC 8525 and in the older one that YANG 1.1 asks for."""

    paths = ("/yang-library", "/modules-state")

    def __init__(self, modules: Sequence[ModuleInfo]) -> None:
        self._content_id = content_id(modules)
        implemented = [module for module in modules if module.implemented]
        imported = [module for module in modules if not module.implemented]
        module_set: _Object = {"name": _NAME}
        if implemented:
            module_set["module"] = [_module(module) for module in implemented]
        if imported:
            module_set["import-only-module"] = [_imported(module) for module in imported]
        library: _Object = {
            "module-set": [module_set],
            "schema": [{"name": _NAME, "module-set": [_NAME]}],
            "datastore": [
                {"name": f"ietf-datastores:{name}", "schema": _NAME} for name in _DATASTORES
            ],
            "content-id": self._content_id,
        }
        older = {
            "module-set-id": self._content_id,
            "module": [_older_module(module) for module in modules],
        }
        self._state: Mapping[str, _Object] = {
            "ietf-yang-library:yang-library": library,
            "ietf-yang-library:modules-state": older,
        }

    async def state(self, paths: Sequence[str]) -> Mapping[str, _Object]:
        """Report whichever of the two forms was asked for."""
        wanted = {path.split("/")[1] for path in paths}
        return {
            name: node
            for name, node in self._state.items()
            if "" in wanted or name.partition(":")[2] in wanted
        }


def _module(module: ModuleInfo) -> _Object:
    entry: _Object = {"name": module.name, "namespace": module.namespace}
    if module.revision:
        entry["revision"] = module.revision
    if module.features:
        entry["feature"] = list(module.features)
    if module.deviations:
        entry["deviation"] = list(module.deviations)
    return entry


def _imported(module: ModuleInfo) -> _Object:
    return {"name": module.name, "revision": module.revision, "namespace": module.namespace}


def _older_module(module: ModuleInfo) -> _Object:
    entry = _imported(module)
    entry["conformance-type"] = "implement" if module.implemented else "import"
    if module.features:
        entry["feature"] = list(module.features)
    if module.deviations:
        entry["deviation"] = [{"name": name, "revision": ""} for name in module.deviations]
    return entry
