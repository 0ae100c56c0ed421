"""What a host says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class HostDescription:
    """Name and kind of a host (sFlow Host Structures, host_descr).

    ``machine_type`` and ``os_name`` are numbers of that specification, such as 3 (x86_64) and
    2 (linux); 0 is unknown. ``uuid`` has 16 octets.
    """

    hostname: str
    uuid: bytes = bytes(16)
    machine_type: int = 0
    os_name: int = 0
    os_release: str = ""


@dataclass(frozen=True, slots=True)
class Adapter:
    """A network interface and its addresses of 6 octets."""

    ifindex: int
    addresses: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCounters:
    """A host's counters at one instant.

    ``counters`` holds, by the number of a counter record's format (1001 processor, 2003 to 2010
    host), values by field name; fields that are missing are unknown. The names are those of
    ``wire.sflow5.structures``. ``epoch`` grows when the counters start anew.
    """

    description: HostDescription | None = None
    adapters: tuple[Adapter, ...] = ()
    counters: Mapping[int, Mapping[str, int | float]] = field(default_factory=dict)
    epoch: int = 0
