"""Waiting on a condition with a bound, instead of sleeping and hoping."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

_PAUSE = 0.005
T = TypeVar("T")


async def until(condition: Callable[[], object], seconds: float = 10.0, what: str = "") -> None:
    """Let the event loop run until the condition holds; AssertionError after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or condition}"
        await asyncio.sleep(_PAUSE)


def wait_until(condition: Callable[[], T], seconds: float = 10.0, what: str = "") -> T:
    """Poll a condition from a plain test and return what made it true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or condition}"
        time.sleep(_PAUSE)
    return found
