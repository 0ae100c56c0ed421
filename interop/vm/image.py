"""What the machine boots: Debian's kernel, an initramfs, and a disk with what is read much.

Debian's kernel is fetched and unpacked into the checkout's cache.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[2]
CACHE: Final = _ROOT / ".cache" / "vm"
_INIT: Final = Path(__file__).with_name("init")
_DEVICE: Final = Path(__file__).with_name("module")
"""A module of our own: a device that samples by itself."""
_METAPACKAGE: Final = "linux-image-amd64"

BOOT_MODULES: Final = (
    *("virtio_pci", "9pnet_virtio", "9p", "overlay"),
    *("virtio_blk", "crc32c_generic", "ext4"),
)
"""What is loaded before the root file system is there."""

_SLACK: Final = 1.2
"""How much larger a disk is than its files, for what the file system itself needs."""

_BLOCK: Final = 4096

MODULES: Final = (
    *BOOT_MODULES,
    "psample",
    "act_sample",
    "act_gact",
    "cls_matchall",
    "cls_flower",
    "sch_ingress",
    "veth",
    "dummy",
    "8021q",
    "bridge",
    "vrf",
    "nf_conntrack",
    "nf_conntrack_netlink",
    "pktgen",
    "e1000e",
)
"""What is there to be loaded, with all that these stand on."""


@dataclass(frozen=True, slots=True)
class Image:
    """A kernel that is ready to boot."""

    kernel: Path
    initramfs: Path
    disk: Path


def make_image(folder: Path) -> Image:
    """Make in ``folder`` what the kernel needs that Debian's lists name now."""
    package = _newest_package()
    unpacked = _unpack(package)
    modules = next((unpacked / "lib" / "modules").iterdir())
    root = folder / "initramfs"
    device = _build_device(package.replace("image", "headers"), folder / "module")
    _furnish(root, unpacked, modules.name, device)
    kernel = unpacked / "boot" / f"vmlinuz-{modules.name}"
    return Image(kernel, _pack(root, folder / "initramfs.cpio"), _make_disk(folder / "disk"))


def _newest_package() -> str:
    """Name the package that the metapackage stands for today."""
    if not _run("apt-cache", "search", "--names-only", f"^{_METAPACKAGE}$"):
        _run("apt-get", "update")
    for line in _run("apt-cache", "depends", _METAPACKAGE).splitlines():
        relation, _, package = line.strip().partition(": ")
        if relation == "Depends" and package.startswith("linux-image-"):
            return package
    raise LookupError(f"Debian's package lists do not say what {_METAPACKAGE} stands for")


def _unpack(package: str) -> Path:
    """Unpack a kernel without installing it; what is unpacked already stays."""
    unpacked = CACHE / package
    if unpacked.exists():
        return unpacked
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        _run("apt-get", "-o", "APT::Sandbox::User=root", "download", package, cwd=Path(name))
        archive = next(Path(name).glob("*.deb"))
        fresh = Path(name) / "unpacked"
        _run("dpkg-deb", "--extract", str(archive), str(fresh))
        release = next((fresh / "lib" / "modules").iterdir()).name
        _run("depmod", "--basedir", str(fresh), release)
        fresh.rename(unpacked)
    return unpacked


def _build_device(headers: str, folder: Path) -> Path:
    """Compile the module for the kernel that a package of headers belongs to."""
    kernel = Path("/usr/src", headers)
    if not kernel.exists():
        _run("apt-get", "install", "--yes", "--no-install-recommends", headers)
    shutil.copytree(_DEVICE, folder)
    _run("make", "-C", str(kernel), f"M={folder}", "modules")
    return next(folder.glob("*.ko"))


def _furnish(root: Path, unpacked: Path, release: str, device: Path) -> None:
    """Lay out what the kernel finds at first: busybox, init and the modules."""
    for name in ("bin", "dev", "host", "new", "proc", "top"):
        (root / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin" / "busybox")
    shutil.copy(_INIT, root / "init")
    for module in _with_dependencies(unpacked, release):
        target = root / module.relative_to(unpacked)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(module, target)
    modules = Path("lib", "modules", release)
    shutil.copy(device, root / modules)
    for listing in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        shutil.copy(unpacked / modules / listing, root / modules)
    _run("depmod", "--basedir", str(root), release)
    (root / "boot-modules").write_text("\n".join(BOOT_MODULES) + "\n")


def _with_dependencies(unpacked: Path, release: str) -> set[Path]:
    modprobe = ["modprobe", "--dirname", str(unpacked), "--set-version", release]
    shown = _run(*modprobe, "--show-depends", "--all", *MODULES)
    words = (line.split() for line in shown.splitlines())
    return {Path(word[1]) for word in words if word[0] == "insmod"}


def _pack(root: Path, archive: Path) -> Path:
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    with archive.open("wb") as output:
        command = ["busybox", "cpio", "-o", "-H", "newc"]
        subprocess.run(command, cwd=root, input=names.encode(), stdout=output, check=True)
    return archive


def read_much() -> list[Path]:
    """List the folders that Python reads when a program of ours starts."""
    folders = [Path(sys.prefix), Path(sysconfig.get_path("stdlib"))]
    folders += [_ROOT / name for name in ("src", "tests", "interop", "yang")]
    return [folder.resolve() for folder in folders]


def _make_disk(disk: Path) -> Path:
    """Copy those folders to a disk; the file ``folders`` on it says where each of them belongs.

    The host's file system is reached by a message for each file and piece of it, which takes longer
    inside than everything else that a start needs.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        stage = Path(name)
        stage.chmod(0o755)
        lines = []
        for number, folder in enumerate(read_much()):
            _copy(folder, stage / str(number))
            lines.append(f"{number} {folder}\n")
        (stage / "folders").write_text("".join(lines))
        size = sum(_sizes(stage)) * _SLACK / 2**20 + 16
        command = ["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-m", "0"]
        _run(*command, "-b", str(_BLOCK), "-d", str(stage), str(disk), f"{int(size)}M")
    return disk


def _copy(folder: Path, to: Path) -> None:
    """Copy a folder; its files only by links to them, where that is possible."""
    try:
        shutil.copytree(folder, to, symlinks=True, copy_function=os.link)
    except (OSError, shutil.Error):
        shutil.rmtree(to, ignore_errors=True)
        _run("cp", "--archive", str(folder), str(to))


def _sizes(folder: Path) -> Iterator[int]:
    """Give the octets that each file and folder takes on a disk."""
    for path in folder.rglob("*"):
        size = path.lstat().st_size
        yield -(-size // _BLOCK) * _BLOCK + 256


def _run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
