"""Make docs/demo.svg: the demo in a network of its own, where something is going on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "demo.svg"
SECONDS = 40


def main() -> int:
    """Run the demo and save what it shows at the end; return its exit code."""
    command = [sys.executable, "-m", "tools.demo", "--traffic", "--seconds", str(SECONDS)]
    return subprocess.run([*command, "--svg", str(PICTURE)], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
