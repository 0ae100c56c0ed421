"""What ``systemctl status`` shows."""

from __future__ import annotations

import pytest

from flowexport_mgmt.app.status_line import word
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.north.http.health import Health, Part

UP, DOWN, DEGRADED = OperStatus.UP, OperStatus.DOWN, OperStatus.DEGRADED


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        ((Part("http", UP), Part("collector a", UP)), "commit 7, 1 collectors, all well"),
        (
            (Part("sampling", DEGRADED, "psample: no"), Part("http", UP)),
            "commit 7, 0 collectors, sampling is degraded: psample: no",
        ),
        (
            (Part("sampling", DEGRADED), Part("collector a", DOWN, "refused"), Part("x", DOWN)),
            "commit 7, 1 collectors, collector a is down: refused (and 2 more)",
        ),
    ],
)
def test_the_worst_is_named(parts: tuple[Part, ...], line: str) -> None:
    assert word(7, Health(UP, parts)) == line
