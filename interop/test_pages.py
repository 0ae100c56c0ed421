"""The pages that take programs which this project did not write."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from tests.support.pages import executable, named, run_page

PAGES = executable(foreign=True)


def test_there_are_such_pages() -> None:
    assert PAGES


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_does_what_it_says(page: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="fxdoc") as folder:
        run_page(page, Path(folder))
