"""Capabilities, reflection and Get: the specification, sections 3.2 and 3.3."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from google.protobuf import descriptor_pb2
from tests.support.gnmi import (
    BOB,
    Client,
    Server,
    collector,
    path,
    schema,
    update,
    value_of,
    values,
)
from tests.support.stores import Reporter

from flowexport_mgmt.north.gnmi import messages as m
from flowexport_mgmt.north.gnmi.paths import keys_of
from flowexport_mgmt.north.gnmi.reading import nanoseconds

ENCODINGS = {"JSON": 0, "BYTES": 1, "PROTO": 2, "ASCII": 3, "JSON_IETF": 4}
A = "/flow-export/collector[name=a]"


def report(server: Server, **counters: int) -> Reporter:
    """Have collector a report counters."""
    told = {name.replace("_", "-"): str(value) for name, value in counters.items()}
    entry = {"name": "a", "statistics": {**told, "oper-status": "up"}}
    reporter = Reporter({"flow-export:flow-export": {"collector": [entry]}})
    server.datastore.register_state(reporter)
    return reporter


# -- capabilities and reflection


async def test_capabilities_tell_models_encodings_and_version(client: Client) -> None:
    told = await client.capabilities()
    assert told.gNMI_version == "0.10.0"
    assert set(told.supported_encodings) == {0, 2, 3, 4}
    models = {model.name: model for model in told.supported_models}
    revisions = {one.name: one.revision for one in schema().modules if one.implemented}
    assert {name: model.version for name, model in models.items()} == revisions
    assert models["flow-export"].organization == "The flowexport-mgmt project"
    assert {"ietf-interfaces", "flow-export-server"} <= set(models)


@pytest.mark.parametrize("package", m.REFLECTION)
async def test_reflection_tells_services_and_descriptors(client: Client, package: str) -> None:
    request, response = m.REFLECTION_MESSAGES[package]
    call = client.channel.stream_stream(f"/{package}.ServerReflection/ServerReflectionInfo")(
        metadata=client.metadata
    )

    async def ask(**fields: Any) -> Any:
        await call.write(request(**fields).SerializeToString())
        return response.FromString(await call.read())

    listed = (await ask(list_services="")).list_services_response
    assert "gnmi.gNMI" in {one.name for one in listed.service}
    found = (await ask(file_containing_symbol="gnmi.gNMI")).file_descriptor_response
    files = [descriptor_pb2.FileDescriptorProto.FromString(f) for f in found.file_descriptor_proto]
    assert {"gnmi", "gnmi_ext", "google.protobuf"} <= {file.package for file in files}
    again = await ask(file_by_filename=files[0].name)
    assert again.file_descriptor_response.file_descriptor_proto[0]
    assert (await ask(file_containing_symbol="no.such")).error_response.error_code == 5
    assert (await ask(all_extension_numbers_of_type="gnmi.Path")).WhichOneof("message_response")
    call.cancel()


# -- values and encodings


async def test_one_leaf_in_every_encoding(client: Client) -> None:
    where = f"{A}/port"
    assert await client.value(where, encoding=ENCODINGS["JSON_IETF"]) == 1
    assert await client.value(where, encoding=ENCODINGS["JSON"]) == 1
    (notification,) = (await client.get(where, encoding=ENCODINGS["PROTO"])).notification
    assert notification.update[0].val.uint_val == 1


async def test_json_ietf_names_modules_and_json_does_not(client: Client) -> None:
    in_ietf = await client.value(A)
    assert in_ietf["flow-export:name"] == "a"
    assert in_ietf["flow-export:sampled-flows"]["enabled"] is False
    in_json = await client.value(A, encoding=ENCODINGS["JSON"])
    assert (in_json["name"], in_json["sampled-flows"]["enabled"]) == ("a", False)


async def test_counters_of_64_bits(server: Server, client: Client) -> None:
    report(server, bytes_sent=2**40)
    where = f"{A}/statistics/bytes-sent"
    assert await client.value(where) == str(2**40)
    assert await client.value(where, encoding=ENCODINGS["JSON"]) == 2**40
    (notification,) = (await client.get(where, encoding=ENCODINGS["PROTO"])).notification
    assert notification.update[0].val.uint_val == 2**40


@pytest.mark.parametrize("encoding", ["BYTES", "ASCII"])
async def test_an_encoding_that_is_not_served(client: Client, encoding: str) -> None:
    code, message = await client.fails(client.get(A, encoding=ENCODINGS[encoding]))
    assert code == "UNIMPLEMENTED"
    assert encoding in message


async def test_ascii_of_origin_cli_can_be_read_back(server: Server, client: Client) -> None:
    (told,) = (await client.get(m.Path(origin="cli"), encoding=ENCODINGS["ASCII"])).notification
    text = told.update[0].val.ascii_val
    assert "set flow-export collector a port 1\n" in text
    assert told.update[0].path.origin == "cli"
    before = server.datastore.record.id
    await client.set(replace=[m.Update(path=m.Path(origin="cli"), val={"ascii_val": text})])
    assert server.datastore.record.id == before  # it changes nothing
    code, _ = await client.fails(client.get(m.Path(origin="cli")))
    assert code == "UNIMPLEMENTED"
    elements = path("/a", origin="cli")
    assert (await client.fails(client.get(elements, encoding=3)))[0] == "INVALID_ARGUMENT"


# -- data types


async def test_data_types(server: Server, client: Client) -> None:
    report(server, bytes_sent=5)
    config = await client.value(A, type=1)
    assert config["flow-export:port"] == 1
    assert "flow-export:statistics" not in config
    for kind in (2, 3):
        state = await client.value(A, type=kind)
        assert state["flow-export:statistics"]["bytes-sent"] == "5"
        assert set(state) == {"flow-export:name", "flow-export:statistics"}
    assert {"flow-export:port", "flow-export:statistics"} <= set(await client.value(A, type=0))
    assert (await client.fails(client.get(A, type=9)))[0] == "INVALID_ARGUMENT"
    await client.set(delete=[path("/flow-export")], update=[update("/flow-export", {})])
    for kind in (2, 3):  # that it is there is configuration
        assert (await client.fails(client.get("/flow-export/conntrack/zone", type=kind)))[0] == (
            "NOT_FOUND"
        )


async def test_the_timestamp_of_configuration_is_that_of_its_commit(
    server: Server, client: Client
) -> None:
    first = (await client.get(A, type=1)).notification[0].timestamp
    assert first == nanoseconds(server.datastore.record.time)
    assert (await client.get(A, type=1)).notification[0].timestamp == first
    one = (await client.get(A)).notification[0].timestamp
    assert (await client.get(A)).notification[0].timestamp > one > first


# -- paths


@pytest.mark.parametrize(
    "given",
    [
        "/flow-export/collector[name=a]/port",
        "/flow-export:flow-export/collector[name=a]/port",
        "/flow-export:flow-export/flow-export:collector[name=a]/flow-export:port",
        "/fe:flow-export/fe:collector[fe:name=a]/fe:port",
        path("/flow-export/collector[name=a]/port", origin="rfc7951"),
        path("/flow-export/collector[name=a]/port", origin="flow-export"),
        m.Path(element=["flow-export", "collector[name=a]", "port"]),
        m.Path(element=["ignored"], elem=path("/flow-export/collector[name=a]/port").elem),
    ],
    ids=str,
)
async def test_ways_to_write_a_path(client: Client, given: Any) -> None:
    assert await client.value(given) == 1


async def test_prefix_and_target(client: Client) -> None:
    prefix = path("/flow-export", target="box", origin="rfc7951")
    told = await client.get("/collector[name=a]/port", prefix=prefix)
    (notification,) = told.notification
    assert (notification.prefix.target, notification.prefix.origin) == ("box", "rfc7951")
    assert not notification.prefix.elem
    assert values(notification) == {f"{A}/port": 1}
    (alone,) = (await client.get(prefix=path(A))).notification
    assert not alone.prefix.target
    assert list(values(alone)) == [A]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("/flow-export/collector/port", {"a": 1, "b": 2}),
        ("/flow-export/collector[name=*]/port", {"a": 1, "b": 2}),
        ("/flow-export/*/port", {"a": 1, "b": 2}),
        ("/.../collector[name=b]/port", {"b": 2}),
        ("/flow-export/.../port", {"a": 1, "b": 2}),
        ("/*/collector[name=a]/port", {"a": 1}),
    ],
)
async def test_wildcards(client: Client, given: str, expected: dict[str, int]) -> None:
    (notification,) = (await client.get(given)).notification
    found = [one for one in notification.update if one.path.elem[1].name == "collector"]
    names = {one.path.elem[1].key["name"]: value_of(one.val) for one in found}
    assert names == expected


@pytest.mark.parametrize("where", ["/flow-export/.../*", "/.../collector/..."])
async def test_a_notification_tells_no_path_twice(client: Client, where: str) -> None:
    """Though a pattern chooses what stands below what it chooses."""
    for encoding in (ENCODINGS["PROTO"], ENCODINGS["JSON"]):
        (told,) = (await client.get(where, encoding=encoding)).notification
        assert len(values(told)) == len(told.update) > 1


async def test_a_list_gives_an_update_for_each_entry(client: Client) -> None:
    (notification,) = (await client.get("/flow-export/collector")).notification
    assert list(values(notification)) == [A, "/flow-export/collector[name=b]"]


async def test_a_notification_for_each_path_of_one_snapshot(server: Server, client: Client) -> None:
    reporter = report(server, bytes_sent=5)
    told = await client.get(f"{A}/port", f"{A}/statistics/bytes-sent")
    assert [list(values(one).values()) for one in told.notification] == [[1], ["5"]]
    assert len(reporter.asked) == 1
    assert len({one.timestamp for one in told.notification}) == 1


async def test_the_root_is_everything(client: Client) -> None:
    everything = await client.value("/", type=1)
    assert {"flow-export:flow-export", "flow-export-server:server"} <= set(everything)
    plain = await client.value("/", type=1, encoding=ENCODINGS["JSON"])
    assert {"flow-export", "server"} <= set(plain)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("/flow-export/collector[name=z]", "NOT_FOUND"),
        ("/flow-export/collector[name=a]/source-address", "NOT_FOUND"),
        ("/flow-export/nothing", "INVALID_ARGUMENT"),
        ("/flow-export/collector[name=a]/port/deeper", "INVALID_ARGUMENT"),
        ("/flow-export/collector[id=a]", "INVALID_ARGUMENT"),
        ("/flow-export[name=a]", "INVALID_ARGUMENT"),
        ("/server/history/commit[id=one]", "INVALID_ARGUMENT"),
        ("/openconfig-system", "UNIMPLEMENTED"),
        ("/oc-sys:system", "UNIMPLEMENTED"),
        (path("/system", origin="openconfig"), "UNIMPLEMENTED"),
        (m.Path(element=["a[b"]), "INVALID_ARGUMENT"),
        (m.Path(elem=[{"name": ""}]), "INVALID_ARGUMENT"),
        (m.Path(elem=[{"name": "x"}] * 65), "INVALID_ARGUMENT"),
    ],
    ids=str,
)
async def test_paths_that_lead_nowhere(client: Client, given: Any, code: str) -> None:
    assert (await client.fails(client.get(given)))[0] == code


async def test_the_message_names_the_path(client: Client) -> None:
    for where in ("/flow-export/collector[name=z]", "/flow-export/nothing", "/nothing"):
        assert where in (await client.fails(client.get(where)))[1]


async def test_as_many_paths_as_may_be(client: Client) -> None:
    where = path("/flow-export/collector[name=a]/port")
    assert len((await client.get(*[where] * 1024)).notification) == 1024
    code, message = await client.fails(client.get(*[where] * 1025))
    assert (code, "1024" in message) == ("INVALID_ARGUMENT", True)


async def test_many_paths_do_not_each_go_through_a_list(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor do many subscriptions: an entry whose keys are given is looked up."""
    names = [f"n{number}" for number in range(200)]
    entries = [collector(name) for name in names]
    await client.set(update=[update("/flow-export/collector", entries)])
    asked: list[object] = []

    def counted(*given: Any) -> tuple[str, ...]:
        asked.append(given)
        return keys_of(*given)

    monkeypatch.setattr("flowexport_mgmt.north.gnmi.paths.keys_of", counted)
    paths = [f"/flow-export/collector[name={name}]/port" for name in names]
    assert len((await client.get(*paths)).notification) == 200
    stream = await client.subscribe(*paths, mode=1)
    assert len(await stream.state()) == 200
    assert 200 <= len(asked) < 1000


