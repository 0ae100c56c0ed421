"""The C references, built with the system's compiler."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

from bench.measure import Skipped

_SOURCES = Path(__file__).parent / "reference"


def build(name: str, folder: Path) -> ctypes.CDLL:
    """Compile ``reference/NAME.c`` into a library in ``folder`` and load it."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise Skipped("there is no C compiler: apt-get install gcc libc6-dev")
    library = folder / f"{name}.so"
    command = [compiler, "-O2", "-Wall", "-Werror", "-shared", "-fPIC"]
    subprocess.run([*command, "-o", library, _SOURCES / f"{name}.c"], check=True)
    return ctypes.CDLL(str(library))
