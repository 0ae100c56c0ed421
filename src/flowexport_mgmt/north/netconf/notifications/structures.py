"""What modules have for the errors of their operations (RFC 8040, yang-data): subscriptions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from flowexport_mgmt.errors import ManagementError
from flowexport_mgmt.north.netconf import names
from flowexport_mgmt.north.netconf.calls import Call
from flowexport_mgmt.north.netconf.replies import Reply


def structured(
    run: Callable[[Call], Awaitable[Reply]], structure: Callable[[Call], str]
) -> Callable[[Call], Awaitable[Reply]]:
    """Have refusals of an operation told in the structure that its module has for them."""

    async def told(call: Call) -> Reply:
        try:
            return await run(call)
        except ManagementError as error:
            raise ManagementError(
                replace(fault, structure=structure(call)) if "reason" in fault.info else fault
                for fault in error.faults
            ) from error

    return told


def of_target(operation: str) -> Callable[[Call], str]:
    """Name the structure of an operation by what is subscribed to: the stream or a datastore."""

    def name(call: Call) -> str:
        if "datastore" in call.parameters:
            return f"{{{names.PUSH}}}{operation}-datastore-error-info"
        return f"{{{names.SUBSCRIBED}}}{operation}-stream-error-info"

    return name


def always(structure: str) -> Callable[[Call], str]:
    """Name one structure."""
    return lambda _: structure