async def test_two_origins_are_refused(client: Client) -> None:
    call = client.get(path("/flow-export", origin="rfc7951"), prefix=m.Path(origin="cli"))
    assert (await client.fails(call))[0] == "INVALID_ARGUMENT"


# -- models and extensions


async def test_use_models(client: Client) -> None:
    only = await client.value("/", type=1, use_models=[{"name": "flow-export-server"}])
    assert list(only) == ["flow-export-server:server"]
    for model in ({"name": "openconfig-system"}, {"name": "flow-export", "version": "1"}):
        call = client.get("/", use_models=[model])
        assert (await client.fails(call))[0] == "INVALID_ARGUMENT"
    call = client.get(A, use_models=[{"name": "flow-export-server"}])
    assert (await client.fails(call))[0] == "NOT_FOUND"


async def test_depth(client: Client) -> None:
    def depth(level: int) -> list[Any]:
        return [m.Extension(depth={"level": level})]

    one = await client.value(A, extension=depth(1))
    assert "flow-export:port" in one
    assert "flow-export:sampled-flows" not in one
    two = await client.value(A, extension=depth(2))
    assert "flow-export:sampled-flows" in two
    assert await client.value(A, extension=depth(0)) == await client.value(A)
    (told,) = (await client.get(A, extension=depth(1), encoding=2)).notification
    assert not any("sampled-flows" in where for where in values(told))
    whole = await client.value("/flow-export", extension=depth(2))
    assert {"name", "port"} <= set(whole["flow-export:collector"][0])
    assert "sampled-flows" not in whole["flow-export:collector"][0]


