"""The module list as state: ietf-yang-library (RFC 8525), the newer tree and the older one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowexport_mgmt.schema.context import ModuleInfo, SchemaContext

_SET = "all"
_DATASTORES = ("running", "candidate", "intended", "operational")


def yang_library(schema: SchemaContext) -> dict[str, Any]:
    """Give the contents of ``yang-library`` in the form of RFC 7951."""
    implemented = [_module(m) for m in schema.modules if m.implemented]
    imported = [_imported(m) for m in schema.modules if not m.implemented]
    return {
        "module-set": [{"name": _SET, "module": implemented, "import-only-module": imported}],
        "schema": [{"name": _SET, "module-set": [_SET]}],
        "datastore": [{"name": f"ietf-datastores:{name}", "schema": _SET} for name in _DATASTORES],
        "content-id": schema.content_id,
    }


def modules_state(schema: SchemaContext) -> dict[str, Any]:
    """Give the contents of ``modules-state``, for clients that know only RFC 7895."""
    revisions = {m.name: m.revision for m in schema.modules}
    return {
        "module-set-id": schema.content_id,
        "module": [_old_module(m, revisions) for m in schema.modules],
    }


def _imported(module: ModuleInfo) -> dict[str, Any]:
    entry = {"name": module.name, "revision": module.revision, "namespace": module.namespace}
    return {name: value for name, value in entry.items() if value}


def _module(module: ModuleInfo) -> dict[str, Any]:
    entry = _imported(module)
    if module.features:
        entry["feature"] = list(module.features)
    if module.deviations:
        entry["deviation"] = list(module.deviations)
    return entry


def _old_module(module: ModuleInfo, revisions: Mapping[str, str]) -> dict[str, Any]:
    entry = {**_module(module), "revision": module.revision}
    if module.deviations:
        entry["deviation"] = [
            {"name": name, "revision": revisions.get(name, "")} for name in module.deviations
        ]
    entry["conformance-type"] = "implement" if module.implemented else "import"
    return entry
