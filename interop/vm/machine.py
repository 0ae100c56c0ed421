"""Runs a command inside of the virtual machine, bounded in time."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from interop.vm.image import Image

RESULTS: Final = "/run/results"
"""The folder inside that stays when the machine is gone."""

MARK: Final = "FLOWEXPORT_VM"
"""An environment variable that is set inside, and only there."""

_MEMORY: Final = "2G"
_PROCESSORS: Final = 2
_MODEL: Final = "Nehalem"
"""The processor: the least that numpy takes. Later ones copy by instructions (ERMS) that are
emulated octet by octet, and have AVX, in whose emulation numpy sorts wrong."""

_KERNEL: Final = (
    "console=ttyS0 quiet panic=-1",
    # What guards against strangers or looks for faults of the kernel costs more than it does on a
    # processor, and there is neither here.
    "mitigations=off init_on_alloc=0 audit=0 lsm= nowatchdog nokaslr",
)

_PORTS: Final = 2
"""Ethernet ports with a real driver, e1000e, and nothing but each other at the far end."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command inside came to; ``status`` is None when the machine ended before it."""

    status: int | None
    output: str
    console: str


def run_inside(
    command: Sequence[str],
    image: Image,
    folder: Path,
    *,
    cwd: Path,
    environment: Mapping[str, str],
    seconds: float,
) -> Outcome:
    """Boot, run a command as root on the host's own files, and switch off.

    The command sees everything that the host has and can change none of it, but for what it puts
    into `RESULTS`, which is ``folder / "results"`` here. A machine that does not end by itself
    within ``seconds`` is killed.
    """
    results = folder / "results"
    results.mkdir()
    (results / "script").write_text(_script(command, cwd, environment))
    console = folder / "console"
    _boot(image, results, console, seconds)
    status = results / "status"
    return Outcome(
        status=int(status.read_text()) if status.exists() else None,
        output=_read(results / "output"),
        console=_read(console),
    )


def _script(command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> str:
    """Write what the first process runs once it has the host's files."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
    lines.append(f"export {MARK}=1")
    lines.append(f"cd {shlex.quote(str(cwd))}")
    lines.append(f"{shlex.join(command)} >{RESULTS}/output 2>&1 </dev/null")
    lines.append(f"echo $? >{RESULTS}/status")
    lines.append("sync; busybox poweroff -f")
    return "".join(f"{line}\n" for line in lines)


def _boot(image: Image, results: Path, console: Path, seconds: float) -> None:
    share = "security_model=none,multidevs=remap"
    command = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", _MODEL, "-m", _MEMORY]
    command += ["-smp", str(min(_PROCESSORS, os.cpu_count() or 1)), "-nodefaults", "-no-reboot"]
    command += ["-display", "none", "-serial", f"file:{console}"]
    command += ["-kernel", str(image.kernel), "-initrd", str(image.initramfs)]
    command += ["-append", " ".join(_KERNEL)]
    command += ["-virtfs", f"local,path=/,mount_tag=host,readonly=on,{share}"]
    command += ["-virtfs", f"local,path={results},mount_tag=results,{share}"]
    command += ["-drive", f"file={image.disk},format=raw,if=virtio,readonly=on"]
    for number in range(_PORTS):  # on one wire
        command += ["-netdev", f"hubport,hubid=0,id=port{number}"]
        command += ["-device", f"e1000e,netdev=port{number},romfile="]
    with console.with_suffix(".qemu").open("wb") as log:
        machine = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            machine.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            machine.kill()
            machine.wait()


def _read(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""
