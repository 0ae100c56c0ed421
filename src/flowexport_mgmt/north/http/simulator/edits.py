"""Requests as edits of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lxml import etree

from flowexport_mgmt.model.simulation import DeviceGroup
from flowexport_mgmt.north.http.simulator.requests import DevicesRequest
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.edits import EditNode, Operation
from flowexport_mgmt.schema.from_xml import edits_from_xml

_NAMESPACE: Final = "urn:flowexport:flow-export-simulation"
_OPERATION: Final = "{urn:ietf:params:xml:ns:netconf:base:1.0}operation"

FIELDS: Final = {
    "start-address": "start_ip",
    "count": "device_count",
    "prefix-length": "netmask",
    "resource": "resource_file",
    "collector-address": "flow.collector",
    "collector-port": "flow.collector",
    "protocol": "flow.protocol",
    "tick-interval": "flow.tick_interval",
    "active-timeout": "flow.active_timeout",
    "inactive-timeout": "flow.inactive_timeout",
    "sub-agent-id": "flow.sub_agent_id",
}
"""The member of a request that a leaf comes from."""


def create_group(
    schema: SchemaContext, name: str, request: DevicesRequest, collector: str
) -> tuple[EditNode, ...]:
    """Make a group of devices; ``collector`` is the address of the one that is asked for.

    Raises:
        ManagementError: the model does not take it.
    """
    leaves: dict[str, Any] = {
        "name": name,
        "start-address": request.start,
        "count": request.count,
        "prefix-length": request.netmask,
        "resource": request.resource,
    }
    if (flow := request.flow) is not None:
        leaves["flow"] = {
            "collector-address": collector,
            "collector-port": flow.port,
            "protocol": flow.protocol,
            "tick-interval": flow.tick_ms,
            "active-timeout": flow.active_ms,
            "inactive-timeout": flow.inactive_ms,
            "sub-agent-id": flow.sub_agent_id or None,
        }
    return _edit(schema, leaves, Operation.CREATE)


def delete_group(schema: SchemaContext, *names: str) -> tuple[EditNode, ...]:
    """Take whole groups away."""
    return tuple(edit for name in names for edit in _edit(schema, {"name": name}, Operation.DELETE))


def exclude(schema: SchemaContext, group: DeviceGroup, address: str) -> tuple[EditNode, ...]:
    """Take a device out of a group."""
    leaves = {"name": group.name, "excluded-address": address}
    return _edit(schema, leaves, Operation.MERGE)


def _edit(
    schema: SchemaContext, leaves: Mapping[str, Any], operation: Operation
) -> tuple[EditNode, ...]:
    config = etree.Element("config")
    simulation = etree.SubElement(config, f"{{{_NAMESPACE}}}simulation")
    group = etree.SubElement(simulation, f"{{{_NAMESPACE}}}device-group")
    group.set(_OPERATION, operation.value)
    _fill(group, leaves)
    return edits_from_xml(schema, config)


def _fill(parent: etree._Element, leaves: Mapping[str, Any]) -> None:
    for name, value in leaves.items():
        if value is None:
            continue
        element = etree.SubElement(parent, f"{{{_NAMESPACE}}}{name}")
        if isinstance(value, Mapping):
            _fill(element, value)
        else:
            element.text = str(value)
