"""Writes the table of a whole run of the benchmarks into docs/performance.md.

``tools/bench_docs.py [JSON]``: what ``./scripts/bench`` wrote; build/bench.json without one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.rows import ROWS  # noqa: E402 - the folder of this program is not the checkout
from bench.table import cost  # noqa: E402

PAGE: Final = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- bench: begin -->\n", "<!-- bench: end -->\n"
_HEAD: Final = (
    "| path | size | ours, CPU | reference, CPU | ratio: CPU, wall | to reach | besides |\n"
    "|---|---|---|---|---|---|---|\n"
)


def main() -> int:
    """Write the page; 1 when the run was not a whole one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("json", type=Path, nargs="?", default=ROOT / "build" / "bench.json")
    document = json.loads(parser.parse_args().json.read_text())
    if document["quick"] or len(document["seconds"]) < 2:
        print("error: these are figures of a part of the benchmarks", file=sys.stderr)
        return 1
    PAGE.write_text(insert(PAGE.read_text(), render(document)))
    return 0


def insert(page: str, section: str) -> str:
    """Put a section in the place of what is between the marks.

    Raises:
        ValueError: the page has no such place.
    """
    before, _, rest = page.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"the page has no {BEGIN.strip()} before an {END.strip()}")
    return f"{before}{BEGIN}{section}{END}{after}"


def render(document: Mapping[str, Any]) -> str:
    """Write what a run found, and where."""
    lines = [*_tell_machine(document), "\n", _HEAD, *_tell_rows(document)]
    if document["failures"]:
        lines += ["\n", *(f"- {failure}\n" for failure in document["failures"])]
    return "".join(lines)


def _tell_machine(document: Mapping[str, Any]) -> Iterator[str]:
    machine = document["machine"]
    libraries = ", ".join(f"{name} {number}" for name, number in machine["libraries"].items())
    begin, end = (" ".join(map(str, one)) for one in (machine["load"], document["load-at-end"]))
    yield f"{machine['time']}: {machine['cores']} cores of {machine['processor']} "
    yield f"({machine['architecture']}), {machine['memory-mib']} MiB, Linux {machine['kernel']},\n"
    yield f"Python {machine['python']}, {libraries}.\n"
    yield f"Load average {begin} at the start, {end} at the end; "
    yield f"{sum(document['seconds'].values()) / 60:.0f} minutes in all.\n"


def _tell_rows(document: Mapping[str, Any]) -> Iterator[str]:
    results = document["results"]
    order = [case for cases in ROWS.values() for case in cases]
    known = [case for case in order if any(one["case"] == case for one in results)]
    others = sorted({one["case"] for one in results} - set(order))
    for case in (*known, *others):
        for one in results:
            if one["case"] == case:
                yield _tell(one)
        if case in document["exponents"]:
            powers = document["exponents"][case]
            yield f"| | | | | exponent {powers['ours']:.2f} ({powers['reference']:.2f}) | | |\n"


def _tell(one: Mapping[str, Any]) -> str:
    ours, theirs = (cost(one[who]["cpu"], one["unit"]) for who in ("ours", "theirs"))
    bound = {"failure": ""}.get(one["judged"], f"{one['target']:.2f}")
    bound += ", wall" if one["judged"] == "wall" else ""
    remarks = "; ".join(filter(None, (one["verdict"], one["also"])))
    return (
        f"| {one['case']} | {one['size']:,} | {ours} | {theirs} ({one['reference']}) "
        f"| {one['cpu-ratio']:.2f}, {one['wall-ratio']:.2f} | {bound} | {remarks} |\n"
    )


if __name__ == "__main__":
    sys.exit(main())
