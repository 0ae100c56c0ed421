"""What is answered: envelopes, devices, rows of collectors, CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from aiohttp import web

from flowexport_mgmt.model.simulation import (
    DeviceGroup,
    DeviceGroupFlow,
    Exporter,
    Simulation,
    SimulationState,
)
from flowexport_mgmt.simulator.roles import DEVICE_TYPES
from flowexport_mgmt.simulator.words import write_duration

Device = Mapping[str, Any]
"""A device as the rpc `devices` gives it."""

_COLUMNS: Final = (
    "ip",
    "group",
    "role",
    "interfaces",
    "collector",
    "protocol",
    "status",
    "flows_active",
    "sequence",
    "sent_packets",
    "sent_bytes",
    "sent_records",
    "send_failures",
)


def json_response(data: Any, status: int = 200, **headers: str) -> web.Response:
    """Answer with JSON and nothing around it."""
    return web.Response(
        status=status,
        body=msgspec.json.encode(data) + b"\n",
        content_type="application/json",
        headers={"X-Content-Type-Options": "nosniff", **headers},
    )


def done(message: str, data: Any = None) -> web.Response:
    """Answer that something was done, or with what was asked for."""
    return json_response({"success": True, "message": message, "data": data})


def refusal(status: int, message: str, **headers: str) -> web.Response:
    """Answer that something was refused, and why."""
    return json_response({"success": False, "message": message}, status, **headers)


def endpoint(address: str, port: int | str) -> str:
    """Write address and port as one word."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def describe_device(device: Device, group: DeviceGroup, simulation: Simulation) -> dict[str, Any]:
    """Describe a device; its flow block can be posted as it is."""
    described: dict[str, Any] = {
        "id": device["address"],
        "ip": device["address"],
        "group": group.name,
        "role": _role(group),
        **({} if group.resource is None else {"resource_file": group.resource}),
        **({} if group.prefix_length is None else {"netmask": str(group.prefix_length)}),
        "interfaces": group.interface_count,
        "status": device["oper-status"],
        **({"reason": device["oper-reason"]} if "oper-reason" in device else {}),
        "flows_active": device["flows-active"],
        "sequence": device["sequence"],
        "sent_packets": device["sent-packets"],
        "sent_bytes": device["sent-bytes"],
        "sent_records": device["sent-records"],
        "send_failures": device["send-failures"],
    }
    if group.flow is not None:
        described["flow"] = _describe_flow(group.flow, simulation)
    return described


def _role(group: DeviceGroup) -> str:
    return group.role.value if group.resource is None else DEVICE_TYPES[group.resource].name


def _describe_flow(flow: DeviceGroupFlow, simulation: Simulation) -> dict[str, Any]:
    return {
        "collector": endpoint(flow.collector_address, flow.collector_port),
        "protocol": flow.protocol.value,
        "tick_interval": write_duration(flow.tick_interval or simulation.tick_interval),
        "active_timeout": write_duration(flow.active_timeout),
        "inactive_timeout": write_duration(flow.inactive_timeout),
        "sub_agent_id": flow.sub_agent_id,
    }


def describe_status(state: SimulationState) -> dict[str, Any]:
    """Describe what collectors were sent; rows stay when their devices are gone."""
    rows = sorted(map(_describe_exporter, state.exporter), key=lambda row: tuple(row.values())[:2])
    return {
        "subsystem_active": bool(rows),
        "collectors": rows,
        "devices_exporting": state.devices_exporting or 0,
        "last_template_send": max(
            (each.last_template_send for each in state.exporter if each.last_template_send),
            default=None,
        ),
    }


def _describe_exporter(exporter: Exporter) -> dict[str, Any]:
    return {
        "collector": endpoint(exporter.collector_address, exporter.collector_port),
        "protocol": exporter.protocol.value,
        "devices": exporter.devices or 0,
        "sent_packets": exporter.sent_packets or 0,
        "sent_bytes": exporter.sent_bytes or 0,
        "sent_records": exporter.sent_records or 0,
        "send_failures": exporter.send_failures or 0,
    }


def write_csv(devices: Iterable[Mapping[str, Any]]) -> str:
    """Write described devices as CSV with a head (RFC 4180)."""
    output = io.StringIO()
    writer = csv.writer(output)
    writer.writerow(_COLUMNS)
    for device in devices:
        row = {**device, **device.get("flow", {})}
        writer.writerow([_harmless(row.get(name, "")) for name in _COLUMNS])
    return output.getvalue()


def _harmless(value: Any) -> Any:
    """Keep spreadsheets from taking a name for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value
