"""The man pages and completion files: current, complete, and fit for use."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tools import generate_manual

from flowexport_mgmt.cli.commands.table import COMMANDS
from flowexport_mgmt.cli.pipes.pipes import PIPES

COMPLETE = """
. packaging/completions/bash/flowexport
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_flowexport
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return generate_manual.render()


def test_the_files_are_current() -> None:
    assert generate_manual.main(["--check"]) == 0


def test_a_changed_file_is_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate_manual, "FOLDER", tmp_path)
    assert generate_manual.main(["--check"]) == 1
    generate_manual.main([])
    assert generate_manual.main(["--check"]) == 0
    (tmp_path / "man" / "flowexport.1").write_text("old")
    assert generate_manual.main(["--check"]) == 1


def test_every_command_and_pipe_is_in_the_page(files: dict[str, str]) -> None:
    page = files["man/flowexport.1"]
    usages = [generate_manual.escaped(command.usage) for command in COMMANDS]
    assert [usage for usage in usages if usage not in page] == []
    assert [p.name for p in PIPES if generate_manual.escaped(f"| {p.name}") not in page] == []


def test_every_setting_is_in_the_page(files: dict[str, str]) -> None:
    page = files["man/flowexport-config.5"]
    assert generate_manual.escaped("flow-export collector NAME polling-interval") in page
    assert generate_manual.escaped("type: uint16 1..3600; units: seconds; default: 20") in page


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("flowexport --so", ["--socket"]),
        ("flowexport -c 'show fl'", ["show\\ flow-export", "show\\ flow\\ recent"]),
        ("flowexport -f pyproj", ["pyproject.toml"]),
    ],
)
def test_bash_completes(words: str, expected: list[str]) -> None:
    script = COMPLETE.format(words=words)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:-1] == expected
