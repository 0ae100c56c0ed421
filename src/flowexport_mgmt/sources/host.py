"""Counters of the host: processors, memory, disks, network (sFlow Host Structures).

Everything here can be read by any user. What cannot be read, because a file is missing or says
something else, is left out and so unknown to collectors.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import os
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.records.hosts import Adapter, HostCounters, HostDescription
from flowexport_mgmt.sources import proc
from flowexport_mgmt.sources.files import read_text
from flowexport_mgmt.sources.links import Link
from flowexport_mgmt.sources.processor import Utilization
from flowexport_mgmt.wire.sflow5.structures import (
    HOST_CPU,
    HOST_DISK_IO,
    HOST_MEMORY,
    HOST_NET_IO,
    MIB2_ICMP,
    MIB2_IP,
    MIB2_TCP,
    MIB2_UDP,
    PROCESSOR,
    STRUCTURES,
)

_TUNNEL: Final = 131
_MACHINES: Final = {
    "i386": 2,
    "i486": 2,
    "i586": 2,
    "i686": 2,
    "x86_64": 3,
    "ia64": 4,
    "sparc64": 5,
    "alpha": 6,
    "ppc": 7,
    "ppc64": 7,
    "ppc64le": 7,
    "m68k": 8,
    "mips": 9,
    "mips64": 9,
    "armv6l": 10,
    "armv7l": 10,
    "aarch64": 10,
    "parisc64": 11,
    "s390x": 12,
}  # fmt: skip - sFlow's enumeration machine_type
_OTHER_MACHINE: Final = 1
_LINUX: Final = 2  # of the enumeration os_name
_APPLICATION: Final = b"flowexport-mgmt sFlow host"
_MAX_FILE_SYSTEMS: Final = 64
_NET_COLUMNS: Final = {
    "bytes": "octets",
    "packets": "packets",
    "errors": "errors",
    "drops": "discards",
}
_FOLLOWED: Final = {
    HOST_CPU: ("interrupts", "contexts"),
    HOST_DISK_IO: ("reads", "bytesRead", "writes", "bytesWritten"),
    HOST_NET_IO: ("bytesIn", "packetsIn", "bytesOut", "packetsOut"),
}
"""Counters whose going backwards says that a host's counters began anew."""

_PROTOCOLS: Final = {
    format_: STRUCTURES[format_].names for format_ in (MIB2_IP, MIB2_ICMP, MIB2_TCP, MIB2_UDP)
}

T = TypeVar("T")


