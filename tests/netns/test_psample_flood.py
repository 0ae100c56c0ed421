"""Samples that are lost on a real netlink socket are counted exactly, group by group."""

from __future__ import annotations

import pytest
from tests.support.namespaces import namespaces
from tests.support.psample_flood import flood, make_messages

pytestmark = pytest.mark.root


def test_what_a_flood_loses_is_counted_exactly() -> None:
    with namespaces(1) as (host,), host.inside(), flood() as made:
        outcome = made.run(make_messages(20_000))
    assert outcome.overruns
    assert sum(outcome.drops) == outcome.kernel > 0
    assert outcome.is_exact, outcome
