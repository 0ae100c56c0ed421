"""Who waits: the process that loads tables for that of flows, and nobody for garbage."""

from __future__ import annotations

import gc
import logging
import os
from typing import Final

NICENESS: Final = 5
_THRESHOLDS: Final = (20_000, 50, 100)
"""Objects made before the youngest are looked through, and so many of that before the older."""

_LOG = logging.getLogger(__name__)


def yield_to_others() -> None:
    """Let this process wait for others that want its processor (sched(7)).

    It gets a smaller share, and as SCHED_BATCH it interrupts nobody when it wakes up: a batch of
    flows that has begun is finished first. Neither needs a capability; where a sandbox forbids
    it, all goes on as before.
    """
    try:
        os.nice(NICENESS)
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    except OSError as error:
        _LOG.info("this process keeps its priority: %s", error.strerror)


def collect_seldom() -> None:
    """Look through all objects for garbage seldom: tables are not, and it takes 40 ms of theirs."""
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
