"""The tables of codes of the specification (0.10.0), row by row, over the wire.

Sections 3.3.4 (Get), 3.4.7 (Set) and 3.5.2.4 (Subscribe), and those of its extensions.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.gnmi import BOB, Client, Server, collector, path, update, values

from flowexport_mgmt.north.gnmi import messages as m

LIST = "/flow-export/collector"
A, Z = (f"{LIST}[name={name}]" for name in "az")
NOBODY = (("username", "ann"), ("password", "wrong"))
UNREADABLE = m.Path(element=["flow-export", "collector[name"])
ONCE, POLL, STREAM = 1, 2, 0


# -- Get


async def test_get_of_what_is_there_or_has_a_default_in_use(client: Client) -> None:
    assert await client.value(f"{A}/port") == 1
    assert await client.value(f"{A}/dscp") == 0


@pytest.mark.parametrize(
    ("given", "code", "told"),
    [
        (f"{A}/source-address", "NOT_FOUND", "source-address"),
        (Z, "NOT_FOUND", "name=z"),
        ("/components", "UNIMPLEMENTED", "/components"),
        ("/oc-if:interfaces", "UNIMPLEMENTED", "oc-if"),
        ("/flow-export/oc:nothing", "UNIMPLEMENTED", "oc:nothing"),
        (path("/interfaces", origin="openconfig"), "UNIMPLEMENTED", "openconfig"),
        (path("/flow-export", origin="ietf-interfaces"), "UNIMPLEMENTED", "flow-export"),
        ("/flow-export/nothing", "INVALID_ARGUMENT", "/flow-export/nothing"),
        (UNREADABLE, "INVALID_ARGUMENT", "collector[name"),
    ],
    ids=str,
)
async def test_get_and_subscribe_of_paths(client: Client, given: Any, code: str, told: str) -> None:
    """One such path among others fails the request; of Subscribe only what can never be."""
    for paths in ((given,), (A, given)):
        failed = await client.fails(client.get(*paths))
        assert (failed[0], told in failed[1]) == (code, True)
        wanted = [{"path": path(one) if isinstance(one, str) else one} for one in paths]
        for mode in (ONCE, POLL, STREAM):
            stream = await client.subscribe(*wanted, mode=mode)
            if code != "NOT_FOUND":
                status = await stream.status()
                assert (status[0], told in status[1]) == (code, True)
                continue
            if mode == POLL:
                await stream.poll()
            assert (await stream.state() == {}) is (len(paths) == 1)
            stream.cancel()


@pytest.mark.parametrize("encoding", [1, 3, 9])
async def test_an_encoding_that_is_not_supported(client: Client, encoding: int) -> None:
    code, message = await client.fails(client.get(A, encoding=encoding))
    assert (code, "encoding" in message) == ("UNIMPLEMENTED", True)
    code, message = await (await client.subscribe(A, encoding=encoding)).status()
    assert (code, "encoding" in message) == ("UNIMPLEMENTED", True)


# -- Set


async def test_who_is_not_who_they_say(server: Server) -> None:
    nobody = server.client(NOBODY)
    for call in (nobody.set(delete=[path(A)]), nobody.get(A), nobody.capabilities()):
        assert (await nobody.fails(call))[0] == "UNAUTHENTICATED"
    assert (await (await nobody.subscribe(A)).status())[0] == "UNAUTHENTICATED"


async def test_who_may_not_write(server: Server) -> None:
    bob = server.client(BOB)
    for kind in ("update", "replace", "union_replace"):
        call = bob.set(**{kind: [update(f"{A}/port", 5)]})
        code, message = await bob.fails(call)
        assert (code, f"{A}/port" in message) == ("PERMISSION_DENIED", True)
    assert (await bob.fails(bob.set(delete=[path(A)])))[0] == "PERMISSION_DENIED"


@pytest.mark.parametrize("kind", ["update", "replace", "union_replace"])
async def test_paths_and_values_of_set(client: Client, kind: str) -> None:
    unreadable = m.Update(path=UNREADABLE, val={"uint_val": 1})
    for given, code, told in (
        (unreadable, "INVALID_ARGUMENT", "no element of a path"),
        (update("/flow-export/nothing", 1), "NOT_FOUND", "/flow-export/nothing"),
        (update("/nothing", 1), "NOT_FOUND", "/nothing"),
        (update(f"{A}/port", 65536), "INVALID_ARGUMENT", f"{A}/port"),
        (update(f"{A}/port", string_val="x"), "INVALID_ARGUMENT", f"{A}/port"),
        (update(f"{A}/port", None), "INVALID_ARGUMENT", f"{A}/port"),
        (update(f"{A}/port", bytes_val=b"1"), "INVALID_ARGUMENT", f"{A}/port"),
        (update(f"{A}/port", proto_bytes=b"1"), "UNIMPLEMENTED", "proto_bytes"),
        (update(f"{A}/port", any_val={"type_url": "x"}), "UNIMPLEMENTED", "any_val"),
        (update(f"{A}/port", ascii_val="1"), "UNIMPLEMENTED", "ascii_val"),
    ):
        code_of, message = await client.fails(client.set(**{kind: [given]}))
        assert (code_of, told in message) == (code, True), message


async def test_a_path_to_delete_that_cannot_be_read(client: Client) -> None:
    code, message = await client.fails(client.set(delete=[UNREADABLE]))
    assert (code, "no element of a path" in message) == ("INVALID_ARGUMENT", True)
    await client.set(delete=[path(Z), path(f"{Z}/port"), path(f"{Z}/name")])


@pytest.mark.parametrize("where", [f"{LIST}[name=*]", f"{LIST}[name=*]/port", "/*/collector"])
async def test_what_is_written_has_no_wildcards(server: Server, client: Client, where: str) -> None:
    """Not even a key at the end, which would be the list, and a replacement empty it."""
    for kind in ("update", "replace", "union_replace"):
        call = client.set(**{kind: [update(where, collector("z"))]})
        assert (await client.fails(call))[0] == "INVALID_ARGUMENT"
    assert server.datastore.record.id == 1


async def test_a_part_of_the_keys_is_not_enough_to_write(client: Client) -> None:
    """Nor are keys that contradict the value (section 3.4.5)."""
    where = "/simulation/exporter[collector-port=1]"
    code, message = await client.fails(client.set(update=[update(where, {})]))
    assert (code, "lacks its key" in message) == ("INVALID_ARGUMENT", True)
    contradiction = client.set(update=[update(A, {"name": "other"})])
    assert (await client.fails(contradiction))[0] == "INVALID_ARGUMENT"


async def test_an_entry_is_not_replaced_by_nothing(server: Server, client: Client) -> None:
    """Section 3.4.4: its keys would go. An update by nothing creates the entry."""
    eve = "/server/user[name=eve]"
    for kind in ("replace", "union_replace"):
        assert (await client.fails(client.set(**{kind: [update(eve, {})]})))[0] == (
            "INVALID_ARGUMENT"
        )
    await client.set(update=[update(eve, {})])
    await client.set(replace=[update(eve, {"name": "eve"})])
    assert [user.name for user in server.datastore.configuration.server.user][-1] == "eve"


# -- Subscribe


async def test_a_path_that_is_not_there_yet_stays_subscribed_in_every_mode(
    client: Client,
) -> None:
    streams = [
        await client.subscribe({"path": path(f"{Z}/port"), "mode": mode, **more})
        for mode, more in ((1, {}), (2, {"sample_interval": 10**9}), (0, {}))
    ]
    for stream in streams:
        assert await stream.state() == {}
    await client.set(update=[update(Z, collector("z", 7))])
    for stream in streams:
        assert values(await stream.update()) == {f"{Z}/port": 7}


async def test_intervals_and_messages_out_of_order(client: Client) -> None:
    short = {"path": path(A), "mode": 2, "sample_interval": 1}
    assert (await (await client.subscribe(short)).status())[0] == "INVALID_ARGUMENT"
    polling = client.stream()
    await polling.poll()
    code, message = await polling.status()
    assert (code, "no subscription list" in message) == ("INVALID_ARGUMENT", True)
    empty = client.stream()
    await empty.write(m.SubscribeRequest())
    assert (await empty.status())[0] == "INVALID_ARGUMENT"
    for mode in (STREAM, POLL):
        stream = await client.subscribe(A, mode=mode)
        if mode == POLL:
            await stream.poll()
        await stream.initial()
        second = m.SubscribeRequest()
        second.subscribe.subscription.add(path=path(A))
        await stream.write(second)
        assert (await stream.status())[0] == "INVALID_ARGUMENT"
