"""Lists that are told only to who names them."""

from __future__ import annotations

from tests.support.netconf_server import schema

from flowexport_mgmt.schema.on_request import (
    common_paths,
    list_of,
    requests_in,
    special_paths,
    write_request,
)

DEVICE = "/simulation/device"
KEYED = "/simulation/device[address='192.0.2.1']"


def test_the_model_says_which() -> None:
    assert schema().on_request == {DEVICE}


def test_what_is_asked_is_written_and_read() -> None:
    assert write_request(DEVICE, [("address", "192.0.2.1")]) == KEYED
    quoted = write_request(DEVICE, [("group", 'it\'s / "so"')])
    odd = write_request(DEVICE, [("group", 'it\'s "so"]')])
    cut = f"{DEVICE}[group='a"
    paths = ["/simulation", KEYED, quoted, odd, cut, f"{DEVICE}/sequence", "/"]
    asked = requests_in(paths, DEVICE)
    assert asked == [
        {"address": "192.0.2.1"},
        {"group": 'it\'s / "so"'},
        {"group": 'it\'s "so"]'},
        {},
        {},
    ]


def test_paths_are_told_apart() -> None:
    paths = ("/", "/simulation", f"{DEVICE}-group", DEVICE, KEYED, f"{DEVICE}/sequence")
    assert [list_of(path, (DEVICE,)) for path in paths] == [None] * 3 + [DEVICE] * 3
    assert common_paths(paths, (DEVICE,)) == paths[:3]
    assert special_paths(paths, (DEVICE,)) == frozenset(paths[3:])
