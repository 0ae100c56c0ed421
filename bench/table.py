"""Results as lines of text, and read back from what they were written as."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.measure import Cost, Result, growth


def read_result(said: Mapping[str, Any]) -> Result:
    """Make a result of what `dataclasses.asdict` gave."""
    costs = {name: Cost(**said[name]) for name in ("ours", "theirs")}
    return Result(**{**said, **costs})


def write_table(results: Sequence[Result]) -> Iterator[str]:
    """Write a line for each result, and one for how cost grows where there are several sizes."""
    yield (
        f"{'case':<42}{'size':>9}{'ours CPU':>16}{'ref CPU':>16}{'CPU':>8}{'wall':>8}"
        f"{'to reach':>10}  "
    )
    for case, group in itertools.groupby(results, lambda result: result.case):
        same = list(group)
        for one in same:
            ours, theirs = cost(one.ours.cpu, one.unit), cost(one.theirs.cpu, one.unit)
            yield (
                f"{case:<42}{one.size:>9}{ours:>16}{theirs:>16}"
                f"{one.cpu_ratio:>7.2f}x{one.wall_ratio:>7.2f}x{_target(one)}  "
                f"{'; '.join(filter(None, (one.verdict, one.also)))}"
            )
        if case in (found := exponents(same)):
            yield (
                f"{'':<42}cost grows with size to the power of {found[case]['ours']:.2f},"
                f" the reference's of {found[case]['reference']:.2f}"
            )


def cost(amount: float, unit: str) -> str:
    """Write an amount with its unit; seconds as milliseconds."""
    return f"{amount * 1e3:.2f} ms" if unit == "s" else f"{amount:.1f} {unit}"


def exponents(results: Sequence[Result]) -> dict[str, dict[str, float]]:
    """Give the growth of our cost and of the reference's for cases of several sizes."""
    found = {}
    for case, group in itertools.groupby(results, lambda result: result.case):
        same = [one for one in group if one.unit == "s"]
        sizes = [one.size for one in same]
        if len(set(sizes)) > 1:
            found[case] = {
                "ours": growth(sizes, [one.ours.cpu for one in same]),
                "reference": growth(sizes, [one.theirs.cpu for one in same]),
            }
    return found


def _target(one: Result) -> str:
    """Write the ratio that is to be reached, where there is one."""
    if one.judged == "failure":
        return f"{'-':>10}"
    return f"{one.target:>9.2f}x" + (" wall" if one.judged == "wall" else "")
