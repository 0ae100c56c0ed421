"""One fuzzer, led by what its inputs cover (atheris): ``python -m tests.fuzz NAME FOLDER SECONDS``.

The folder keeps the inputs that were found to cover something; an input that breaks a promise is
written beside it, and ends the run with another exit status than 0.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import Final

import atheris

MAX_INPUT: Final = 65_536
INPUT_SECONDS: Final = 10
"""What no input may take, which is a thousand times what most need."""

MEMORY_MB: Final = 1024


def main() -> None:
    """Fuzz until the time is over."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("name")
    parser.add_argument("folder", type=Path)
    parser.add_argument("seconds", type=int)
    options = parser.parse_args()
    with atheris.instrument_imports(include=["flowexport_mgmt"], enable_loader_override=False):
        fuzzer = importlib.import_module(f"tests.fuzz.{options.name}")
    options.folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(fuzzer.seeds()):
        (options.folder / f"seed-{number}").write_bytes(seed[:MAX_INPUT])
    arguments = [
        sys.argv[0],
        str(options.folder),
        f"-max_total_time={options.seconds}",
        f"-max_len={MAX_INPUT}",
        f"-timeout={INPUT_SECONDS}",
        f"-rss_limit_mb={MEMORY_MB}",
        f"-artifact_prefix={options.folder}.broken-",
        "-len_control=20",
        "-print_final_stats=1",
    ]
    broken = options.folder.with_name(f"{options.folder.name}.broken")

    def run(data: bytes) -> None:
        try:
            fuzzer.run(data)
        except BaseException:
            broken.write_bytes(data)  # at once: libFuzzer does not always come to it
            raise

    atheris.Setup(arguments, run)
    atheris.Fuzz()


main()
