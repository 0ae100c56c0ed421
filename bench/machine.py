"""The machine that figures are of."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

_LIBRARIES = ("numpy", "asyncssh", "lxml", "msgspec", "grpcio", "libyang")


def describe() -> dict[str, object]:
    """Describe processor, memory, kernel, versions, and what the machine is busy with now."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _read("/proc/cpuinfo", "model name") or platform.processor(),
        "architecture": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory-mib": int((_read("/proc/meminfo", "MemTotal") or "0").split()[0]) // 1024,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "load": load(),
    }


def load() -> list[float]:
    """Give the mean number of processes that want a processor, of 1, 5 and 15 minutes."""
    return [round(one, 2) for one in os.getloadavg()]


def _read(path: str, name: str) -> str | None:
    """Give the first value of that name in a file of names and values."""
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None
