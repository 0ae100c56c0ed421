"""Which state a path asks for."""

from __future__ import annotations

import pytest
from tests.support.netconf_server import schema

from flowexport_mgmt.north.gnmi.messages import Path, PathElem
from flowexport_mgmt.north.gnmi.paths import asked_paths, read_path, resolve

DEVICE = "/simulation/device"


def elem(name: str, **keys: str) -> PathElem:
    return PathElem(name=name, key=keys)


@pytest.mark.parametrize(
    ("elements", "asked"),
    [
        ([], ("/",)),
        ([elem("simulation")], ("/simulation",)),
        ([elem("simulation"), elem("device")], (DEVICE,)),
        ([elem("simulation"), elem("device", address="*"), elem("sequence")], (DEVICE,)),
        (
            [elem("simulation"), elem("device", address="2001:DB8::1"), elem("sequence")],
            (f"{DEVICE}[address='2001:db8::1']",),
        ),
        ([elem("..."), elem("flows-active"), elem("...")], (DEVICE,)),
    ],
)
def test_lists_on_request_are_asked_for_by_key(
    elements: list[PathElem], asked: tuple[str, ...]
) -> None:
    pattern = read_path(schema(), Path(), Path(elem=elements))
    found = asked_paths(schema(), *resolve(schema(), pattern))
    assert [path for path in found if not path.startswith("/flow-export")] == list(asked)
