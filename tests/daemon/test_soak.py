"""Half a minute of the soak that ``scripts/soak --minutes`` runs for longer."""

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
