"""Seconds of what ``scripts/soak`` runs for longer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.root
def test_faults_and_kills_lose_nothing_and_leak_nothing() -> None:
    command = [sys.executable, "-m", "tests.support.soak", "--seconds", "25"]
    done = subprocess.run(
        ["unshare", "--net", "--mount", *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| of them missing | 0 |" in done.stdout
    assert "all ledgers agree" in done.stdout


def test_a_hundred_subscribers_and_one_that_reads_nothing() -> None:
    """Over gNMI: memory stays flat, the one is ended, and the others get what is due."""
    command = [sys.executable, "-m", "tests.support.gnmi_load", "soak", "--seconds", "60"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "100 subscribers" in done.stdout
    assert "the lazy one: RESOURCE_EXHAUSTED" in done.stdout


def test_routes_that_change_are_those_of_a_dictionary() -> None:
    """Of a small table: churn, flaps, broken sessions, the stale time, a killed process."""
    command = [sys.executable, "-m", "tests.support.route_soak", "--seconds", "15"]
    done = subprocess.run(
        [*command, "--ipv4", "20000", "--ipv6", "5000", "--seed", "64"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all right, nothing grew" in done.stdout
    assert {"| kill | 1 |", "| churn | 1 |"} <= set(done.stdout.splitlines())