@pytest.mark.parametrize(
    ("extension", "code"),
    [
        ({"history": {"snapshot_time": 1}}, "UNIMPLEMENTED"),
        ({"config_subscription": {"start": {}}}, "UNIMPLEMENTED"),
        ({"commit": {"id": "x", "confirm": {}}}, "INVALID_ARGUMENT"),
        ({"registered_ext": {"id": 999, "msg": b"x"}}, "OK"),
    ],
)
async def test_extensions_of_other_rpcs(
    client: Client, extension: dict[str, Any], code: str
) -> None:
    call = client.get(A, extension=[m.Extension(**extension)])
    if code == "OK":
        await call
    else:
        assert (await client.fails(call))[0] == code


async def test_an_extension_is_given_once(client: Client) -> None:
    twice = [m.Extension(depth={"level": 1})] * 2
    code, message = await client.fails(client.get(A, extension=twice))
    assert (code, "twice" in message) == ("INVALID_ARGUMENT", True)
    call = client.capabilities(extension=twice[:1])
    assert (await client.fails(call))[0] == "INVALID_ARGUMENT"
    await client.get(A, extension=[m.Extension()])


# -- access, and the host


async def test_what_may_not_be_read_is_not_there(server: Server) -> None:
    bob = server.client(BOB)
    assert (await bob.fails(bob.get("/server/user")))[0] == "NOT_FOUND"
    assert await bob.value(f"{A}/port") == 1
    assert "user" not in await bob.value("/server", type=1)


