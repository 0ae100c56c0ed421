from __future__ import annotations

import os
from pathlib import Path

from tests.support.crash_storm import Storm


def test_thirty_random_kills(tmp_path: Path) -> None:
    """Another seed each time; a failure names it, and the storm can be repeated with it."""
    seed = int.from_bytes(os.urandom(4))
    storm = Storm(tmp_path / "state", seed)
    try:
        storm.run(30)
    except AssertionError as error:
        raise AssertionError(f"seed {seed}: {error}") from error
    assert storm.kills.total() == 30
