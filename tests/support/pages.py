"""Pages of documentation as tests see them: their blocks, and a place to run them in."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXECUTED, SHOWN = "sh", ("text", "json")

_BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_FOREIGN = "<!-- run by interop -->"
_MARK = "=== end of block ==="

# An interface to export, and a system of our own where a daemon that runs as root keeps things.
_FURNISH = """
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
    """Give the blocks of a page in order."""
    return [Block(m["language"], m["text"]) for m in _BLOCK.finditer(page.read_text())]


def named(page: Path) -> str:
    """Name a page by its path in the checkout."""
    return str(page.relative_to(ROOT))


def executable(*, foreign: bool) -> list[Path]:
    """List the pages with commands: those that take foreign programs, or those that do not."""
    found = [page for page in PAGES if any(b.language == EXECUTED for b in blocks(page))]
    return [page for page in found if (_FOREIGN in page.read_text()) is foreign]


def run_page(page: Path, home: Path) -> None:
    """Run the commands of a page in namespaces of their own; compare what its JSON blocks show.

    The ``sh`` blocks run one after the other in one shell: no port, process or folder of theirs
    meets anybody else's. A ``json`` block shows what the block before it prints; it has to have
    the same shape.
    """
    found = blocks(page)
    commands = [block.text for block in found if block.language == EXECUTED]
    script = home / "page.sh"
    script.write_text(_FURNISH + "".join(f"{text}\necho '{_MARK}'\n" for text in commands))
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
    outputs = done.stdout.split(_MARK)
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
