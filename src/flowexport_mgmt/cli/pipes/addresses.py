"""The addresses in an answer, and what is known of them beside them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping

from flowexport_mgmt.cli.values import Value


def addresses_in(value: Value) -> Iterator[str]:
    """Give every text in a value that is an IP address."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from addresses_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from addresses_in(inner)
    elif isinstance(value, str) and _is_address(value):
        yield value


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def annotated(value: Value, known: Mapping[str, Value], suffix: str) -> Value:
    """Put beside each member that is an address what is known of it, as ``member-suffix``."""
    if isinstance(value, list):
        return [annotated(inner, known, suffix) for inner in value]
    if not isinstance(value, dict):
        return value
    result: dict[str, Value] = {}
    for name, inner in value.items():
        result[name] = annotated(inner, known, suffix)
        if isinstance(inner, str) and inner in known:
            result[f"{name}-{suffix}"] = known[inner]
    return result
