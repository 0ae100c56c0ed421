from __future__ import annotations

import pytest

from flowexport_mgmt.simulator.words import read_duration, write_duration


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("5s", 5000), ("1m30s", 90_000), ("1.5s", 1500), ("250ms", 250), ("2h", 7_200_000)],
)
def test_durations(text: str, milliseconds: int) -> None:
    assert read_duration(text) == milliseconds
    assert read_duration(write_duration(milliseconds)) == milliseconds


@pytest.mark.parametrize(
    "text",
    ["", "5", "s", "5x", "5s5", " 5s", "5 s", "1e3s", "\N{ARABIC-INDIC DIGIT FIVE}s", "--5s"],
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        read_duration(text)
