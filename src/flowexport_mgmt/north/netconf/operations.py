"""The operations of NETCONF, each a row of a table (RFC 6241, section 7; RFC 6022, section 3)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final
from xml.sax.saxutils import escape

from flowexport_mgmt.datastore import EditOptions, ErrorOption, Store, TestOption
from flowexport_mgmt.errors import ErrorTag, ManagementError
from flowexport_mgmt.north.netconf import names, parameters
from flowexport_mgmt.north.netconf.calls import Call, OperationRow
from flowexport_mgmt.north.netconf.filter_parameters import filter_of
from flowexport_mgmt.north.netconf.names import base
from flowexport_mgmt.north.netconf.replies import Data, Ok, Output, Reply
from flowexport_mgmt.schema.edits import EditNode, Operation
from flowexport_mgmt.schema.from_xml import edits_from_xml
from flowexport_mgmt.schema.tree import Defaults


class DefaultOperation(enum.StrEnum):
    """What an edit does where no operation is given."""

    MERGE = "merge"
    REPLACE = "replace"
    NONE = "none"


async def get(call: Call) -> Reply:
    """Read configuration and state (RFC 6241, section 7.7)."""
    chosen = filter_of(call.parameters)
    defaults = parameters.defaults(call.parameters) or Defaults.EXPLICIT
    paths = call.reader.paths_of(chosen)
    document = await call.reader.operational(call.session, paths, defaults)
    return Data(await call.reader.filtered(document, chosen))


async def get_config(call: Call) -> Reply:
    """Read a configuration datastore (RFC 6241, section 7.1)."""
    source = parameters.store(call.parameters["source"])
    chosen = filter_of(call.parameters)
    defaults = parameters.defaults(call.parameters) or Defaults.EXPLICIT
    document = call.reader.configuration(call.session, source, defaults)
    return Data(await call.reader.filtered(document, chosen))


async def edit_config(call: Call) -> Reply:
    """Change a part of a datastore (RFC 6241, section 7.2)."""
    target = parameters.store(call.parameters["target"])
    default = parameters.choice(call.parameters, "default-operation", DefaultOperation)
    on_error = parameters.choice(call.parameters, "error-option", ErrorOption)
    options = EditOptions(
        default_operation=Operation(default or DefaultOperation.MERGE),
        error_option=on_error or ErrorOption.STOP_ON_ERROR,
        test_option=parameters.choice(call.parameters, "test-option", TestOption),
    )
    edits = edits_from_xml(call.datastore.schema, call.parameters["config"])
    await call.datastore.edit(call.session, target, edits, options)
    return Ok()


async def copy_config(call: Call) -> Reply:
    """Replace a whole datastore (RFC 6241, section 7.3)."""
    target = parameters.store(call.parameters["target"])
    source, defaults = _source(call), parameters.defaults(call.parameters)
    if isinstance(source, Store) and defaults in (Defaults.REPORT_ALL, Defaults.TRIM):
        shown = call.reader.configuration(call.session, source, defaults).data
        source = edits_from_xml(call.datastore.schema, shown, operations=False)
    await call.datastore.copy(call.session, target, source)
    return Ok()


async def delete_config(call: Call) -> Reply:
    """Delete a datastore (RFC 6241, section 7.4)."""
    call.datastore.delete(call.session, parameters.store(call.parameters["target"]))
    return Ok()


async def lock(call: Call) -> Reply:
    """Lock a datastore (RFC 6241, section 7.5)."""
    call.datastore.lock(call.session, parameters.store(call.parameters["target"]))
    return Ok()


async def unlock(call: Call) -> Reply:
    """Release a lock (RFC 6241, section 7.6)."""
    call.datastore.unlock(call.session, parameters.store(call.parameters["target"]))
    return Ok()


async def close_session(_: Call) -> Reply:
    """End the session itself (RFC 6241, section 7.8)."""
    return Ok()


async def kill_session(call: Call) -> Reply:
    """End another session (RFC 6241, section 7.9)."""
    target = parameters.number(call.parameters["session-id"])
    call.datastore.kill_session(call.session, target)
    return Ok()


async def discard_changes(call: Call) -> Reply:
    """Make the candidate equal to running (RFC 6241, section 8.3.4.2)."""
    call.datastore.discard(call.session)
    return Ok()


async def validate(call: Call) -> Reply:
    """Check a whole configuration (RFC 6241, section 8.6.4.1)."""
    call.datastore.validate(call.session, _source(call))
    return Ok()


async def get_schema(call: Call) -> Reply:
    """Give the text of a YANG module (RFC 6022, section 3.1)."""
    name = parameters.text(call.parameters["identifier"])
    version, form = (call.parameters.get(leaf) for leaf in ("version", "format"))
    if form is not None and parameters.text(form).rpartition(":")[2] != "yang":
        raise parameters.fault(ErrorTag.INVALID_VALUE, "schemas are given as yang only")
    revisions = {
        module.revision
        for module in call.datastore.schema.modules
        if module.name == name and (version is None or module.revision == parameters.text(version))
    }
    if len(revisions) > 1:
        message = f"there are several versions of {name}: {', '.join(sorted(revisions))}"
        raise ManagementError.single(ErrorTag.OPERATION_FAILED, message, app_tag="data-not-unique")
    text = call.datastore.schema.module_text(name, revisions.pop()) if revisions else None
    if text is None:
        raise ManagementError.single(ErrorTag.INVALID_VALUE, f"there is no such schema: {name}")
    return Output(f'<data xmlns="{names.MONITORING}">{escape(text)}</data>'.encode())


def _source(call: Call) -> Store | tuple[EditNode, ...]:
    """Read ``source``: a datastore, or a whole configuration given inline."""
    source = call.parameters["source"]
    if len(source) == 1 and source[0].tag in {base("config"), "config"}:
        return edits_from_xml(call.datastore.schema, source[0], operations=False)
    return parameters.store(source)


_WITH_DEFAULTS: Final = f"{{{names.WITH_DEFAULTS}}}with-defaults"

OPERATIONS: Final[Mapping[str, OperationRow]] = {
    base("get"): OperationRow(get, {"filter": False, _WITH_DEFAULTS: False}),
    base("get-config"): OperationRow(
        get_config, {"source": True, "filter": False, _WITH_DEFAULTS: False}
    ),
    base("edit-config"): OperationRow(
        edit_config,
        {
            "target": True,
            "default-operation": False,
            "test-option": False,
            "error-option": False,
            "config": True,
        },
    ),
    base("copy-config"): OperationRow(
        copy_config, {"target": True, "source": True, _WITH_DEFAULTS: False}
    ),
    base("delete-config"): OperationRow(delete_config, {"target": True}),
    base("lock"): OperationRow(lock, {"target": True}),
    base("unlock"): OperationRow(unlock, {"target": True}),
    base("close-session"): OperationRow(close_session, ends_session=True),
    base("kill-session"): OperationRow(kill_session, {"session-id": True}),
    base("discard-changes"): OperationRow(discard_changes),
    base("validate"): OperationRow(validate, {"source": True}),
    f"{{{names.MONITORING}}}get-schema": OperationRow(
        get_schema, {"identifier": True, "version": False, "format": False}
    ),
}
