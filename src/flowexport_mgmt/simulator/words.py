"""Words that people use for simulated devices: times, protocols, collectors, device types."""

from __future__ import annotations

import re
from typing import Final

from flowexport_mgmt.simulator.formats import Endpoint, Format
from flowexport_mgmt.simulator.roles import DEVICE_TYPES

_PARTS: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|us|ns|h|m|s)", re.ASCII)
_MILLISECONDS: Final = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1, "us": 1e-3, "ns": 1e-6}

_FORMATS: Final = {
    alias: form
    for form, aliases in {
        Format.NETFLOW9: ("netflow9", "netflow-v9", "netflowv9", "nf9", "v9", "netflow"),
        Format.NETFLOW5: ("netflow5", "netflow-v5", "netflowv5", "nf5", "v5"),
        Format.IPFIX: ("ipfix", "netflow10", "nf10", "v10"),
        Format.SFLOW: ("sflow", "sflow5", "sflow-v5", "sflowv5"),
    }.items()
    for alias in aliases
}


def quoted(text: str) -> str:
    """Write what somebody gave, cut to what fits a message."""
    return f'"{text[:64]}"'


def read_duration(text: str) -> int:
    """Read a duration such as 5s, 1m30s or 500ms as milliseconds.

    Raises:
        ValueError: it is none.
    """
    total, at = 0.0, 0
    while at < len(text) and (part := _PARTS.match(text, at)) is not None:
        total += float(part[1]) * _MILLISECONDS[part[2]]
        at = part.end()
    if not text or at < len(text):
        raise ValueError(f'{quoted(text)} is not a duration, such as "5s"')
    return round(total)


def write_duration(milliseconds: int) -> str:
    """Write milliseconds such that they can be read again."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{milliseconds}ms" if rest else f"{seconds}s"


def read_protocol(text: str) -> Format:
    """Read the name of a protocol or one of its aliases, in any case.

    Raises:
        ValueError: it is none.
    """
    found = _FORMATS.get(text.strip().lower())
    if found is None:
        raise ValueError(f"{quoted(text)} is none of {', '.join(sorted(Format))}")
    return found


def read_collector(text: str) -> Endpoint:
    """Read host and port; the host may be a name.

    Raises:
        ValueError: it is none.
    """
    host, colon, port = text.strip().rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        message = "an IPv6 address stands in brackets, as in [::1]:2055"
        raise ValueError(f"{quoted(text)}: {message}")
    if not colon or not host:
        raise ValueError(f"{quoted(text)} is not host:port")
    if not port.isascii() or not port.isdigit() or not 1 <= int(port[:9]) <= 65535:
        raise ValueError(f"port {quoted(port)} is not from 1 to 65535")
    return Endpoint(host, int(port))


def read_resource(text: str) -> str:
    """Read the name of a device type, which may be that of a file.

    Raises:
        ValueError: there is none.
    """
    name = text.strip().removesuffix(".json")
    if name not in DEVICE_TYPES:
        raise ValueError(f"{quoted(name)} is not a known device type")
    return name
