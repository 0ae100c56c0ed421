"""Runs the benchmarks, prints one table and writes the same figures as JSON.

Each benchmark runs in a process of its own, so that none finds what another left in memory, and one
that fails or hangs does not end the others.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import bench
from bench import machine
from bench.measure import Result, Skipped
from bench.rows import missing
from bench.table import exponents, read_result, write_table

_PATIENCE_S = 1200.0
"""How long one benchmark may take."""


def main() -> int:
    """Run the program; its result is the exit code, not 0 when a benchmark did not give results."""
    arguments = _parse_arguments()
    if arguments.inside:
        return _run_inside(arguments)
    names = [name for name in _discover() if arguments.only in {None, name}]
    document: dict[str, Any] = {"machine": machine.describe(), "quick": arguments.quick}
    results, seconds, failures = [], {}, []
    for name in names:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        begin = time.monotonic()
        found, failure = _run_one(name, quick=arguments.quick)
        seconds[name] = round(time.monotonic() - begin, 1)
        print(f"  {seconds[name]:.0f} s {failure}", file=sys.stderr, flush=True)
        results += found
        failures += [f"{name} {failure}"] * bool(failure)
        document |= {"load-at-end": machine.load(), "seconds": seconds, "failures": failures}
        document |= {"results": [*map(_describe, results)], "exponents": exponents(results)}
        _write(arguments.json, document)  # a run that is broken off leaves what it found
    if arguments.only is None and not arguments.quick:
        failures += [f"ABSENT: {case}" for case in missing({one.case for one in results})]
        _write(arguments.json, document)
    print("\n".join(write_table(results)))
    print(
        f"{sum(seconds.values()):.0f} s on {document['machine']['processor']}", *failures, sep="\n"
    )
    return 1 if failures else 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller cases, under 3 minutes")
    parser.add_argument("--only", metavar="NAME", help="run this benchmark alone")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="build/bench.json, or build/bench-NAME.json"
    )
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.json is None:  # one alone leaves the figures of a whole run where they are
        name = "bench" if arguments.only is None else f"bench-{arguments.only}"
        arguments.json = Path("build", name).with_suffix(".json")
    return arguments


def _discover() -> Iterator[str]:
    """Yield the names of the modules of this package that can be run."""
    for module in pkgutil.iter_modules(bench.__path__):
        if module.name != "__main__" and hasattr(_load(module.name), "run"):
            yield module.name


def _load(name: str) -> Any:
    return importlib.import_module(f"bench.{name}")


def _run_one(name: str, *, quick: bool) -> tuple[list[Result], str]:
    """Run a benchmark; give its results, or why there are none."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        command = [sys.executable, "-m", "bench", "--inside", "--only", name, "--json", str(found)]
        try:
            done = subprocess.run(
                command + ["--quick"] * quick, stdout=sys.stderr, timeout=_PATIENCE_S, check=False
            )
        except subprocess.TimeoutExpired:
            return [], f"FAILED: it took more than {_PATIENCE_S:.0f} s"
        if not found.exists():
            return [], f"FAILED: it ended with status {done.returncode}"
        said = json.loads(found.read_text())
        return [read_result(one) for one in said["results"]], said["skipped"]


def _run_inside(arguments: argparse.Namespace) -> int:
    """Be the process of one benchmark."""
    results: list[Result] = []
    skipped = ""
    try:
        results = _load(arguments.only).run(quick=arguments.quick)
    except Skipped as reason:
        skipped = f"SKIPPED: {reason}"
    said = {"results": [asdict(one) for one in results], "skipped": skipped}
    arguments.json.write_text(json.dumps(said))
    return 0


def _write(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n")


def _describe(one: Result) -> dict[str, Any]:
    ratios = {"cpu-ratio": one.cpu_ratio, "wall-ratio": one.wall_ratio}
    return {**asdict(one), **ratios, "verdict": one.verdict}


if __name__ == "__main__":
    sys.exit(main())
