"""The reference pages: complete, and known to be stale when they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tools import generate_docs

from flowexport_mgmt.cli.commands.table import COMMANDS
from flowexport_mgmt.cli.pipes.pipes import PIPES


def _leaves(node: Any) -> Iterator[Any]:
    for child in node.i_children:
        if child.keyword in ("leaf", "leaf-list"):
            yield child
        else:
            yield from _leaves(child)


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(generate_docs, "REFERENCE", tmp_path)
    assert generate_docs.main([]) == 0
    return tmp_path


def test_every_leaf_has_a_row() -> None:
    rendered = generate_docs.render()
    for module in generate_docs.load():
        leaves = [leaf for node in (module, *module.search("augment")) for leaf in _leaves(node)]
        page = rendered.get(f"{module.arg}.md", "")
        rows = [line for line in page.splitlines() if line.startswith("| `")]
        assert len(rows) == len(leaves)
        assert {row.split("`")[1] for row in rows} == {leaf.arg for leaf in leaves}


def test_every_command_has_a_section() -> None:
    page = generate_docs.render()["flowexport.md"]
    assert all(f"### `{command.usage}`" in page for command in COMMANDS)
    assert all(f"| `{pipe.name}" in page for pipe in PIPES)


def test_ranges_defaults_and_conditions_are_shown() -> None:
    page = generate_docs.render()["flow-export.md"]
    row = next(line for line in page.splitlines() if line.startswith("| `template-refresh`"))
    assert "uint32 1..86400, seconds" in row
    assert "`600`" in row
    assert "../protocol = 'netflow9'" in row


@pytest.mark.usefixtures("pages")
def test_current_pages_are_current() -> None:
    assert generate_docs.main(["--check"]) == 0


def test_a_changed_page_is_stale(pages: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = pages / "flow-export.md"
    page.write_text(page.read_text().replace("6343", "6344"))
    assert generate_docs.main(["--check"]) == 1
    assert "docs/reference/flow-export.md is not current" in capsys.readouterr().err


def test_a_page_that_nothing_generates_is_stale(pages: Path) -> None:
    (pages / "gone.md").touch()
    assert generate_docs.main(["--check"]) == 1
