"""What may be asked for: a request to make devices, checked member by member."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

from flowexport_mgmt.simulator.formats import Format
from flowexport_mgmt.simulator.words import (
    quoted,
    read_collector,
    read_duration,
    read_protocol,
    read_resource,
)

Address = IPv4Address | IPv6Address

_MOST_DEVICES: Final = 100_000
_NETMASKS: Final = (8, 30)
_TICK: Final = (100, 3_600_000)
_TIMEOUT: Final = (100, 86_400_000)
"""Milliseconds, as the model has them."""

_FOREIGN: Final = frozenset(
    (
        "snmp",
        "snmpv3",
        "traps",
        "syslog",
        "round_robin",
        "category",
        "pre_allocate",
        "max_workers",
        "metrics",
        "ssh",
        "template_interval",
        "source_per_device",
    )
)
"""Members that other simulators have and this one has nothing for."""


class RequestError(Exception):
    """A request that is refused; the message begins with the member to blame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRequest:
    """What devices export; None where the default counts, times in milliseconds.

    ``host`` is an address or a name.
    """

    host: str
    port: int
    protocol: Format | None = None
    tick_ms: int | None = None
    active_ms: int | None = None
    inactive_ms: int | None = None
    sub_agent_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicesRequest:
    """Devices that are to be made."""

    start: Address
    count: int
    netmask: int | None = None
    resource: str | None = None
    flow: FlowRequest | None = None


def read_devices(body: bytes) -> DevicesRequest:
    """Read a request to make devices.

    Raises:
        RequestError: it is refused.
    """
    members = _Members("", _load(body))
    start = members.take("start_ip", _address, required=True)
    request = DevicesRequest(
        start=start,
        count=members.take("device_count", _number(1, _MOST_DEVICES), required=True),
        netmask=members.take("netmask", _netmask(start)),
        resource=members.take("resource_file", _worded(read_resource)),
        flow=members.take("flow", _flow),
    )
    members.finish()
    return request


def _load(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"request body: not JSON: {error}") from None
    if not isinstance(data, dict):
        raise RequestError("request body: not a JSON object")
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise RequestError(f"{name}: given twice")
        members[name] = value
    return members


class _Members:
    """The members of an object, which are taken one by one; ``prefix`` is where it stands."""

    def __init__(self, prefix: str, members: Mapping[str, Any]) -> None:
        self._prefix = prefix
        self._left = dict(members)

    def take(self, name: str, read: Callable[[Any], Any], *, required: bool = False) -> Any:
        """Read a member; None where it is absent or null."""
        value = self._left.pop(name, None)
        if value is None:
            if required:
                raise RequestError(f"{self._prefix}{name}: is required")
            return None
        try:
            return read(value)
        except ValueError as error:
            raise RequestError(f"{self._prefix}{name}: {error}") from None

    def finish(self) -> None:
        """Refuse what nobody took."""
        for name in sorted(self._left):
            known = name in _FOREIGN
            raise RequestError(
                f"{self._prefix}{name}: {'not supported' if known else 'unknown key'}"
            )


def _flow(value: Any) -> FlowRequest:
    if not isinstance(value, dict):
        raise ValueError("must be an object")  # noqa: TRY004 - told to a client
    members = _Members("flow.", value)
    host, port = members.take("collector", _worded(read_collector), required=True)
    request = FlowRequest(
        host=host,
        port=port,
        protocol=members.take("protocol", _worded(read_protocol)),
        tick_ms=members.take("tick_interval", _duration(*_TICK)),
        active_ms=members.take("active_timeout", _duration(*_TIMEOUT)),
        inactive_ms=members.take("inactive_timeout", _duration(*_TIMEOUT)),
        sub_agent_id=members.take("sub_agent_id", _number(0, 0xFFFFFFFF)),
    )
    members.finish()
    return request


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string")  # noqa: TRY004 - told to a client
    return value.strip()


def _worded(read: Callable[[str], Any]) -> Callable[[Any], Any]:
    return lambda value: read(_text(value))


def _address(value: Any) -> Address:
    text = _text(value)
    try:
        if "%" not in text:
            return ip_address(text)
    except ValueError:
        pass
    raise ValueError(f"{quoted(text)} is not an IP address")


def _number(least: int, most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise ValueError(f"must be an integer from {least} to {most}")
        return value

    return read


def _netmask(start: Address) -> Callable[[Any], int]:
    least, most = _NETMASKS if start.version == 4 else (_NETMASKS[0], 128)

    def read(value: Any) -> int:
        text = str(value) if type(value) is int else _text(value).removeprefix("/")
        if not text.isascii() or not text.isdigit() or not least <= int(text[:9]) <= most:
            raise ValueError(f"must be a prefix length from {least} to {most}")
        return int(text)

    return read


def _duration(least: int, most: int) -> Callable[[Any], int | None]:
    def read(value: Any) -> int | None:
        if not isinstance(value, str):
            raise ValueError('must be a duration in a string, such as "5s"')  # noqa: TRY004
        text = value.strip()
        if text.startswith("-"):
            raise ValueError(f"{quoted(text)} is negative")
        found = read_duration(text)
        if found and not least <= found <= most:
            raise ValueError(f"{quoted(text)} is not from {least}ms to {most // 1000}s")
        return found or None  # nothing means the default

    return read
