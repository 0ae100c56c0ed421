"""Write the model room from the YANG modules; with --check, say whether it is current."""

from __future__ import annotations

import sys
from pathlib import Path

from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.generate import render_model

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "src" / "flowexport_mgmt" / "model"


def main(arguments: list[str]) -> int:
    """Write the files, or compare them when asked to; return the exit code."""
    files = render_model(SchemaContext())
    if "--check" in arguments:
        return _check(files)
    MODEL.mkdir(exist_ok=True)
    for name, text in files.items():
        (MODEL / name).write_text(text, encoding="utf-8")
    return 0


def _check(files: dict[str, str]) -> int:
    complaints = [
        f"model/{name} is not current: run make generate"
        for name, text in files.items()
        if _read(MODEL / name) != text
    ]
    complaints += [
        f"model/{path.name} is not made from any module"
        for path in sorted(MODEL.glob("*.py"))
        if path.name not in files
    ]
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
