"""What the benchmarks print and write; nothing is measured here."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from bench import machine
from bench.measure import Cost, Result, amount
from bench.rows import ROWS, missing
from bench.table import exponents, read_result, write_table
from tools import bench_docs

ONE = Result("send GSO", 1000, "C sendmmsg", Cost(0.001, 0.002), Cost(0.002, 0.002), target=0.6)
FOUND = [
    ONE,
    replace(ONE, size=10_000, ours=Cost(0.1, 0.1), theirs=Cost(0.02, 0.02)),
    amount("memory of a route", 10, "octets", 300.0, 210.0, also="of a small table"),
]


def document(**changes: Any) -> dict[str, Any]:
    ratios = [{"cpu-ratio": one.cpu_ratio, "wall-ratio": one.wall_ratio} for one in FOUND]
    results = [
        {**asdict(one), **more, "verdict": one.verdict}
        for one, more in zip(FOUND, ratios, strict=True)
    ]
    made = {
        "machine": machine.describe(),
        "quick": False,
        "load-at-end": machine.load(),
        "seconds": {"send": 60.0, "bgp": 30.0},
        "failures": ["gnmi FAILED: it ended with status 1"],
        "results": results,
        "exponents": exponents(FOUND),
    }
    return json.loads(json.dumps({**made, **changes}))  # type: ignore[no-any-return]


def test_a_result_comes_back_as_it_was() -> None:
    assert [read_result(json.loads(json.dumps(asdict(one)))) for one in FOUND] == FOUND


def test_the_table_marks_what_misses_its_bound_and_tells_how_cost_grows() -> None:
    kept, missed, growth, octets = list(write_table(FOUND))[1:]
    assert kept.split()[:9] == ["send", "GSO", "1000", "1.00", "ms", "2.00", "ms", "0.50x", "1.00x"]
    assert "MISSED" not in kept
    assert missed.endswith("MISSED")
    assert "the power of 2.00, the reference's of 1.00" in growth
    assert "300.0 octets" in octets
    assert octets.endswith("MISSED; of a small table")


def test_a_row_without_figures_is_found() -> None:
    everything = {case for cases in ROWS.values() for case in cases}
    assert missing(everything) == []
    assert missing(everything - {"start"}) == ["start"]


def test_no_case_is_wanted_twice_and_each_has_a_benchmark() -> None:
    cases = [case for wanted in ROWS.values() for case in wanted]
    assert len(cases) == len(set(cases))
    sources = "".join(path.read_text() for path in Path("bench").glob("*.py"))
    assert {case for case in cases if case.split()[0] not in sources} == set()


def test_the_page_has_the_machine_every_result_and_what_failed() -> None:
    section = bench_docs.render(document())
    assert machine.describe()["python"] in section  # type: ignore[operator]
    assert "| send GSO | 1,000 | 1.00 ms | 2.00 ms (C sendmmsg) | 0.50, 1.00 | 0.60 |  |" in section
    assert "| memory of a route | 10 | 300.0 octets | 210.0 octets (allowed)" in section
    assert "exponent 2.00 (1.00)" in section
    assert "- gnmi FAILED" in section
    assert "2 minutes in all" in section


def test_only_what_is_between_the_marks_is_replaced() -> None:
    page = f"a\n{bench_docs.BEGIN}old\n{bench_docs.END}b\n"
    once = bench_docs.insert(page, "new\n")
    assert once == f"a\n{bench_docs.BEGIN}new\n{bench_docs.END}b\n"
    assert bench_docs.insert(once, "new\n") == once
    with pytest.raises(ValueError, match="no <!-- bench: begin"):
        bench_docs.insert("nothing", "new\n")
    bench_docs.insert(bench_docs.PAGE.read_text(), "new\n")


@pytest.mark.parametrize("changes", [{"quick": True}, {"seconds": {"send": 1.0}}])
def test_figures_of_a_part_do_not_go_to_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    found = tmp_path / "found.json"
    found.write_text(json.dumps(document(**changes)))
    monkeypatch.setattr("sys.argv", ["bench_docs", str(found)])
    before = bench_docs.PAGE.read_text()
    assert bench_docs.main() == 1
    assert bench_docs.PAGE.read_text() == before