class HostSource:
    """Reads the counters of the host that the calling thread sees; used by one thread."""

    def __init__(self, root: str = "/") -> None:
        self._root = root.rstrip("/")
        self._ticks = os.sysconf("SC_CLK_TCK")
        self._page_size = os.sysconf("SC_PAGE_SIZE")
        self._speed = _attempt(self._read_speed) or {}
        self._uuid = self._make_uuid()
        self._utilization = Utilization()
        self._before: dict[tuple[int, str], int | float] = {}
        self._epoch = 0

    def read(self, links: Sequence[Link], rows: NDArray[np.void], monotonic: float) -> HostCounters:
        """Read everything now.

        Args:
            links: all interfaces, parallel to ``rows``.
            rows: their counters, of dtype COUNTER_DTYPE.
            monotonic: seconds of a clock that is never set.
        """
        cpu, times = _attempt(self._read_stat) or ({}, None)
        memory = _attempt(self._read_memory) or {}
        groups: dict[int, proc.Values] = {
            PROCESSOR: self._describe_processor(times, memory, monotonic),
            HOST_CPU: cpu | self._read_load() | self._speed,
            HOST_MEMORY: memory | (_attempt(self._read_paging) or {}),
            HOST_DISK_IO: (_attempt(self._read_disks) or {}) | (_attempt(self._read_space) or {}),
            HOST_NET_IO: _add_up(links, rows),
            **(_attempt(self._read_protocols) or {}),
        }
        counters = {format_: values for format_, values in groups.items() if values}
        return HostCounters(
            description=self._describe(),
            adapters=tuple(_find_adapters(links)),
            counters=counters,
            epoch=self._follow(counters),
        )

    def _text(self, path: str) -> str:
        return read_text(f"{self._root}/{path}")

    def _describe(self) -> HostDescription:
        system = os.uname()
        return HostDescription(
            hostname=system.nodename,
            uuid=self._uuid,
            machine_type=_MACHINES.get(system.machine, _OTHER_MACHINE),
            os_name=_LINUX,
            os_release=system.release,
        )

    def _make_uuid(self) -> bytes:
        """Make an identity of the machine's that tells nobody machine-id(5) itself."""
        machine = self._text("etc/machine-id")
        if not machine:
            return bytes(16)
        digest = hmac.digest(machine.encode(), _APPLICATION, hashlib.sha256)
        return uuid.UUID(bytes=digest[:16], version=4).bytes

    def _read_stat(self) -> tuple[proc.Values, proc.CpuTimes]:
        return proc.parse_stat(self._text("proc/stat"), self._ticks)

    def _read_load(self) -> proc.Values:
        load = _attempt(lambda: proc.parse_load(self._text("proc/loadavg"))) or {}
        uptime = _attempt(self._read_uptime) or {}
        return load | uptime | {"cpuNum": os.sysconf("SC_NPROCESSORS_ONLN")}

    def _read_uptime(self) -> proc.Values:
        return {"uptime": int(float(self._text("proc/uptime").split()[0]))}

    def _read_speed(self) -> proc.Values:
        """Read the frequency in megahertz that the first processor reaches, or has just now."""
        kilohertz = self._text("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")
        if kilohertz:
            return {"cpuSpeed": int(kilohertz) // 1000}
        lines = self._text("proc/cpuinfo").splitlines()
        megahertz = next(line.split(":")[1] for line in lines if line.startswith("cpu MHz"))
        return {"cpuSpeed": int(float(megahertz))}

    def _read_memory(self) -> proc.Values:
        return proc.parse_memory(self._text("proc/meminfo"))

    def _read_paging(self) -> proc.Values:
        return proc.parse_paging(self._text("proc/vmstat"), self._page_size)

    def _read_disks(self) -> proc.Values:
        """Add up the disks that are devices: what stands on them would count twice."""
        blocks = Path(f"{self._root}/sys/block").iterdir()
        disks = {block.name for block in blocks if (block / "device").exists()}
        return proc.parse_disks(self._text("proc/diskstats"), disks)

    def _read_space(self) -> proc.Values:
        """Add up the file systems on local disks: others may keep whoever asks waiting."""
        total = free = fullest = 0
        for _, folder in proc.parse_mounts(self._text("proc/mounts"))[:_MAX_FILE_SYSTEMS]:
            space = _attempt(functools.partial(os.statvfs, folder))
            if space is None or not space.f_blocks:
                continue
            total += space.f_blocks * space.f_frsize
            free += space.f_bavail * space.f_frsize
            used = space.f_blocks - space.f_bfree
            fullest = max(fullest, used * 10_000 // max(1, used + space.f_bavail))
        return {"diskTotal": total, "diskFree": free, "partMaxUsed": fullest} if total else {}

    def _read_protocols(self) -> dict[int, proc.Values]:
        return proc.parse_protocols(self._text("proc/thread-self/net/snmp"), _PROTOCOLS)

    def _describe_processor(
        self, times: proc.CpuTimes | None, memory: proc.Values, monotonic: float
    ) -> proc.Values:
        shown = {"totalMemory": "memTotal", "freeMemory": "memFree"}
        values = {name: memory[word] for name, word in shown.items() if word in memory}
        return values | (self._utilization.follow(times, monotonic) if times else {})

    def _follow(self, counters: dict[int, proc.Values]) -> int:
        """Give the number of times that counters went backwards."""
        now = {
            (format_, name): counters[format_][name]
            for format_, names in _FOLLOWED.items()
            for name in names
            if name in counters.get(format_, ())
        }
        self._epoch += any(now[key] < self._before[key] for key in now.keys() & self._before.keys())
        self._before = now
        return self._epoch


def _attempt(read: Callable[[], T]) -> T | None:
    """Read; None for what this kernel does not show."""
    try:
        return read()
    except (OSError, ValueError, IndexError, StopIteration):
        return None


def _add_up(links: Sequence[Link], rows: NDArray[np.void]) -> proc.Values:
    """Add up the interfaces that stand on no others, or each packet would count several times."""
    masters = {link.master for link in links}
    bottom = [
        not (link.loopback or link.lower or link.ifindex in masters or link.iftype == _TUNNEL)
        for link in links
    ]
    chosen = rows[np.array(bottom, np.bool_)]
    return {
        f"{name}{side.title()}": int(chosen[f"{side}_{column}"].sum())
        for side in ("in", "out")
        for name, column in _NET_COLUMNS.items()
    }


def _find_adapters(links: Sequence[Link]) -> list[Adapter]:
    """List the interfaces that have an address of 6 octets."""
    return [
        Adapter(link.ifindex, (bytes.fromhex(link.address.replace(":", "")),))
        for link in links
        if len(link.address) == 17 and not link.loopback
    ]
