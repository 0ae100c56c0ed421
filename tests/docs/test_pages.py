"""Every shell block of the README and of docs/ is executed, and what it shows is compared.

Pages that take foreign programs are run by interop/test_pages.py.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.pages import EXECUTED, PAGES, SHOWN, blocks, executable, named, run_page

LINK = re.compile(r"\]\((?!https?:)(?P<target>[^)#]+)(?:#[^)]*)?\)")
OWN = executable(foreign=False)


@pytest.mark.parametrize("page", [*OWN, *executable(foreign=True)], ids=named)
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
@pytest.mark.parametrize("page", OWN, ids=named)
def test_a_page_does_what_it_says(page: Path, home: Path) -> None:
    run_page(page, home)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_has_no_block_that_nobody_executes(page: Path) -> None:
    known = (EXECUTED, *SHOWN)
    assert [block.language for block in blocks(page) if block.language not in known] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    targets = [page.parent / found["target"] for found in LINK.finditer(page.read_text())]
    assert [str(target) for target in targets if not target.exists()] == []
