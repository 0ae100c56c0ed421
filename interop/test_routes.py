"""Flows carry what a router's best route says: next hop, prefix length, AS, judged by nfdump.

FRR, GoBGP and BIRD hear routes from exabgp, and tell them over BGP or BMP.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from interop import routers
from interop.route_scenes import scene
from interop.routers import Router


@pytest.mark.parametrize(
    ("make", "bmp"),
    [
        pytest.param(routers.frr, False, id="frr-ibgp"),
        pytest.param(routers.gobgp, False, id="gobgp-ibgp"),
        pytest.param(routers.bird, False, id="bird-ibgp"),
        pytest.param(routers.frr, True, id="frr-bmp"),
        pytest.param(routers.gobgp, True, id="gobgp-bmp"),
    ],
)
def test_flows_know_their_route(
    make: Callable[..., Router],
    bmp: bool,
    tmp_path: Path,
) -> None:
    routes = routers.make_routes()
    with scene(make, tmp_path, bmp=bmp) as at:
        at.injector.say(*[route.command() for route in routes])
        at.await_routes(routes)
        at.observe(routes, routes)
        at.compare_paths(routes)

        gone = routes[:3] + routes[20:24] + routes[32:35]
        left = [route for route in routes if route not in gone]
        at.injector.say(*[route.command("withdraw") for route in gone])
        at.await_routes(left)
        at.observe(left, gone)

        changed = [replace(route, path=(*route.path, 4_200_009_999)) for route in gone]
        at.injector.say(*[route.command() for route in changed])
        at.await_routes(left + changed)
        at.observe(left + changed, changed)

        if not bmp:  # a router cannot be asked by BMP
            at.refresh(left + changed)
            at.compare_paths(left + changed)
            at.observe(left + changed, left + changed)

        at.router.reset()
        at.await_routes(left + changed)
        at.observe(left + changed, left)

        at.router.stop()
        at.observe(left + changed, routes[40:])  # stale, and still the best that is known
        at.router.start()
        at.await_routes(left + changed)
        at.observe(left + changed, left + changed)
        at.compare_paths(left + changed)
