from __future__ import annotations

import subprocess
import sys

_FAULT = """
import sys
from flowexport_mgmt.app import process
def read_child_settings():
    raise ZeroDivisionError("nobody thought of it")
process.read_child_settings = read_child_settings
sys.exit(process.run_child("child", None))
"""


def test_a_fault_of_the_program_is_told_and_has_a_code_of_its_own() -> None:
    command = [sys.executable, "-c", _FAULT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "ended by a fault of the program" in done.stderr
    assert "nobody thought of it" in done.stderr