async def test_the_name_of_the_host_and_the_interfaces(server: Server, client: Client) -> None:
    assert await client.value("/system/hostname") == socket.gethostname()
    entry = {"name": "eth0", "type": "iana-if-type:ethernetCsmacd", "oper-status": "up"}
    told = {"ietf-interfaces:interfaces": {"interface": [entry]}}
    server.datastore.register_state(Reporter(told, paths=("/interfaces",)))
    assert await client.value("/interfaces/interface[name=eth0]/oper-status") == "up"
    plain = await client.value("/interfaces/interface[name=eth0]/type", encoding=0)
    assert plain == "ethernetCsmacd"
    assert (await client.fails(client.set(update=[update("/system/hostname", "x")])))[0] == (
        "INVALID_ARGUMENT"
    )


async def test_a_request_that_is_no_message(server: Server, client: Client) -> None:
    call = client.call("Get", b"\xff\xff\xff", m.GetResponse)
    assert (await client.fails(call))[0] == "INVALID_ARGUMENT"
    assert server.door.engine.refusals.malformed_requests == 1
    (session,) = server.datastore.sessions
    assert (session.door, session.in_bad_rpcs, session.out_rpc_errors) == ("gnmi", 1, 1)


async def test_state_alone_is_read_without_the_configuration(
    server: Server, client: Client
) -> None:
    """It is the same as that which is read with it; state of what nobody configured is not told."""
    report(server, bytes_sent=5)
    whole = await client.value(A)
    assert await client.value(f"{A}/statistics") == {
        f"flow-export:{name}": value for name, value in whole["flow-export:statistics"].items()
    }
    statistics = "/flow-export/collector/statistics"
    (told,) = (await client.get(statistics)).notification
    assert [one.path.elem[1].key["name"] for one in told.update] == ["a"]
    await client.set(delete=[path("/flow-export")])
    assert (await client.fails(client.get(f"{A}/statistics")))[0] == "NOT_FOUND"
