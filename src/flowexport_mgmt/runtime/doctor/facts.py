"""What the kernel says of itself and of this process, read at one moment."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from flowexport_mgmt.sources.conntrack.switches import UNKNOWN, Switches, read_switches

SAMPLING_MODULES: Final = ("psample", "act_sample", "cls_matchall", "sch_ingress")
CONNTRACK_MODULES: Final = ("nf_conntrack", "nf_conntrack_netlink")

_PROC: Final = Path("/proc")
_SYS: Final = Path("/sys")
_LIB: Final = Path("/lib/modules")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """Facts; None where the kernel does not tell.

    ``loaded`` and ``available`` are the modules that are in the kernel, and those that it could
    load. ``capabilities`` are the effective ones as a bit set.
    """

    release: str = ""
    capabilities: int = 0
    loaded: frozenset[str] = frozenset()
    available: frozenset[str] = frozenset()
    switches: Switches = field(default=UNKNOWN)
    connections: int | None = None
    max_connections: int | None = None
    rmem_max: int | None = None
    wmem_max: int | None = None
    descriptors: int = 0
    max_descriptors: int = 0


def read_facts(proc: Path = _PROC, sys: Path = _SYS, lib: Path = _LIB) -> HostFacts:
    """Read them now."""
    release = os.uname().release
    wanted = (*SAMPLING_MODULES, *CONNTRACK_MODULES)
    netfilter = proc / "sys" / "net" / "netfilter"
    core = proc / "sys" / "net" / "core"
    return HostFacts(
        release=release,
        capabilities=_capabilities(proc / "self" / "status"),
        loaded=_loaded(wanted, sys / "module", lib / release / "modules.builtin"),
        available=_listed(wanted, lib / release / "modules.dep"),
        switches=read_switches(netfilter),
        connections=_number(netfilter / "nf_conntrack_count"),
        max_connections=_number(netfilter / "nf_conntrack_max"),
        rmem_max=_number(core / "rmem_max"),
        wmem_max=_number(core / "wmem_max"),
        descriptors=_count(proc / "self" / "fd"),
        max_descriptors=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    )


def _capabilities(status: Path) -> int:
    try:
        for line in status.read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            if name == "CapEff":
                return int(value, 16)
    except OSError:
        pass
    return 0


def _loaded(wanted: Iterable[str], modules: Path, builtin: Path) -> frozenset[str]:
    """Tell which are in the kernel: loaded, or a part of it."""
    found = {name for name in wanted if (modules / name).is_dir()}
    return frozenset(found) | _listed(wanted, builtin)


def _listed(wanted: Iterable[str], file: Path) -> frozenset[str]:
    """Tell which have a line in one of depmod(8)'s lists."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    names = {Path(line.partition(":")[0].strip()).name.partition(".")[0] for line in lines}
    return frozenset(wanted) & {name.replace("-", "_") for name in names}


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _count(folder: Path) -> int:
    try:
        return sum(1 for _ in folder.iterdir())
    except OSError:
        return 0
