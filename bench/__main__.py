"""Runs the benchmarks, prints one table and writes the same figures as JSON."""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import pkgutil
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import bench
from bench.measure import Result, Skipped, growth

Run = Callable[..., list[Result]]


def main() -> int:
    """Run the program; its result is the exit code, not 0 when a benchmark was skipped."""
    arguments = _parse_arguments()
    results: list[Result] = []
    skipped = []
    for name, run in _discover(arguments.only):
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        try:
            results += run(quick=arguments.quick)
        except Skipped as reason:
            skipped.append(f"{name} SKIPPED: {reason}")
    print("\n".join(_table(results)))
    _write(arguments.json, results)
    for line in skipped:
        print(line)
    return 1 if skipped else 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller cases, under 3 minutes")
    parser.add_argument("--only", metavar="NAME", help="run this benchmark alone")
    parser.add_argument(
        "--json", type=Path, default=Path("build/bench.json"), metavar="FILE", help="%(default)s"
    )
    return parser.parse_args()


def _discover(only: str | None) -> Iterator[tuple[str, Run]]:
    """Yield the modules of this package that can be run."""
    for module in pkgutil.iter_modules(bench.__path__):
        if module.name == "__main__" or only not in {None, module.name}:
            continue
        run = getattr(importlib.import_module(f"bench.{module.name}"), "run", None)
        if run is not None:
            yield module.name, run


def _table(results: list[Result]) -> Iterator[str]:
    yield (
        f"{'case':<28}{'size':>9}{'ours CPU':>12}{'ref CPU':>12}{'CPU':>8}{'wall':>8}"
        f"{'to reach':>10}  "
    )
    for case, group in itertools.groupby(results, lambda result: result.case):
        same = list(group)
        for one in same:
            yield (
                f"{case:<28}{one.size:>9}{one.ours.cpu * 1e3:>9.2f} ms"
                f"{one.theirs.cpu * 1e3:>9.2f} ms{one.cpu_ratio:>7.2f}x{one.wall_ratio:>7.2f}x"
                f"{_target(one)}  {one.verdict}"
            )
        if len(same) > 1:
            ours, theirs = _exponents(same)
            yield (
                f"{'':<28}cost grows with size to the power of {ours:.2f},"
                f" the reference's of {theirs:.2f}"
            )


def _target(one: Result) -> str:
    """Write the ratio that is to be reached, where there is one."""
    if one.judged == "failure":
        return f"{'-':>10}"
    return f"{one.target:>9.2f}x" + (" wall" if one.judged == "wall" else "")


def _exponents(same: list[Result]) -> tuple[float, float]:
    """Give the growth of our cost and of the reference's."""
    sizes = [one.size for one in same]
    ours = growth(sizes, [one.ours.cpu for one in same])
    return ours, growth(sizes, [one.theirs.cpu for one in same])


def _write(path: Path, results: list[Result]) -> None:
    document = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "results": [
            {**asdict(one), "cpu-ratio": one.cpu_ratio, "wall-ratio": one.wall_ratio}
            for one in results
        ],
        "exponents": {
            case: dict(zip(("ours", "reference"), _exponents(same), strict=True))
            for case, group in itertools.groupby(results, lambda result: result.case)
            if len(same := list(group)) > 1
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
