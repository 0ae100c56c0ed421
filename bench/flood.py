"""A flood of samples that overflows a real netlink socket: what is lost is counted exactly.

The reader of flowexportd listens to a socket with little room, and somebody sends as fast as can
be. The numbers that samples have in their groups must tell how many were lost, group by group, and
the kernel's own count of what that socket had no room for must be the same. The kernel of this
machine need not have psample: its netlink loses messages of a user program in the same way. The
reference is sending alone. Needs root, for a network namespace.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final, TypeVar

from tests.support.namespaces import namespaces
from tests.support.psample_flood import Outcome, flood, make_messages, open_sender, send

from bench.measure import Cost, Result, Skipped

T = TypeVar("T")

SIZES: Final = (30_000, 100_000, 300_000)


def run(*, quick: bool) -> list[Result]:
    """Flood a reader; the verdict is whether everything that was sent is accounted for."""
    if os.geteuid():
        raise Skipped("root is needed to make network namespaces")
    with namespaces(1) as (host,), host.inside():
        return [_measure(size) for size in (SIZES[:1] if quick else SIZES)]


def _measure(size: int) -> Result:
    messages = make_messages(size)
    with open_sender() as sender:
        theirs, _ = _time(lambda: send(sender, messages))
    with flood() as made:
        ours, outcome = _time(lambda: made.run(messages))
    print(
        f"psample flood: {size} sent = {sum(outcome.received)} received +"
        f" {sum(outcome.drops)} lost by group sequence; {outcome.kernel} lost by the kernel's count"
    )
    return Result(
        "psample flood, drops exact",
        size,
        "sending alone",
        ours,
        theirs,
        judged="failure",
        failure=_find_failure(outcome),
    )


def _find_failure(outcome: Outcome) -> str:
    if not outcome.overruns:
        return "nothing was lost: this was no flood"
    return "" if outcome.is_exact else f"not everything is accounted for: {outcome}"


def _time(function: Callable[[], T]) -> tuple[Cost, T]:
    cpu, wall = time.process_time(), time.perf_counter()
    found = function()
    return Cost(time.process_time() - cpu, time.perf_counter() - wall), found
