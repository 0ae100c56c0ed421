"""What a path chooses of a configuration, to be deleted."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest
from tests.support.gnmi import Client, Server, collector, path, schema, update

from flowexport_mgmt.datastore import Store
from flowexport_mgmt.north.gnmi import messages as m
from flowexport_mgmt.north.gnmi.chosen import chosen_nodes
from flowexport_mgmt.north.gnmi.edits import removals
from flowexport_mgmt.north.gnmi.paths import read_path, resolve, write_text
from flowexport_mgmt.schema.tree import Tree

LIST = "/flow-export/collector"
A = f"{LIST}[name=a]"


def chosen(server: Server, where: str) -> list[str]:
    pattern = read_path(schema(), m.Path(), path(where))
    with server.datastore.read(Store.RUNNING) as tree:
        found = chosen_nodes(schema(), tree, resolve(schema(), pattern)[0])
        return [write_text(instance) for instance, _ in found]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (A, [A]),
        (f"{LIST}[name=z]", []),
        (LIST, [A, f"{LIST}[name=b]"]),
        (f"{LIST}[name=*]/port", [f"{A}/port", f"{LIST}[name=b]/port"]),
        ("/*/*[name=b]/port", [f"{LIST}[name=b]/port"]),
        ("/.../port", [f"{A}/port", f"{LIST}[name=b]/port", "/server/gnmi/port"]),
        (f"{A}/dscp", []),  # its default is nobody's
        ("/flow-export/conntrack", []),
        ("/flow-export/...", ["/flow-export"]),
        ("/server/netconf/ssh", ["/server/netconf/ssh"]),
        (f"{A}/statistics/errors", []),
    ],
)
async def test_what_a_path_chooses(server: Server, where: str, expected: list[str]) -> None:
    assert chosen(server, where) == expected


async def test_the_entries_of_a_leaf_list_go_one_by_one(server: Server, client: Client) -> None:
    zones = "/flow-export/conntrack/zone"
    await client.set(update=[update(zones, [1, 2])])
    assert chosen(server, zones) == [zones, zones]
    await client.set(delete=[path(zones)])
    assert chosen(server, zones) == []


async def test_what_stands_below_what_goes_does_not_bring_it_back(
    server: Server, client: Client
) -> None:
    """Everything below, in one path: what is chosen above takes with it what is chosen below."""
    await client.set(update=[update("/flow-export/conntrack/enabled", value=True)])
    await client.set(delete=[path("/flow-export/.../*")])
    assert server.datastore.configuration.flow_export is not None
    assert not server.datastore.configuration.flow_export.collector
    assert not server.datastore.configuration.flow_export.conntrack.enabled


async def test_a_key_goes_with_its_entry_and_not_alone(server: Server, client: Client) -> None:
    """A wildcard that chooses it among others leaves it out."""
    code, message = await client.fails(client.set(delete=[path(f"{A}/name")]))
    assert (code, "goes with its entry" in message) == ("INVALID_ARGUMENT", True)
    pattern = resolve(schema(), read_path(schema(), m.Path(), path(f"{A}/*")))[0]
    with server.datastore.read(Store.RUNNING) as tree:
        gone = removals(schema(), tree, pattern)
    assert "/fe:flow-export" in {edit.path for edit in gone}
    assert not [edit for edit in gone if edit.children[0].children[0].schema.is_key]


async def test_a_path_of_nothing_but_dots_is_everything(server: Server, client: Client) -> None:
    keep = await client.value("/", type=1)
    del keep["flow-export:flow-export"]
    await client.set(delete=[path("/...")], update=[update("/", keep)])
    assert server.datastore.configuration.flow_export is None
    assert len(server.datastore.configuration.server.user) == 2


async def test_a_thousand_deletions_do_not_read_the_configuration_a_thousand_times(
    server: Server, client: Client
) -> None:
    """Nor go through its entries, each of which is looked up."""
    names = [f"n{number}" for number in range(1000)]
    await client.set(update=[update(LIST, [collector(name) for name in names])])
    entries: list[Any] = []
    real, look = Tree.print, Tree.entries
    printed: list[Any] = []

    def print_(self: Tree, *given: Any, **more: Any) -> bytes:
        printed.append(given)
        return real(self, *given, **more)

    def entries_(self: Tree, *given: Any) -> Any:
        entries.append(given)
        return look(self, *given)

    with patch.object(Tree, "print", print_), patch.object(Tree, "entries", entries_):
        await client.set(delete=[path(f"{LIST}[name={name}]") for name in names])
    assert len(printed) < 10
    assert not entries
    assert chosen(server, LIST) == [A, f"{LIST}[name=b]"]


@pytest.mark.parametrize(
    "name",
    [
        "we]ird",
        "[",
        "x=y",
        "a/b",
        "ünïcödé 漢字",
        "back\\slash",
        'q"uote',
        "it's",
        "both'\"",
        "...",
    ],
)
async def test_keys_of_any_characters(client: Client, name: str) -> None:
    """In Set, Get and Subscribe, and in the path that is told back."""
    elements: list[Any] = [{"name": "flow-export"}, {"name": "collector", "key": {"name": name}}]
    entry = m.Path(elem=elements)
    port = m.Path(elem=[*elements, {"name": "port"}])
    value = update("", collector(name, 3)).val
    await client.set(update=[m.Update(path=entry, val=value)])
    assert await client.value(port) == 3
    stream = await client.subscribe({"path": port, "mode": 1})
    (told,) = await stream.initial()
    assert told.update[0].path == port
    written = name.replace("\\", "\\\\").replace("]", "\\]")
    deprecated = m.Path(element=["flow-export", f"collector[name={written}]", "port"])
    assert await client.value(deprecated) == 3
    await client.set(delete=[entry])
    assert list((await stream.update()).delete) == [port]
