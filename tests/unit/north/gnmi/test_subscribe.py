"""Subscribe: the specification, section 3.5."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support import conditions
from tests.support.gnmi import (
    BOB,
    Client,
    Server,
    Stream,
    collector,
    flow_export,
    path,
    running_server,
    update,
    values,
    write_path,
)

from flowexport_mgmt.link.messages import CollectorStateChange
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.north.gnmi import messages as m
from flowexport_mgmt.north.gnmi.paths import Pattern
from flowexport_mgmt.north.gnmi.reading import nanoseconds
from flowexport_mgmt.north.gnmi.subscribe.group import Follower
from flowexport_mgmt.north.gnmi.subscribe.terms import Wanted

LIST = "/flow-export/collector"
A, B, C = (f"{LIST}[name={name}]" for name in "abc")
BYTES = f"{A}/statistics/bytes-sent"
STATUS = f"{A}/statistics/oper-status"
ON_CHANGE, SAMPLE = 1, 2
SECOND = 1_000_000_000


class State:
    """Reports what a test says."""

    paths: Sequence[str] = ("/flow-export",)

    def __init__(self) -> None:
        self.told: dict[str, dict[str, Any]] = {"a": {"bytes-sent": 1, "oper-status": "up"}}
        self.asked = 0
        self.each: Callable[[], None] = lambda: None

    async def state(self, _: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        self.asked += 1
        self.each()
        entries = [
            {
                "name": name,
                "statistics": {k: str(v) for k, v in leaves.items()},
            }
            for name, leaves in self.told.items()
        ]
        return {"flow-export:flow-export": {"collector": entries}}

    def count(self) -> None:
        """Let the counter go on with each reading."""

        def each() -> None:
            self.told["a"]["bytes-sent"] += 1

        self.each = each


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    more = flow_export(collector("a", 1), collector("b", 2))
    gnmi = {"min-sample-interval": 50}
    async with running_server(tmp_path, more=more, gnmi=gnmi) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Client:
    return server.client()


@pytest.fixture
def state(server: Server) -> State:
    state = State()
    server.datastore.register_state(state)
    return state


def on_change(where: str, **fields: Any) -> dict[str, Any]:
    return {"path": path(where), "mode": ON_CHANGE, **fields}


def sample(where: str, interval: float = 0.05, **fields: Any) -> dict[str, Any]:
    return {
        "path": path(where),
        "mode": SAMPLE,
        "sample_interval": int(interval * SECOND),
        **fields,
    }


def deleted(notification: Any) -> list[str]:
    return [write_path(one) for one in notification.delete]


async def until(stream: Stream, wanted: Callable[[Any], bool]) -> Any:
    """Give the first notification that fits."""
    async with asyncio.timeout(20):
        while not wanted(found := await stream.update()):
            pass
    return found


# -- once and poll


async def test_once_ends_after_everything_was_sent(client: Client, state: State) -> None:
    del state
    stream = await client.subscribe(f"{A}/port", f"{A}/statistics", mode=1)
    told = await stream.state()
    assert told == {f"{A}/port": 1, BYTES: 1, STATUS: "up"}
    assert await stream.read() is None
    assert (await stream.status())[0] == "OK"


@pytest.mark.parametrize(("encoding", "port"), [(0, 1), (2, 1), (4, 1)])
async def test_encodings(client: Client, encoding: int, port: int) -> None:
    stream = await client.subscribe(f"{A}/port", mode=1, encoding=encoding)
    assert await stream.state() == {f"{A}/port": port}


@pytest.mark.parametrize("encoding", [1, 3, 77])
async def test_encodings_that_are_not_served(client: Client, encoding: int) -> None:
    stream = await client.subscribe(f"{A}/port", encoding=encoding)
    assert (await stream.status())[0] == "UNIMPLEMENTED"


async def test_a_notification_for_each_time(server: Server, client: Client, state: State) -> None:
    del state
    stream = await client.subscribe(LIST, mode=1)
    told = await stream.initial()
    assert len(told) == 2  # the configuration of a and b, and the state of a
    times = {next(iter(values(one))).split("/")[-1]: one.timestamp for one in told}
    assert times["name"] == nanoseconds(server.datastore.record.time)
    assert max(times.values()) > times["name"]


@pytest.mark.parametrize("mode", [0, 1, 2])
async def test_no_message_tells_a_path_twice(client: Client, state: State, mode: int) -> None:
    """Though subscriptions of a list overlap, and see a counter each in its own way."""
    del state
    wanted = [on_change(A), sample(f"{A}/port", 1), sample(f"{A}/statistics", 1)]
    stream = await client.subscribe(*wanted, on_change(BYTES), mode=mode)
    if mode == 2:
        await stream.poll()
    told = await stream.initial()
    paths = [write_path(one.path) for each in told for one in each.update]
    assert len(paths) == len(set(paths))
    assert {f"{A}/port", BYTES, STATUS} <= set(paths)


async def test_poll(server: Server, client: Client, state: State) -> None:
    state.count()
    stream = await client.subscribe(BYTES, mode=2)
    first, second = 0, 0
    await stream.poll()
    first = (await stream.state())[BYTES]
    await stream.poll()
    second = (await stream.state())[BYTES]
    assert second > first
    await client.set(delete=[path(A)])
    state.told.clear()
    await stream.poll()
    assert await stream.state() == {}
    await stream.call.done_writing()
    assert (await stream.status())[0] == "OK"
    await conditions.until(lambda: server.door.engine.clients.state()[0].subscriptions == 0, 20)


async def test_updates_only_of_once_and_poll(client: Client) -> None:
    once = await client.subscribe(A, mode=1, updates_only=True)
    assert await once.initial() == []
    poll = await client.subscribe(A, mode=2, updates_only=True)
    await poll.poll()
    assert await poll.initial() == []


# -- on change


async def test_what_a_commit_changes_is_told_with_its_time(server: Server, client: Client) -> None:
    stream = await client.subscribe(on_change(A))
    assert (await stream.state())[f"{A}/port"] == 1
    await client.set(update=[update(f"{A}/port", 5)])
    told = await stream.update()
    assert values(told) == {f"{A}/port": 5}
    assert told.timestamp == nanoseconds(server.datastore.record.time)


async def test_falling_back_to_the_default_is_an_update(client: Client) -> None:
    stream = await client.subscribe(on_change(f"{A}/port"))
    await stream.initial()
    await client.set(delete=[path(f"{A}/port")])
    told = await stream.update()
    assert (values(told), deleted(told)) == ({f"{A}/port": 6343}, [])


@pytest.mark.parametrize(
    ("where", "gone"),
    [
        (LIST, A),
        ("/flow-export", A),
        (f"{LIST}/port", f"{A}/port"),
        (A, A),
        ("/flow-export/.../sampled-flows", f"{A}/sampled-flows"),
    ],
)
async def test_one_deletion_for_an_entry_that_goes(
    server: Server, client: Client, where: str, gone: str
) -> None:
    """With the time of the commit."""
    stream = await client.subscribe(on_change(where))
    await stream.initial()
    await client.set(delete=[path(A)])
    told = await stream.update()
    assert deleted(told) == [gone]
    assert told.timestamp == nanoseconds(server.datastore.record.time)
    await client.set(update=[update(A, collector("a", 3))])
    again = await stream.update()
    assert (next(iter(values(again))).startswith(A), deleted(again)) == (True, [])


async def test_a_path_that_is_not_there_yet(client: Client) -> None:
    stream = await client.subscribe(on_change(f"{C}/port"))
    assert await stream.initial() == []
    await client.set(update=[update(C, collector("c", 7))])
    assert values(await stream.update()) == {f"{C}/port": 7}


async def test_updates_only_begins_with_sync(client: Client) -> None:
    stream = await client.subscribe(on_change(A), updates_only=True)
    assert await stream.initial() == []
    await client.set(update=[update(f"{A}/port", 5)])
    assert values(await stream.update()) == {f"{A}/port": 5}


async def test_events_and_counters(server: Server, client: Client, state: State) -> None:
    """Counters are told once, and then only at the heartbeat; a status as soon as it changes."""
    state.count()
    stream = await client.subscribe(on_change(f"{A}/statistics"))
    first = await stream.state()
    assert set(first) == {BYTES, STATUS}
    state.told["a"]["oper-status"] = "down"
    server.datastore.events.publish(CollectorStateChange(name="a", oper_status=OperStatus.DOWN))
    assert values(await stream.update()) == {STATUS: "down"}


async def test_heartbeat(client: Client, state: State) -> None:
    state.count()
    stream = await client.subscribe(on_change(f"{A}/statistics", heartbeat_interval=SECOND // 10))
    first = await stream.state()
    seen: dict[str, Any] = {}
    while set(seen) != {BYTES, STATUS}:
        seen |= values(await stream.update())
    assert seen[BYTES] > first[BYTES]
    assert seen[STATUS] == "up"


async def test_state_without_an_event_is_looked_at(client: Client, state: State) -> None:
    stream = await client.subscribe(on_change(STATUS))
    await stream.initial()
    state.told["a"]["oper-status"] = "degraded"
    assert values(await stream.update()) == {STATUS: "degraded"}


async def test_nothing_is_told_of_what_was_refused(client: Client) -> None:
    stream = await client.subscribe(on_change(A))
    await stream.initial()
    wrong = client.set(update=[update(f"{A}/port", 5), update(f"{A}/dscp", 99)])
    assert (await client.fails(wrong))[0] == "INVALID_ARGUMENT"
    await client.set(update=[update(f"{A}/port", 6)])
    assert values(await stream.update()) == {f"{A}/port": 6}


# -- samples


async def test_samples_come_on_a_grid_that_all_share(client: Client, state: State) -> None:
    state.count()
    streams = [await client.subscribe(sample(BYTES, 0.2)) for _ in range(2)]
    for stream in streams:
        await stream.initial()
    first, second = [await stream.update() for stream in streams]
    while first.timestamp < second.timestamp:
        first = await streams[0].update()
    while second.timestamp < first.timestamp:
        second = await streams[1].update()
    assert first == second


def test_the_grid_is_that_of_the_interval_whenever_one_begins() -> None:
    wanted = Wanted(Pattern(), (), m.Mode.SAMPLE, True, True, interval=SECOND // 5)
    begun = (SECOND, SECOND + 1, SECOND + SECOND // 5 - 1)
    assert {Follower(0, wanted, now).due for now in begun} == {SECOND + SECOND // 5}


@pytest.mark.parametrize("has_state", [True, False])
def test_an_event_is_a_reason_to_look_at_state_soon(has_state: bool) -> None:
    wanted = Wanted(Pattern(), (), m.Mode.ON_CHANGE, has_state, True)
    follower = Follower(0, wanted, SECOND)
    before = follower.due
    event = CollectorStateChange(name="a", oper_status=OperStatus.DOWN)
    assert follower.note(event, SECOND) is has_state
    assert (follower.due < before) is has_state
    sampled = Follower(0, replace(wanted, mode=m.Mode.SAMPLE, interval=SECOND), SECOND)
    assert not sampled.note(event, SECOND)


async def test_the_shortest_interval(server: Server, client: Client, state: State) -> None:
    del state
    for fields in (
        sample(BYTES, 0.049),
        sample(BYTES, 1, heartbeat_interval=1),
        {"path": path(BYTES), "mode": 0, "sample_interval": 1},
    ):
        code, message = await (await client.subscribe(fields)).status()
        assert (code, "50 ms" in message) == ("INVALID_ARGUMENT", True)
    stream = await client.subscribe(sample(BYTES, 0))
    await stream.initial()
    assert values(await stream.update()) == {BYTES: 1}
    (group,) = server.door.engine.subscriptions.groups
    assert group.wanted[0].interval == 50_000_000


async def test_suppress_redundant(client: Client, state: State) -> None:
    fields = sample(f"{A}/statistics", suppress_redundant=True)
    stream = await client.subscribe(fields)
    await stream.initial()
    state.told["a"]["bytes-sent"] = 7
    assert values(await stream.update()) == {BYTES: 7}
    state.told["a"]["oper-status"] = "down"
    assert values(await stream.update()) == {STATUS: "down"}


async def test_heartbeat_of_what_is_suppressed(client: Client, state: State) -> None:
    del state
    fields = sample(BYTES, suppress_redundant=True, heartbeat_interval=SECOND // 10)
    stream = await client.subscribe(fields)
    await stream.initial()
    assert values(await stream.update()) == {BYTES: 1}


async def test_an_entry_that_goes_is_deleted_at_the_next_sample(
    client: Client, state: State
) -> None:
    state.told.clear()
    stream = await client.subscribe(sample(LIST))
    await stream.initial()
    await client.set(delete=[path(A)])
    assert deleted(await until(stream, lambda one: bool(one.delete))) == [A]


async def test_many_entries_are_spread_over_the_interval(
    server: Server, client: Client, state: State
) -> None:
    state.told = {f"x{n}": {"bytes-sent": n} for n in range(300)}
    entries = [collector(f"x{n}") for n in range(300)]
    await client.set(update=[update(LIST, entries)])
    stream = await client.subscribe(sample(f"{LIST}/statistics/bytes-sent", 0.2))
    assert len(await stream.state()) == 300
    seen: set[str] = set()
    while len(seen) < 300:
        told = values(await stream.update())
        assert len(told) <= 64
        seen |= told.keys()
    del server


async def test_entries_of_one_moment_come_together(
    server: Server, client: Client, state: State
) -> None:
    """With one time, in one notification; what has another time comes in another one."""
    state.told["b"] = {"bytes-sent": 2, "oper-status": "up"}
    stream = await client.subscribe(sample(LIST, 0.1), prefix=m.Path(target="box"))
    committed, collected = await stream.initial()
    assert committed.timestamp == nanoseconds(server.datastore.record.time) < collected.timestamp
    assert values(collected).items() >= {BYTES: 1, BYTES.replace("=a", "=b"): 2}.items()
    assert values(committed).items() >= {f"{A}/port": 1, f"{B}/port": 2}.items()
    assert {committed.prefix.target, collected.prefix.target} == {"box"}
    again = [await stream.update() for _ in range(2)]
    assert [set(values(one)) for one in again] == [set(values(committed)), set(values(collected))]


async def test_target_defined(server: Server, client: Client, state: State) -> None:
    """Counters are sampled, the rest is told when it changes."""
    state.count()
    fields = {"path": path(A), "mode": 0, "sample_interval": SECOND // 10}
    stream = await client.subscribe(fields)
    await stream.initial()
    assert set(values(await stream.update())) == {BYTES}
    await client.set(update=[update(f"{A}/port", 5)])
    told = await until(stream, lambda one: BYTES not in values(one))
    assert values(told) == {f"{A}/port": 5}
    (group,) = server.door.engine.subscriptions.groups
    assert group.wanted[0].interval == SECOND // 10


# -- terms


async def test_target_prefix_models_and_depth(client: Client) -> None:
    prefix = path("/flow-export", target="box", origin="rfc7951")
    stream = await client.subscribe(
        on_change("/collector[name=a]"),
        prefix=prefix,
        extension=[m.Extension(depth={"level": 1})],
        use_models=[{"name": "flow-export"}],
    )
    (told,) = await stream.initial()
    assert (told.prefix.target, told.prefix.origin) == ("box", "rfc7951")
    assert f"{A}/port" in values(told)
    assert not any("sampled-flows" in where for where in values(told))


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"subscriptions": ["/flow-export/nothing"]}, "INVALID_ARGUMENT"),
        ({"subscriptions": ["/nothing"]}, "UNIMPLEMENTED"),
        ({"subscriptions": []}, "INVALID_ARGUMENT"),
        ({"subscriptions": [{"path": path(A), "mode": 9}]}, "INVALID_ARGUMENT"),
        ({"subscriptions": [A], "mode": 9}, "INVALID_ARGUMENT"),
        ({"subscriptions": [A], "use_models": [{"name": "none"}]}, "INVALID_ARGUMENT"),
        ({"subscriptions": [{"path": m.Path(origin="cli")}]}, "UNIMPLEMENTED"),
        ({"subscriptions": [A], "extension": [m.Extension(history={})]}, "UNIMPLEMENTED"),
        (
            {"subscriptions": [A], "extension": [m.Extension(commit={"id": "x"})]},
            "INVALID_ARGUMENT",
        ),
    ],
    ids=lambda value: str(value).replace("\n", " ")[:60],
)
async def test_terms_that_are_refused(client: Client, fields: Any, code: str) -> None:
    stream = await client.subscribe(*fields.pop("subscriptions"), **fields)
    assert (await stream.status())[0] == code


async def test_as_many_paths_as_may_be(client: Client) -> None:
    stream = await client.subscribe(*[f"{A}/port"] * 1024, mode=1)
    assert any(f"{A}/port" in values(one) for one in await stream.initial())
    stream = await client.subscribe(*[f"{A}/port"] * 1025, mode=1)
    code, message = await stream.status()
    assert (code, "1024" in message) == ("INVALID_ARGUMENT", True)


async def test_messages_out_of_order(client: Client) -> None:
    first = client.stream()
    await first.poll()
    assert (await first.status())[0] == "INVALID_ARGUMENT"
    malformed = client.stream()
    await malformed.write(b"\xff\xff")
    assert (await malformed.status())[0] == "INVALID_ARGUMENT"
    other = await client.subscribe(on_change(A))
    await other.initial()
    for mode in (0, 2):
        stream = await client.subscribe(on_change(A), mode=mode)
        if mode == 0:
            await stream.initial()
        request = m.SubscribeRequest()
        request.subscribe.subscription.add(path=path(A))
        await stream.write(request)
        assert (await stream.status())[0] == "INVALID_ARGUMENT"
    await client.set(update=[update(f"{A}/port", 5)])
    assert values(await other.update()) == {f"{A}/port": 5}
    silent = client.stream()
    await silent.call.done_writing()
    assert (await silent.status())[0] == "OK"


# -- groups, limits, access


async def test_those_who_ask_for_the_same_share_a_group(
    server: Server, client: Client, state: State
) -> None:
    state.count()
    others = [server.client() for _ in range(4)]
    streams = [await one.subscribe(sample(BYTES, 0.1)) for one in (client, *others)]
    for stream in streams:
        await stream.initial()
    groups = server.door.engine.subscriptions.groups
    assert len(groups) == 1
    asked = state.asked
    for stream in streams:
        await stream.update()
    assert state.asked - asked <= 3
    for stream in streams:
        stream.cancel()
    await conditions.until(lambda: not server.door.engine.subscriptions.groups, 20)


async def test_there_are_as_many_subscriptions_as_may_be(tmp_path: Path) -> None:
    more = flow_export(collector("a", 1))
    gnmi = {"max-subscriptions": 1}
    async with running_server(tmp_path, more=more, gnmi=gnmi) as server:
        client = server.client()
        first = await client.subscribe(on_change(A))
        await first.initial()
        second = await client.subscribe(on_change(A))
        assert (await second.status())[0] == "RESOURCE_EXHAUSTED"
        first.cancel()
        engine = server.door.engine
        await conditions.until(lambda: engine.clients.state()[0].subscriptions == 0, 20)
        assert engine.refusals.subscriptions == 1
        await (await client.subscribe(on_change(A))).initial()


async def test_what_may_not_be_read_is_not_told(server: Server, client: Client) -> None:
    bob = server.client(BOB)
    stream = await bob.subscribe(on_change("/server"))
    assert not any("/user[" in where for where in await stream.state())
    await client.set(update=[update("/server/user[name=eve]", {}), update("/server/http/port", 9)])
    assert values(await stream.update()) == {"/server/http/port": 9}


async def test_a_session_that_is_ended_by_another_one(server: Server, client: Client) -> None:
    stream = await client.subscribe(on_change(A))
    await stream.initial()
    (session,) = server.datastore.sessions
    server.datastore.kill_session(server.operator(), session.id)
    assert (await stream.status())[0] == "ABORTED"
    assert await client.value(f"{A}/port") == 1


async def test_counters_of_a_client(server: Server, client: Client) -> None:
    stream = await client.subscribe(on_change(A))
    await stream.initial()
    entry = await client.value("/server/gnmi/client")
    assert entry["flow-export-server:subscriptions"] == 1
    assert int(entry["flow-export-server:notifications"]) >= 1
    (session,) = server.datastore.sessions
    assert (session.user, session.door) == ("ann", "gnmi")
    assert entry["flow-export-server:session"] == session.id


async def test_counters_of_refusals_are_state(server: Server, client: Client) -> None:
    kinds = ("failed_logins", "blocked_sources", "sessions", "subscriptions", "slow_clients")
    for number, kind in enumerate((*kinds, "malformed_requests"), start=1):
        setattr(server.door.engine.refusals, kind, number)
    told = await client.value("/server/gnmi/refusals")
    expected = {kind: str(number) for number, kind in enumerate(kinds, start=1)}
    expected["malformed_requests"] = "6"
    assert {name.split(":")[-1].replace("-", "_"): str(v) for name, v in told.items()} == expected


async def test_coalesced_messages_of_a_client_are_state(server: Server, client: Client) -> None:
    await client.value("/server/gnmi")
    (session,) = server.datastore.sessions
    with server.door.engine.clients.enter(session.source, session.user) as one:
        assert one.session is session
        one.coalesced = 7
    entry = await client.value("/server/gnmi/client")
    assert str(entry["flow-export-server:coalesced"]) == "7"


async def test_allow_aggregation_and_qos_change_nothing(client: Client) -> None:
    told = []
    for more in ({}, {"allow_aggregation": True, "qos": {"marking": 1}}):
        stream = await client.subscribe(f"{A}/port", f"{A}/address", mode=1, **more)
        told.append([values(one) for one in await stream.initial()])
    assert told[0] == told[1] != []


# -- slow clients


async def test_a_client_that_does_not_read_is_coalesced_and_then_ended(tmp_path: Path) -> None:
    """Others are unharmed meanwhile."""
    more = flow_export(*(collector(f"x{n}") for n in range(200)))
    gnmi = {"min-sample-interval": 10}
    async with running_server(tmp_path, more=more, gnmi=gnmi, patience=3.0) as server:
        client, slow = server.client(), server.client()
        lazy = await slow.subscribe(sample(LIST, 0.2), encoding=4)
        engine = server.door.engine

        def is_coalesced() -> bool:
            return sum(one.coalesced or 0 for one in engine.clients.state()) > 1000

        await conditions.until(is_coalesced, 20)
        busy = await client.subscribe(sample(f"{LIST}[name=x1]/port", 0.1))
        assert await busy.state() == {f"{LIST}[name=x1]/port": 6343}
        await conditions.until(lambda: engine.refusals.slow_clients == 1, 40)
        for _ in range(5):
            assert values(await busy.update()) == {f"{LIST}[name=x1]/port": 6343}
        assert (await lazy.status())[0] == "RESOURCE_EXHAUSTED"


async def test_more_octets_than_may_wait_end_a_subscriber(
    server: Server, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = await client.subscribe(on_change(A))
    await stream.initial()
    monkeypatch.setattr("flowexport_mgmt.north.gnmi.subscribe.backlog.CAP", 10)
    await client.set(update=[update(f"{A}/port", 5)])
    code, message = await stream.status()
    assert (code, "octets wait" in message) == ("RESOURCE_EXHAUSTED", True)
    assert server.door.engine.refusals.slow_clients == 1


async def test_what_was_coalesced_says_so(tmp_path: Path) -> None:
    more = flow_export(*(collector(f"x{n}") for n in range(200)))
    gnmi = {"min-sample-interval": 10}
    async with running_server(tmp_path, more=more, gnmi=gnmi) as server:
        slow = server.client()
        lazy = await slow.subscribe(sample(LIST, 0.2), encoding=4)
        engine = server.door.engine
        await conditions.until(
            lambda: sum(c.coalesced or 0 for c in engine.clients.state()) > 99, 20
        )

        def is_marked(notification: Any) -> bool:
            return any(one.duplicates for one in notification.update)

        async with asyncio.timeout(20):
            while (response := await lazy.read()) is not None:
                if is_marked(response.update):
                    break
