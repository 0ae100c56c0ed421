"""The operations that our own modules define: carried out elsewhere, shown as their output says."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any, Final
from xml.sax.saxutils import escape

from flowexport_mgmt.north.netconf import names, parameters
from flowexport_mgmt.north.netconf.calls import Call, OperationRow
from flowexport_mgmt.north.netconf.replies import Ok, Output, Reply

_FLOW_EXPORT: Final = "urn:flowexport:flow-export"
_MANAGEMENT: Final = "urn:flowexport:flow-export-management"
_SIMULATION: Final = "urn:flowexport:flow-export-simulation"


async def _run(name: str, call: Call) -> Reply:
    """Give the leaves of the input as text, and write the output in the operation's namespace."""
    given = {leaf: _text(call, leaf) for leaf in call.parameters}
    output = await call.datastore.call(name, given)
    return reply_of(output, names.namespace_of(str(call.operation.tag)))


def _text(call: Call, leaf: str) -> str:
    return " ".join(map(parameters.text, parameters.all_of(call.operation, leaf)))


def reply_of(output: Mapping[str, Any], namespace: str) -> Reply:
    """Write the nodes of an output, all of one namespace; without any the answer is ok."""
    written = "".join(_write(output, f' xmlns="{namespace}"'))
    return Output(written.encode()) if written else Ok()


def _write(nodes: Mapping[str, Any], attributes: str = "") -> Iterator[str]:
    """Write containers, lists and leaves as XML."""
    for name, value in nodes.items():
        for entry in value if isinstance(value, list | tuple) else (value,):
            content = "".join(_write(entry)) if isinstance(entry, Mapping) else escape(str(entry))
            yield f"<{name}{attributes}>{content}</{name}>"


OPERATIONS: Final[Mapping[str, OperationRow]] = {
    f"{{{_FLOW_EXPORT}}}recent-flows": OperationRow(
        functools.partial(_run, "flow-export:recent-flows"), {"destination-prefix": False}
    ),
    f"{{{_FLOW_EXPORT}}}lookup-routes": OperationRow(
        functools.partial(_run, "flow-export:lookup-routes"),
        {"address": True},
        repeated=frozenset(("address",)),
    ),
    f"{{{_FLOW_EXPORT}}}refresh-routes": OperationRow(
        functools.partial(_run, "flow-export:refresh-routes"), {"neighbor": False}
    ),
    f"{{{_MANAGEMENT}}}doctor": OperationRow(
        functools.partial(_run, "flow-export-management:doctor"), {}
    ),
    f"{{{_SIMULATION}}}devices": OperationRow(
        functools.partial(_run, "flow-export-simulation:devices"),
        {"address": False, "group": False, "offset": False, "limit": False},
    ),
}
