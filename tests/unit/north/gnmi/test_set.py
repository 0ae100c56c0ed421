"""Set: the specification, section 3.4, and its extensions."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from grpc import aio
from tests.support.edits import edits
from tests.support.gnmi import BOB, Client, Server, collector, path, update, values
from tests.support.stores import Recorder, Refusal

from flowexport_mgmt.datastore import Confirmed, EditOptions, Store
from flowexport_mgmt.errors import ManagementError
from flowexport_mgmt.north.gnmi import messages as m

LIST = "/flow-export/collector"
A, B, C = (f"{LIST}[name={name}]" for name in "abc")


def ports(server: Server) -> dict[str, int]:
    flow_export = server.datastore.configuration.flow_export
    return {one.name: one.port for one in flow_export.collector} if flow_export else {}


def leaf(server: Server, name: str, which: str) -> Any:
    flow_export = server.datastore.configuration.flow_export
    assert flow_export is not None
    return getattr(next(one for one in flow_export.collector if one.name == name), which)


# -- operations


async def test_operations_are_one_transaction_in_the_order_that_counts(
    server: Server, client: Client
) -> None:
    response = await client.set(
        update=[update(f"{C}/port", 30), update(f"{C}/port", 31)],
        replace=[update(C, collector("c", 3))],
        delete=[path(B)],
    )
    told = [(m.Operation(one.op).name, list(one.path.elem)) for one in response.response]
    assert [kind for kind, _ in told] == ["DELETE", "REPLACE", "UPDATE", "UPDATE"]
    assert told[0][1] == list(path(B).elem)
    assert response.timestamp > 0
    assert ports(server) == {"a": 1, "c": 31}
    record = server.datastore.record
    assert (record.id, record.user, record.door) == (2, "ann", "gnmi")
    assert (record.source or "").startswith("127.0.0.1:")


async def test_a_union_comes_last(server: Server, client: Client) -> None:
    """And the response tells the prefix of the request, its target too."""
    response = await client.set(
        prefix=path("/flow-export", target="box"),
        union_replace=[update("/collector[name=a]/port", 4)],
        update=[update("/collector[name=a]/port", 3)],
        replace=[update("/collector[name=a]/port", 2)],
        delete=[path("/collector[name=b]")],
    )
    kinds = [m.Operation(one.op).name for one in response.response]
    assert kinds == ["DELETE", "REPLACE", "UPDATE", "UNION_REPLACE"]
    assert response.prefix == path("/flow-export", target="box")
    assert ports(server) == {"a": 4}


async def test_an_empty_set_is_no_error(server: Server, client: Client) -> None:
    assert not (await client.set()).response
    assert server.datastore.record.id == 1


async def test_update_leaves_what_it_does_not_name(server: Server, client: Client) -> None:
    await client.set(update=[update(A, {"dscp": 8})])
    await client.set(update=[update(A, {"flow-export:port": 5})])
    assert (leaf(server, "a", "port"), leaf(server, "a", "dscp")) == (5, 8)


async def test_replace_takes_away_what_it_does_not_name(server: Server, client: Client) -> None:
    await client.set(update=[update(A, {"dscp": 8, "source-address": "127.0.0.1"})])
    await client.set(replace=[update(A, collector("a", 7))])
    assert (leaf(server, "a", "port"), leaf(server, "a", "dscp")) == (7, 0)
    assert leaf(server, "a", "source_address") is None


async def test_replace_of_a_list_leaves_what_is_given(server: Server, client: Client) -> None:
    await client.set(replace=[update(LIST, [collector("b", 9), collector("d", 4)])])
    assert ports(server) == {"b": 9, "d": 4}
    await client.set(update=[update(LIST, [collector("e", 5)])])
    assert ports(server) == {"b": 9, "d": 4, "e": 5}


async def test_replace_of_a_container(server: Server, client: Client) -> None:
    await client.set(
        update=[update("/flow-export/conntrack", {"enabled": False, "active-timeout": 7})]
    )
    await client.set(replace=[update("/flow-export/conntrack", {"active-timeout": 8})])
    flow_export = server.datastore.configuration.flow_export
    assert flow_export is not None
    assert flow_export.conntrack.active_timeout == 8
    await client.set(replace=[update("/flow-export", {"collector": [collector("z", 9)]})])
    assert ports(server) == {"z": 9}


async def test_replace_of_the_root_is_the_whole_configuration(
    server: Server, client: Client
) -> None:
    whole = await client.value("/", type=1)
    whole["flow-export:flow-export"] = {"collector": [collector("only", 5)]}
    await client.set(replace=[update("/", whole)])
    assert ports(server) == {"only": 5}
    assert len(server.datastore.configuration.server.user) == 2


async def test_members_of_the_root_with_or_without_their_module(
    server: Server, client: Client
) -> None:
    await client.set(update=[update("/", {"flow-export": {"fe:collector": [collector("x", 5)]}})])
    assert ports(server)["x"] == 5


async def test_leaf_lists(server: Server, client: Client) -> None:
    zones = "/flow-export/conntrack/zone"

    def zone() -> tuple[int, ...]:
        flow_export = server.datastore.configuration.flow_export
        assert flow_export is not None
        return tuple(sorted(flow_export.conntrack.zone))

    await client.set(update=[update(zones, [1, 2])])
    await client.set(update=[update(zones, [2, 3])])
    assert zone() == (1, 2, 3)
    array = {"element": [{"uint_val": 3}, {"uint_val": 9}]}
    await client.set(replace=[update(zones, leaflist_val=array)])
    assert zone() == (3, 9)
    await client.set(update=[update(zones, uint_val=4)])
    assert zone() == (3, 4, 9)
    await client.set(delete=[path(zones)])
    assert zone() == ()


@pytest.mark.parametrize(
    "where",
    [A, f"{LIST}[name=*]", LIST, "/flow-export/...", "/.../collector", "/flow-export"],
)
async def test_delete_with_and_without_wildcards(
    server: Server, client: Client, where: str
) -> None:
    await client.set(delete=[path(where)])
    assert ports(server) == ({"b": 2} if where == A else {})


async def test_delete_of_one_leaf_everywhere(server: Server, client: Client) -> None:
    await client.set(delete=[path(f"{LIST}/port")])
    assert ports(server) == {"a": 6343, "b": 6343}


async def test_delete_of_what_is_not_there(server: Server, client: Client) -> None:
    await client.set(delete=[path(C), path(f"{A}/source-address"), path("/flow-export/sampling")])
    assert server.datastore.record.id == 1


# -- values


@pytest.mark.parametrize(
    ("where", "typed"),
    [
        (f"{A}/port", {"uint_val": 5}),
        (f"{A}/port", {"int_val": 5}),
        (f"{A}/port", {"json_val": b"5"}),
        (f"{A}/port", {"json_ietf_val": b"5"}),
        (f"{A}/address", {"string_val": "192.0.2.9"}),
        (f"{A}/enabled", {"bool_val": False}),
        (f"{A}/protocol", {"string_val": "sflow"}),
    ],
)
async def test_typed_values(server: Server, client: Client, where: str, typed: Any) -> None:
    await client.set(update=[update(where, **typed)])
    assert server.datastore.record.id == 2


async def test_lines_of_origin_cli(server: Server, client: Client) -> None:
    def cli(text: str) -> Any:
        return m.Update(path=m.Path(origin="cli"), val={"ascii_val": text})

    await client.set(
        update=[
            cli(
                "# two collectors\n"
                "set flow-export collector 'c 1' address 192.0.2.3\n"
                "set flow-export collector 'c 1' protocol sflow\n"
                "set flow-export collector 'c 1' enabled false\n"
                "delete flow-export collector b\n"
            )
        ]
    )
    assert ports(server) == {"a": 1, "c 1": 6343}
    assert leaf(server, "c 1", "enabled") is False
    for wrong in ("set flow-export nothing 1", "unset x", "set flow-export collector a port 1 2"):
        code, message = await client.fails(client.set(update=[cli(f"\n{wrong}")]))
        assert (code, "line 2" in message) == ("INVALID_ARGUMENT", True)


# -- union_replace


async def test_union_replace_joins_its_contents(server: Server, client: Client) -> None:
    lines = m.Update(
        path=m.Path(origin="cli"),
        val={"ascii_val": "set flow-export collector x address 192.0.2.1\n"},
    )
    keep = await client.value("/server", type=1)
    nacm = await client.value("/nacm", type=1)
    server_part = update("/server", keep)
    nacm_part = update("/nacm", {k: v for k, v in nacm.items() if "denied" not in k})
    rest = update(f"{LIST}[name=x]", {"protocol": "sflow", "port": 9})
    response = await client.set(union_replace=[rest, lines, server_part, nacm_part])
    assert [m.Operation(one.op).name for one in response.response] == ["UNION_REPLACE"] * 4
    assert ports(server) == {"x": 9}
    assert len(server.datastore.configuration.server.user) == 2


async def test_values_of_a_union_must_agree(server: Server, client: Client) -> None:
    parts = [update(A, collector("a", 5)), update(f"{A}/port", 6)]
    assert (await client.fails(client.set(union_replace=parts)))[0] == "INVALID_ARGUMENT"
    assert ports(server)["a"] == 1


# -- errors


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"update": [update("/flow-export/nothing", 1)]}, "NOT_FOUND"),
        ({"replace": [update(f"{A}/nothing", 1)]}, "NOT_FOUND"),
        ({"delete": [path("/flow-export/nothing")]}, "INVALID_ARGUMENT"),
        ({"update": [update(f"{A}/port", 70000)]}, "INVALID_ARGUMENT"),
        ({"update": [update(f"{A}/port", string_val="x")]}, "INVALID_ARGUMENT"),
        ({"update": [update(f"{A}/address", uint_val=1)]}, "INVALID_ARGUMENT"),
        ({"update": [update(f"{A}/enabled", string_val="true")]}, "INVALID_ARGUMENT"),
        ({"update": [update(f"{A}/port", json_ietf_val=b"{")]}, "INVALID_ARGUMENT"),
        ({"update": [update(f"{A}/port", json_ietf_val=b"[" * 5000)]}, "INVALID_ARGUMENT"),
        ({"update": [update(A, json_ietf_val=b'{"port": 1, "port": 2}')]}, "INVALID_ARGUMENT"),
        ({"update": [update(A, {"port": 1, "fe:port": 2})]}, "INVALID_ARGUMENT"),
        ({"update": [update(A, {"nothing": 1})]}, "INVALID_ARGUMENT"),
        ({"update": [update(A, [1])]}, "INVALID_ARGUMENT"),
        ({"update": [update("/", 1)]}, "INVALID_ARGUMENT"),
        ({"update": [update("/", {"fe:flow-export": {}, "flow-export": {}})]}, "INVALID_ARGUMENT"),
        ({"update": [update(f"{A}/port", proto_bytes=b"x")]}, "UNIMPLEMENTED"),
        ({"update": [update(f"{A}/port", ascii_val="5")]}, "UNIMPLEMENTED"),
        ({"update": [m.Update(path=path(f"{A}/port"))]}, "INVALID_ARGUMENT"),
        ({"update": [update(f"{LIST}[name=*]/port", 1)]}, "INVALID_ARGUMENT"),
        ({"update": [update(f"{LIST}/port", 1)]}, "INVALID_ARGUMENT"),
        ({"update": [update("/flow-export/.../port", 1)]}, "INVALID_ARGUMENT"),
        ({"replace": [update(A, collector("other"))]}, "INVALID_ARGUMENT"),
        ({"update": [update(f"{A}/name", "other")]}, "INVALID_ARGUMENT"),
        ({"delete": [path(f"{A}/name")]}, "INVALID_ARGUMENT"),
        ({"update": [update(f"{A}/statistics/errors", 1)]}, "INVALID_ARGUMENT"),
        ({"delete": [path(f"{A}/statistics")]}, "INVALID_ARGUMENT"),
        ({"update": [update(C, {"port": 1})]}, "INVALID_ARGUMENT"),
        ({"update": [update("/x", 1)]}, "NOT_FOUND"),
        ({"delete": [m.Path(origin="cli")]}, "UNIMPLEMENTED"),
    ],
    ids=lambda value: str(value).replace("\n", " ")[:60],
)
async def test_codes(server: Server, client: Client, fields: Any, code: str) -> None:
    assert (await client.fails(client.set(**fields)))[0] == code
    assert (server.datastore.record.id, ports(server)) == (1, {"a": 1, "b": 2})


async def test_as_many_operations_as_may_be(server: Server, client: Client) -> None:
    nothing = path(C)
    code, message = await client.fails(client.set(delete=[nothing] * 10_001))
    assert (code, "10000" in message) == ("INVALID_ARGUMENT", True)
    await client.set(delete=[nothing] * 10_000)
    assert server.datastore.record.id == 1


async def test_the_first_that_fails_is_named_and_nothing_is_done(
    server: Server, client: Client
) -> None:
    call = client.set(delete=[path(B)], update=[update(f"{A}/port", 5), update(f"{A}/dscp", 99)])
    code, message = await client.fails(call)
    assert code == "INVALID_ARGUMENT"
    assert message.startswith(f"update {A}/dscp: ")
    assert ports(server) == {"a": 1, "b": 2}


async def test_details_tell_every_fault(client: Client) -> None:
    with pytest.raises(aio.AioRpcError) as failed:
        await client.set(update=[update(C, {"port": 0, "dscp": 99})])
    trailers = dict(failed.value.trailing_metadata() or ())
    status = m.Status.FromString(trailers["grpc-status-details-bin"])
    assert status.code == 3
    request = m.BadRequest()
    assert status.details[-1].Unpack(request)
    assert [one.field.rpartition(":")[2] for one in request.field_violations] == ["port", "dscp"]
    info = m.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.domain, info.metadata["tag"]) == ("flowexport-mgmt", "invalid-value")


async def test_who_may_not_write_is_denied(server: Server) -> None:
    bob = server.client(BOB)
    for fields in ({"update": [update(f"{A}/port", 5)]}, {"delete": [path(A)]}):
        assert (await bob.fails(bob.set(**fields)))[0] == "PERMISSION_DENIED"
    lines = (server.folder / "state" / "audit.jsonl").read_text().splitlines()
    refused = [json.loads(line) for line in lines]
    assert {(one["user"], one["door"], one["result"]) for one in refused} == {
        ("bob", "gnmi", "refused")
    }


async def test_what_this_system_cannot_do_now_is_a_failed_precondition(
    server: Server, client: Client
) -> None:
    where = "/fe:flow-export/fe:collector[fe:name='a']/fe:port"
    server.datastore.register(Recorder(refusals=[Refusal(where, "taken")]))
    code, message = await client.fails(client.set(update=[update(f"{A}/port", 5)]))
    assert code == "FAILED_PRECONDITION"
    assert message.startswith(f"update {A}/port: ")


async def test_a_held_lock_aborts(server: Server, client: Client) -> None:
    holder = server.operator()
    server.datastore.lock(holder, Store.RUNNING)
    assert (await client.fails(client.set(update=[update(f"{A}/port", 5)])))[0] == "ABORTED"
    server.datastore.unlock(holder, Store.RUNNING)
    await client.set(update=[update(f"{A}/port", 5)])


async def test_sets_and_edits_at_once_lose_nothing(server: Server, client: Client) -> None:
    session = server.operator()

    async def edit(number: int) -> None:
        xml = (
            '<flow-export xmlns="urn:flowexport:flow-export"><collector>'
            f"<name>n{number}</name><address>192.0.2.1</address><protocol>sflow</protocol>"
            "</collector></flow-export>"
        )
        made = edits(server.datastore.schema, xml)
        await server.datastore.edit(session, Store.RUNNING, made, EditOptions())

    await asyncio.gather(
        *(client.set(update=[update(f"{LIST}[name=g{n}]", collector(f"g{n}"))]) for n in range(8)),
        *(edit(number) for number in range(8)),
    )
    names = {f"{door}{number}" for door in "gn" for number in range(8)}
    assert set(ports(server)) == names | {"a", "b"}
    assert server.datastore.record.id == 17


# -- confirmed commits


def commit(**fields: Any) -> list[Any]:
    return [m.Extension(commit=fields)]


async def test_a_commit_that_is_confirmed(server: Server, client: Client) -> None:
    begin = commit(id="one", commit={"rollback_duration": {"seconds": 60}})
    await client.set(update=[update(f"{A}/port", 5)], extension=begin)
    pending = server.datastore.pending
    assert pending is not None
    assert (pending.timeout, pending.persist) == (60, "one")
    longer = {"rollback_duration": {"seconds": 90, "nanos": 1}}
    await client.set(extension=commit(id="one", set_rollback_duration=longer))
    assert server.datastore.pending is not None
    assert server.datastore.pending.timeout == 91
    await client.set(extension=commit(id="one", confirm={}))
    assert server.datastore.record.pending is None
    assert ports(server)["a"] == 5


async def test_a_commit_that_is_cancelled(server: Server, client: Client) -> None:
    await client.set(update=[update(f"{A}/port", 5)], extension=commit(id="one", commit={}))
    assert server.datastore.pending is not None
    assert server.datastore.pending.timeout == 600
    await client.set(extension=commit(id="one", cancel={}))
    assert ports(server)["a"] == 1
    assert server.datastore.record.pending is None


async def test_a_rollback_that_fails_is_an_internal_error(
    server: Server, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.set(update=[update(f"{A}/port", 5)], extension=commit(id="one", commit={}))
    monkeypatch.setattr("flowexport_mgmt.datastore.files.StateFolder.write", lambda *_: 1 // 0)
    cancel = commit(id="one", cancel={})
    code, message = await client.fails(client.set(extension=cancel))
    assert (code, "rollback failed" in message) == ("INTERNAL", True)
    assert server.datastore.pending is not None
    assert ports(server)["a"] == 5
    monkeypatch.undo()
    await client.set(extension=cancel)
    assert ports(server)["a"] == 1
    assert server.datastore.record.pending is None


async def test_creating_what_is_there_is_no_error(server: Server, client: Client) -> None:
    """No operation of Set creates only: nothing of gNMI can be ALREADY_EXISTS."""
    given = collector("a", 7)
    for kind in ("update", "replace", "union_replace"):
        await client.set(**{kind: [update(A, given)]})
        assert ports(server)["a"] == 7


async def test_a_commit_that_nobody_confirms(server: Server, client: Client) -> None:
    begin = commit(id="one", commit={"rollback_duration": {"nanos": 1000}})
    await client.set(update=[update(f"{A}/port", 5)], extension=begin)
    stream = await client.subscribe({"path": path(f"{A}/port"), "mode": 1})
    await stream.state()
    assert values(await stream.update()) == {f"{A}/port": 1}
    assert ports(server)["a"] == 1


@pytest.mark.parametrize(
    ("extension", "fields", "code"),
    [
        ({"id": "", "commit": {}}, {}, "INVALID_ARGUMENT"),
        ({"id": "x"}, {}, "INVALID_ARGUMENT"),
        ({"id": "x", "commit": {"rollback_duration": {"seconds": 0}}}, {}, "INVALID_ARGUMENT"),
        ({"id": "x", "commit": {"rollback_duration": {"seconds": -5}}}, {}, "INVALID_ARGUMENT"),
        ({"id": "x", "confirm": {}}, {}, "FAILED_PRECONDITION"),
        ({"id": "x", "cancel": {}}, {}, "FAILED_PRECONDITION"),
        ({"id": "x", "set_rollback_duration": {}}, {}, "FAILED_PRECONDITION"),
    ],
)
async def test_wrong_requests_without_a_pending_commit(
    client: Client, extension: Any, fields: Any, code: str
) -> None:
    call = client.set(extension=commit(**extension), **fields)
    assert (await client.fails(call))[0] == code


async def test_wrong_requests_while_a_commit_is_pending(server: Server, client: Client) -> None:
    await client.set(update=[update(f"{A}/port", 5)], extension=commit(id="one", commit={}))
    operations = {"update": [update(f"{A}/port", 6)]}
    for extension, fields, code in (
        (commit(id="two", commit={}), operations, "FAILED_PRECONDITION"),
        ([], operations, "FAILED_PRECONDITION"),
        ([], {}, "FAILED_PRECONDITION"),
        (commit(id="two", confirm={}), {}, "INVALID_ARGUMENT"),
        (commit(id="two", cancel={}), {}, "INVALID_ARGUMENT"),
        (commit(id="one", confirm={}), operations, "INVALID_ARGUMENT"),
        (commit(id="one", set_rollback_duration={}), {}, "INVALID_ARGUMENT"),
        (
            commit(id="two", set_rollback_duration={"rollback_duration": {"seconds": 5}}),
            {},
            "INVALID_ARGUMENT",
        ),
    ):
        assert (await client.fails(client.set(extension=extension, **fields)))[0] == code
    assert ports(server)["a"] == 5
    await client.set(extension=commit(id="one", confirm={}))


async def test_a_pending_commit_of_each_door_keeps_the_other_out(
    server: Server, client: Client
) -> None:
    store, session = server.datastore, server.operator()
    await store.commit(session, confirmed=Confirmed(timeout=60))
    operations = {"update": [update(f"{A}/port", 6)]}
    assert (await client.fails(client.set(**operations)))[0] == "FAILED_PRECONDITION"
    call = client.set(extension=commit(id="x", commit={}), **operations)
    assert (await client.fails(call))[0] == "FAILED_PRECONDITION"
    await store.commit(session)
    await client.set(extension=commit(id="x", commit={}), **operations)
    with pytest.raises(ManagementError) as refused:
        await store.commit(session)
    assert refused.value.faults[0].tag == "in-use"


# -- master arbitration


def election(number: int | None, role: str | None = None) -> list[Any]:
    fields: dict[str, Any] = {}
    if number is not None:
        fields["election_id"] = {"high": number >> 64, "low": number & (2**64 - 1)}
    if role is not None:
        fields["role"] = {"id": role}
    return [m.Extension(master_arbitration=fields)]


async def test_who_is_no_longer_master_is_denied(server: Server, client: Client) -> None:
    operations = {"update": [update(f"{A}/port", 6)]}
    await client.set(extension=election(2**64 + 1))
    await client.set(extension=election(2**64 + 1), **operations)
    code, message = await client.fails(client.set(extension=election(2**64), **operations))
    assert (code, "high 1 low 1" in message) == ("PERMISSION_DENIED", True)
    await client.set(extension=election(1, "other"), **operations)
    assert (await client.fails(client.set(extension=election(0, "other"))))[0] == (
        "PERMISSION_DENIED"
    )
    assert (await client.fails(client.set(extension=election(None))))[0] == "INVALID_ARGUMENT"
    await client.set(**operations)
    assert ports(server)["a"] == 6


async def test_depth_is_not_for_set(client: Client) -> None:
    call = client.set(extension=[m.Extension(depth={"level": 1})])
    assert (await client.fails(call))[0] == "INVALID_ARGUMENT"


async def test_as_many_roles_as_may_be(client: Client) -> None:
    for number in range(256):
        await client.set(extension=election(1, f"role {number}"))
    code, message = await client.fails(client.set(extension=election(1, "one more")))
    assert (code, "256" in message) == ("RESOURCE_EXHAUSTED", True)
    await client.set(extension=election(2, "role 0"))
