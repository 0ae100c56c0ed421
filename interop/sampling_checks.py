"""What samples have to have in common, as the strict decoder names their fields."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

Sample = dict[str, Any]
"""A flow sample."""


def check_accounts(samples: Sequence[Sample], rate: int, drops: int = 0) -> None:
    """See that the samples of one source and rate follow each other, and so do their pools."""
    for before, after in itertools.pairwise(samples):
        assert after["sampleSequence"] == before["sampleSequence"] + 1
        assert (after["samplePool"] - before["samplePool"]) % 2**32 == rate * (
            1 + after["drops"] - before["drops"]
        )
    assert {fields["samplingRate"] for fields in samples} == {rate}
    assert samples[-1]["drops"] == drops


def within_three_sigma(samples: int, rate: int, packets: int) -> bool:
    """Whether one in ``rate`` of so many packets, at random, may well be that many samples."""
    return (samples * rate - packets) ** 2 <= 9 * packets * (rate - 1)


def with_ports(totals: Counter[tuple[int, int, int]]) -> Counter[tuple[int, int, int]]:
    """Leave out what has no port, such as ARP, of which the collectors make what they like."""
    return Counter({key: count for key, count in totals.items() if key[0]})


def interfaces(samples: Iterable[Sample]) -> set[tuple[int, int, int]]:
    """Give source, input and output of the samples."""
    return {(s["sourceIndex"], s["input"], s["output"]) for s in samples}


def routes(samples: Iterable[Sample]) -> set[tuple[str, int, int]]:
    """Give next hop and prefix lengths of source and destination."""
    return {(str(s["nextHop"]), s["srcMask"], s["dstMask"]) for s in samples}
