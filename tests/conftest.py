"""What holds for all tests: those marked ``root`` need privilege, and CI has to have it."""

from __future__ import annotations

import functools
import os
import secrets
import shutil
import subprocess

import pytest


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests that need privilege where there is none, but fail them in CI."""
    if item.get_closest_marker("root") is None:
        return
    missing = _missing_privilege()
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"CI has to be able to run this test: {missing}", pytrace=False)
    if missing:
        pytest.skip(missing)


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
    subprocess.run([program, "netns", "delete", name], capture_output=True, check=False)
    return ""
