"""Capabilities (specification, section 3.2)."""

from __future__ import annotations

from typing import Any

from flowexport_mgmt.north.gnmi.messages import VERSION, CapabilityRequest, CapabilityResponse
from flowexport_mgmt.north.gnmi.requests import parse, read_extensions
from flowexport_mgmt.north.gnmi.values import SERVED
from flowexport_mgmt.schema.context import SchemaContext


def answer_capabilities(schema: SchemaContext, octets: bytes) -> Any:
    """Tell the models with their revisions, the encodings, and the version.

    Raises:
        RpcError: the request is wrong.
    """
    request = parse(CapabilityRequest, octets)
    read_extensions(request.extension)
    response = CapabilityResponse(gNMI_version=VERSION, supported_encodings=map(int, SERVED))
    for module in schema.modules:
        if module.implemented:
            response.supported_models.add(
                name=module.name, organization=module.organization, version=module.revision
            )
    return response
