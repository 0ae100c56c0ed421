"""Every fuzzer accepts its own seeds, whole and damaged; the long runs are ./scripts/fuzz."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("fuzz_*.py"))


class Fuzzer(Protocol):
    """What a module fuzz_*.py has."""

    run: Callable[[bytes], None]
    """Takes an input; raises nothing that the code under test may not raise."""

    seeds: Callable[[], Iterable[bytes]]
    """Gives inputs to begin with."""


def load(name: str) -> Fuzzer:
    return cast("Fuzzer", importlib.import_module(f"tests.fuzz.{name}"))


@pytest.mark.parametrize("name", NAMES)
def test_seeds_are_sound(name: str) -> None:
    fuzzer = load(name)
    seeds = list(fuzzer.seeds())
    assert seeds
    for seed in seeds:
        fuzzer.run(seed)


@given(data=st.data())
@pytest.mark.parametrize("name", NAMES)
def test_seeds_that_are_damaged(name: str, data: st.DataObject) -> None:
    fuzzer = load(name)
    seed = bytearray(data.draw(st.sampled_from(sorted(fuzzer.seeds()))))
    for place, octet in data.draw(st.lists(st.tuples(st.integers(0, 999), st.integers(0, 255)))):
        seed[place % len(seed)] = octet
    fuzzer.run(bytes(seed[: data.draw(st.integers(0, len(seed)))]))
