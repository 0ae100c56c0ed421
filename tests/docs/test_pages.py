"""Every shell block of the README and of docs/ is executed, and what it shows is compared.

The ``sh`` blocks of a page run one after the other in one shell, in namespaces of their own: no
port, process or folder of theirs meets anybody else's. A ``json`` block shows what the block before
it prints; it has to have the same shape.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)(?P<target>[^)#]+)(?:#[^)]*)?\)")
EXECUTED, SHOWN = "sh", ("text", "json")
MARK = "=== end of block ==="

# An interface to export, and a system of our own where a daemon that runs as root keeps things.
FURNISH = """
ip link set lo up
ip link add eth0 type veth peer name peer0
ip link set eth0 up
ip link set peer0 up
mount -t tmpfs tmpfs /run
mkdir "$HOME/lib"
mount --bind /var/lib "$HOME/lib"
mount -t tmpfs tmpfs /var/lib
for entry in "$HOME"/lib/*; do
    [ "$entry" = "$HOME/lib/flowexport" ] || ln -s "$entry" /var/lib/
done
"""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text."""

    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    return [Block(m["language"], m["text"]) for m in BLOCK.finditer(page.read_text())]


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


EXECUTABLE = [page for page in PAGES if any(b.language == EXECUTED for b in blocks(page))]


@pytest.mark.parametrize("page", EXECUTABLE, ids=named)
def test_a_page_waits_for_nothing_without_end(page: Path) -> None:
    lines = [line for b in blocks(page) if b.language == EXECUTED for line in b.text.splitlines()]
    loops = [line for line in lines if re.match(r"\s*(until|while) ", line)]
    assert loops == []


@pytest.fixture
def home() -> Iterator[Path]:
    """A short path: sockets are made below it."""
    with tempfile.TemporaryDirectory(prefix="fxdoc") as folder:
        yield Path(folder)


@pytest.mark.root
@pytest.mark.parametrize("page", EXECUTABLE, ids=named)
def test_a_page_does_what_it_says(page: Path, home: Path) -> None:
    found = blocks(page)
    commands = [block.text for block in found if block.language == EXECUTED]
    script = home / "page.sh"
    script.write_text(FURNISH + "".join(f"{text}\necho '{MARK}'\n" for text in commands))
    shell = f"cd {shlex.quote(str(ROOT))} && exec bash -euo pipefail {script}"
    isolated = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    done = subprocess.run(
        [*isolated, "bash", "-c", shell],
        env={**os.environ, "HOME": str(home), "XDG_STATE_HOME": str(home / "xdg")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{_logs(home)}"
    outputs = done.stdout.split(MARK)
    for number, expected in _expectations(found):
        assert shape(json.loads(outputs[number])) == shape(expected)


def _expectations(found: list[Block]) -> Iterator[tuple[int, object]]:
    """Yield the number of an executed block and the JSON that is shown after it."""
    executed = -1
    for block in found:
        if block.language == EXECUTED:
            executed += 1
        elif block.language == "json":
            yield executed, json.loads(block.text)


def _logs(home: Path) -> str:
    return "\n".join(path.read_text(errors="replace")[-4000:] for path in home.rglob("*.log"))


def shape(value: object) -> object:
    """Reduce JSON to names and types: a list to its first entry."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value[:1]]
    return type(value).__name__


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_has_no_block_that_nobody_executes(page: Path) -> None:
    known = (EXECUTED, *SHOWN)
    assert [block.language for block in blocks(page) if block.language not in known] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    targets = [page.parent / found["target"] for found in LINK.finditer(page.read_text())]
    assert [str(target) for target in targets if not target.exists()] == []
