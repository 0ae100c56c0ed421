"""What holds for the tests of every folder: which need root, and what CI makes of a skip."""

from __future__ import annotations

import functools
import os
import secrets
import shutil
import subprocess
from collections.abc import Generator

import hypothesis
import pytest

hypothesis.settings.register_profile("untimed", deadline=None)  # examples share the machine
hypothesis.settings.load_profile("untimed")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs privilege where there is none."""
    if item.get_closest_marker("root") and (missing := _missing_privilege()):
        pytest.skip(missing)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test has failed: a machine that cannot run it proves nothing."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        reason = call.excinfo.value if call.excinfo else "no reason given"
        report.longrepr = f"CI has to be able to run this test: {reason}"
    return report


@functools.cache
def _missing_privilege() -> str:
    """Say what is missing to make network namespaces; empty when nothing is."""
    if os.geteuid() != 0:
        return "needs root, to make network namespaces"
    program = shutil.which("ip")
    if program is None:
        return "needs the program ip (package iproute2)"
    name = f"fx{secrets.token_hex(4)}"
    made = subprocess.run([program, "netns", "add", name], capture_output=True, check=False)
    if made.returncode:
        return f"cannot make a network namespace: {made.stderr.decode().strip()}"
    # In a plain chroot this fails, because / is no mount point there.
    used = subprocess.run([program, "-n", name, "link"], capture_output=True, check=False)
    subprocess.run([program, "netns", "delete", name], capture_output=True, check=False)
    return f"cannot enter a namespace: {used.stderr.decode().strip()}" if used.returncode else ""
