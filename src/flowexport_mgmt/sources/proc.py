"""What the kernel shows in files of /proc, by the names of sFlow's host structures (proc(5)).

Every function takes the text of a file. What the text does not have is left out of the result.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

Values = dict[str, int | float]

_CPU_TIMES: Final = (
    "cpuUser",
    "cpuNice",
    "cpuSystem",
    "cpuIdle",
    "cpuWio",
    "cpuIntr",
    "cpuSintr",
    "cpuSteal",
)
_IDLE: Final = ("cpuIdle", "cpuWio")
_STEAL: Final = "cpuSteal"  # is time that passes, and has no field
_STAT: Final = {"intr": "interrupts", "ctxt": "contexts"}
_MEMORY: Final = {
    "MemTotal": "memTotal",
    "MemFree": "memFree",
    "Shmem": "memShared",
    "Buffers": "memBuffers",
    "Cached": "memCached",
    "SwapTotal": "swapTotal",
    "SwapFree": "swapFree",
}
_PAGED: Final = {"pgpgin": "pageIn", "pgpgout": "pageOut"}
_SWAPPED: Final = {"pswpin": "swapIn", "pswpout": "swapOut"}
_SECTOR: Final = 512  # octets, whatever the disk's own are
_DISK: Final = {
    "reads": (3, 1),
    "bytesRead": (5, _SECTOR),
    "readTime": (6, 1),
    "writes": (7, 1),
    "bytesWritten": (9, _SECTOR),
    "writeTime": (10, 1),
}
_SPELLED_OTHERWISE: Final = {
    "icmpInParmProbs": "icmpInParamProbs",
    "icmpOutParmProbs": "icmpOutParamProbs",
}


class CpuTimes(NamedTuple):
    """Time that all processors spent since boot, in ticks, and the part that was not idle."""

    busy: int
    total: int


def parse_load(text: str) -> Values:
    """Parse /proc/loadavg: load averages and processes."""
    one, five, fifteen, processes, _ = text.split()
    running, total = processes.split("/")
    return {
        "loadOne": float(one),
        "loadFive": float(five),
        "loadFifteen": float(fifteen),
        "procRun": int(running),
        "procTotal": int(total),
    }


def parse_stat(text: str, ticks: int) -> tuple[Values, CpuTimes]:
    """Parse /proc/stat: times in milliseconds, of ``ticks`` to a second, and events."""
    values: Values = {}
    times: dict[str, int] = {}
    for line in text.splitlines():
        word, *numbers = line.split(None, 9)
        if word == "cpu":
            times = dict(zip(_CPU_TIMES, map(int, numbers[: len(_CPU_TIMES)]), strict=False))
        elif word in _STAT:
            values[_STAT[word]] = int(numbers[0])
    values |= {name: spent * 1000 // ticks for name, spent in times.items() if name != _STEAL}
    total = sum(times.values())
    return values, CpuTimes(total - sum(times[name] for name in _IDLE if name in times), total)


def parse_memory(text: str) -> Values:
    """Parse /proc/meminfo: octets."""
    found = _read_pairs(text)
    return {name: 1024 * found[word] for word, name in _MEMORY.items() if word in found}


def parse_paging(text: str, page_size: int) -> Values:
    """Parse /proc/vmstat: pages of ``page_size`` octets moved from and to disks."""
    found = _read_pairs(text)
    values: Values = {name: found[word] for word, name in _SWAPPED.items() if word in found}
    for word, name in _PAGED.items():
        if word in found:  # in units of 1024 octets
            values[name] = found[word] * 1024 // page_size
    return values


def parse_disks(text: str, disks: Container[str]) -> Values:
    """Parse /proc/diskstats: what the disks of some names read and wrote, added up."""
    lines = [line.split() for line in text.splitlines()]
    chosen = [line for line in lines if len(line) > 10 and line[2] in disks]
    if not chosen:
        return {}
    return {
        name: factor * sum(int(line[place]) for line in chosen)
        for name, (place, factor) in _DISK.items()
    }


def parse_protocols(text: str, names: Mapping[int, Iterable[str]]) -> dict[int, Values]:
    """Parse /proc/net/snmp: for each key of ``names`` the fields among those names."""
    found = dict(_read_groups(text))
    return {
        key: {name: found[name] for name in fields if name in found}
        for key, fields in names.items()
    }


def parse_mounts(text: str) -> list[tuple[str, str]]:
    """Parse /proc/mounts: device and folder of each file system that is on a local disk.

    Images that are mounted (/dev/loop) are files of another file system, and always full.
    """
    mounts: dict[str, str] = {}
    for line in text.splitlines():
        device, folder, kind = map(_unescape, line.split(" ")[:3])
        is_disk = device.startswith("/dev/") and not device.startswith("/dev/loop")
        if folder == "/" or (is_disk and not kind.startswith("fuse")):
            mounts.setdefault(device, folder)
    return list(mounts.items())


def _read_pairs(text: str) -> dict[str, int]:
    pairs = (line.split()[:2] for line in text.splitlines())
    return {word.rstrip(":"): int(number) for word, number in pairs}


def _read_groups(text: str) -> Iterator[tuple[str, int]]:
    """Yield names and values of pairs of lines: ``Tcp: InSegs ...`` and ``Tcp: 17 ...``."""
    lines = text.splitlines()
    for heads, numbers in zip(lines[::2], lines[1::2], strict=False):
        group, *names = heads.split()
        for name, number in zip(names, numbers.split()[1:], strict=False):
            field = group.rstrip(":").lower() + name
            yield _SPELLED_OTHERWISE.get(field, field), int(number)


def _unescape(word: str) -> str:
    """Turn octal escapes, such as 040 behind a backslash for a blank, into what they stand for."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), word)
