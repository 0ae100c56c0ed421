"""The autonomous systems that addresses belong to, as the daemon's routes of BGP say."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import Final

from flowexport_mgmt.cli.grammar.words import UsageError
from flowexport_mgmt.cli.operator import Operator, operation
from flowexport_mgmt.cli.values import Value

LOOKUP: Final = "lookup-routes"
_AT_ONCE: Final = 1024
"""Addresses that the daemon takes in one request."""


def origins_of(operator: Operator, addresses: Iterable[str]) -> dict[str, Value]:
    """Ask for the AS of the origin of each address; those without a route are left out.

    Raises:
        UsageError: the daemon cannot be asked.
        ManagementError: it has no routes of BGP.
    """
    rpc = operation(operator.grammar, LOOKUP)
    if rpc is None:
        raise UsageError(f"the daemon has no {LOOKUP}")
    found: dict[str, Value] = {}
    plain = {text: str(ip_address(text)) for text in addresses if "%" not in text}
    for some in _portions(dict.fromkeys(plain.values())):
        reply = operator.session.call(rpc.namespace, rpc.name, {"address": some})
        for route in reply.iterchildren(f"{{{rpc.namespace}}}route"):
            origin = route.findtext(f"{{{rpc.namespace}}}origin-as")
            address = route.findtext(f"{{{rpc.namespace}}}address")
            if origin and address:
                found[address] = int(origin)
    return {text: found[address] for text, address in plain.items() if address in found}


def _portions(addresses: Iterable[str]) -> Iterator[tuple[str, ...]]:
    left = iter(addresses)
    while some := tuple(itertools.islice(left, _AT_ONCE)):
        yield some
