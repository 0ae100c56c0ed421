"""The index of keys against a dictionary."""

from __future__ import annotations

import random

import numpy as np

from flowexport_mgmt.rib.keys import KeyIndex, Keys


def column(numbers: list[int]) -> Keys:
    """Make keys of which many want the same place."""
    return np.array([(number % 64 << 58, number) for number in numbers], np.uint64).reshape(-1, 2)


def test_keys_come_and_go_as_in_a_dictionary() -> None:
    rng = random.Random(6)
    index, model = KeyIndex(6000), dict[int, int]()
    free = list(range(1, 6000))
    for _ in range(80):
        new = [key for key in rng.sample(range(8000), rng.randrange(120)) if key not in model]
        rows = [free.pop(rng.randrange(len(free))) for _ in new]
        index.add(column(new), np.array(rows, np.int64))
        model.update(zip(new, rows, strict=True))
        gone = rng.sample(sorted(model), rng.randrange(min(len(model), 110) + 1))
        index.remove(np.array([model[key] for key in gone], np.int64))
        free += [model.pop(key) for key in gone]
        asked = rng.sample(range(8000), 300)
        assert index.find(column(asked)).tolist() == [model.get(key, 0) for key in asked]
        assert index.count == len(model)
