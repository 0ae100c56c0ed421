"""What the kernel keeps of each flow: accounting, timestamps and events (sysctls)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SYSCTLS: Final = Path("/proc/sys/net/netfilter")
_NAMES: Final = ("acct", "timestamp", "events")
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE: Final = Path("/proc/thread-self/ns/net")


def sysctl_name(name: str) -> str:
    """Give the full name of one of the switches, as sysctl(8) takes it."""
    return f"net.netfilter.nf_conntrack_{name}"


@dataclass(frozen=True, slots=True)
class Switches:
    """The values of nf_conntrack_acct, _timestamp and _events; None where the kernel has none."""

    acct: int | None = None
    timestamp: int | None = None
    events: int | None = None


UNKNOWN: Final = Switches()


def read_switches(folder: Path = SYSCTLS) -> Switches:
    """Read the switches of the network namespace that this thread is in."""
    return Switches(**{name: _read(folder, name) for name in _NAMES})


class SwitchKeeper:
    """Sets all three switches to 1 and puts back what was there.

    What was there is written to a file before anything is set, so that a process that was killed
    leaves word for the next one. The file counts only for the boot and the network namespace that
    it was written in. A switch that somebody else moved meanwhile is left as it is.

    All methods are called by a thread that is in the network namespace that is meant.
    """

    def __init__(self, file: Path | None, folder: Path = SYSCTLS) -> None:
        self._file = file
        self._folder = folder
        self._before: Mapping[str, int] = self._recall()

    def hold(self) -> None:
        """Set every switch that is not set.

        Raises:
            OSError: a switch could not be set, or what was there could not be written down.
        """
        values = {name: _read(self._folder, name) for name in _NAMES}
        wrong = {name: value for name, value in values.items() if value not in {None, 1}}
        news = {name: value for name, value in wrong.items() if name not in self._before}
        if news:
            self._remember({**self._before, **news})
        for name in wrong:
            self._write(name, 1)

    def release(self) -> None:
        """Put back what was there, if anything was set.

        Raises:
            OSError: a switch could not be set; what was there stays written down.
        """
        if not self._before:
            return
        for name, value in self._before.items():
            if _read(self._folder, name) == 1:
                self._write(name, value)
        self._before = {}
        if self._file is not None:
            self._file.unlink(missing_ok=True)

    def _write(self, name: str, value: int) -> None:
        (self._folder / f"nf_conntrack_{name}").write_text(f"{value}\n", encoding="ascii")

    def _remember(self, before: Mapping[str, Any]) -> None:
        if self._file is not None:
            text = json.dumps({"place": _here(), "before": dict(before)})
            fresh = self._file.with_suffix(".new")
            fresh.write_text(text, encoding="ascii")
            fresh.replace(self._file)
        self._before = before

    def _recall(self) -> Mapping[str, int]:
        """Read what a process that was killed left; anything else stands for nothing."""
        if self._file is None:
            return {}
        try:
            document = json.loads(self._file.read_text(encoding="ascii"))
            if document["place"] != _here():
                return {}
            return {
                name: int(document["before"][name]) for name in document["before"] if name in _NAMES
            }
        except (OSError, ValueError, KeyError, TypeError):
            return {}


def release_switches(file: Path | None) -> None:
    """Put back what a process that was killed set, if one did; a failure is left to the next."""
    with contextlib.suppress(OSError):
        SwitchKeeper(file).release()


def _read(folder: Path, name: str) -> int | None:
    try:
        return int((folder / f"nf_conntrack_{name}").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _here() -> str:
    """Name this boot and this network namespace."""
    with contextlib.suppress(OSError):
        return f"{_BOOT.read_text(encoding='ascii').strip()} {_NAMESPACE.readlink()}"
    return ""
