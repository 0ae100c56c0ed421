"""What holds for the tests of every folder: which need root, and what CI makes of a skip."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Generator

import pytest

IN_CI = os.environ.get("CI") == "true"


@functools.cache
def can_make_namespaces() -> bool:
    """Say whether a network namespace can be made here."""
    try:
        done = subprocess.run(
            ["/usr/bin/unshare", "--net", "true"], capture_output=True, check=False
        )
    except FileNotFoundError:
        return False
    return done.returncode == 0


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs root where root is not to be had."""
    if item.get_closest_marker("root") and not can_make_namespaces():
        pytest.skip("network namespaces cannot be made here: this needs root")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test has failed: a machine that cannot run it proves nothing."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which CI does not allow: {call.excinfo}"
    return report
