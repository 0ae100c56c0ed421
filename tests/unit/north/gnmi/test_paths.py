"""What paths of requests mean, and which state they ask for."""

from __future__ import annotations

import pytest
from tests.support.netconf_server import schema

from flowexport_mgmt.north.gnmi.messages import Path, PathElem
from flowexport_mgmt.north.gnmi.paths import asked_paths, read_path, resolve
from flowexport_mgmt.north.gnmi.status import Code, RpcError

DEVICE = "/simulation/device"


def elem(called: str, /, **keys: str) -> PathElem:
    return PathElem(name=called, key=keys)


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


@pytest.mark.parametrize(
    ("of_prefix", "of_path", "expected"),
    [
        ("", "", ""),
        ("rfc7951", "", "rfc7951"),
        ("", "rfc7951", "rfc7951"),
        ("flow-export", "", "flow-export"),
        ("", "flow-export", "flow-export"),
        ("cli", "cli", "cli"),
        ("ietf-interfaces", "rfc7951", Code.INVALID_ARGUMENT),
        ("rfc7951", "ietf-interfaces", Code.INVALID_ARGUMENT),
        ("openconfig", "", Code.UNIMPLEMENTED),
        ("", "openconfig", Code.UNIMPLEMENTED),
    ],
)
def test_the_origin_is_that_of_the_prefix_or_of_the_path(
    of_prefix: str, of_path: str, expected: str | Code
) -> None:
    """A module as the origin is the module of the first element, and of no other."""
    elements = [elem("flow-export"), elem("collector", name="a")]
    prefix = Path(origin=of_prefix, elem=elements[:1])
    path = Path(origin=of_path, elem=elements[1:])
    if isinstance(expected, Code):
        with pytest.raises(RpcError) as refused:
            read_path(schema(), prefix, path)
        assert refused.value.code is expected
        return
    pattern = read_path(schema(), prefix, path)
    assert pattern.origin == expected
    modules = [element.module for element in pattern.elements]
    assert modules == ["flow-export" if expected == "flow-export" else "", ""]


def test_keys_in_any_order_and_with_or_without_their_module() -> None:
    keys = {"collector-address": "2001:DB8::1", "collector-port": "9", "protocol": "ipfix"}
    given = [
        keys,
        dict(reversed(keys.items())),
        {f"flow-export-simulation:{name}": value for name, value in keys.items()},
    ]
    texts = {
        str(resolve(schema(), read_path(schema(), Path(), Path(elem=[elem("simulation"), one])))[0])
        for one in (elem("exporter", **names) for names in given)
    }
    assert texts == {
        "/simulation/exporter[collector-address=2001:db8::1][collector-port=9][protocol=ipfix]"
    }


def test_an_identity_as_a_key_with_or_without_its_module() -> None:
    datastores = (elem("datastore", name=name) for name in ("running", "ietf-datastores:running"))
    patterns = [
        resolve(schema(), read_path(schema(), Path(), Path(elem=[elem("yang-library"), one])))[0]
        for one in datastores
    ]
    assert patterns[0] == patterns[1]
    assert patterns[0].elements[-1].keys == (("name", "ietf-datastores:running"),)
