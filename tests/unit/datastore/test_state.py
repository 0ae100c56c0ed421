from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.edits import flow_export, whole_collector
from tests.support.stores import Operator, Reporter, open_store

from flowexport_mgmt.datastore import Datastore, Store
from flowexport_mgmt.datastore.state import merge
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.model.flow_export import (
    CollectorState,
    CollectorStatistics,
    Counters,
    Exporter,
    FlowExportState,
)
from flowexport_mgmt.model.server import HttpState, NetconfSshState, NetconfState, ServerState
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.tree import Format

EXPORT, SERVER = "flow-export:flow-export", "flow-export-server:server"
STATE = FlowExportState(
    collector=(
        CollectorState(
            name="a", statistics=CollectorStatistics(oper_status=OperStatus.UP, errors=2**40)
        ),
    ),
    counters=Counters(polls=3),
)


@pytest.fixture
async def store(schema: SchemaContext, tmp_path: Path) -> AsyncIterator[Datastore]:
    store = open_store(schema, tmp_path)
    yield store
    await store.stop()


async def operational(store: Datastore, *paths: str) -> Any:
    with await store.operational(paths or ("/",)) as tree:
        return json.loads(tree.print(Format.JSON))


async def test_configuration_and_state_are_one_tree(store: Datastore) -> None:
    store.register_state(Reporter({EXPORT: STATE}))
    await Operator(store).commit(flow_export(whole_collector("a", "<port>99</port>")))
    data = (await operational(store))[EXPORT]
    assert data == {
        "collector": [
            {
                "name": "a",
                "address": "192.0.2.1",
                "port": 99,
                "protocol": "ipfix",
                "statistics": {"oper-status": "up", "errors": str(2**40)},
            }
        ],
        "counters": {"polls": "3"},
    }
    with store.read(Store.RUNNING) as running:
        assert "statistics" not in running.print(Format.JSON).decode()


async def test_state_does_not_make_a_container_present(store: Datastore) -> None:
    store.register_state(Reporter({EXPORT: STATE}))
    assert EXPORT not in await operational(store)
    assert (await store.state()).nodes[EXPORT] == STATE


async def test_only_those_concerned_are_asked(store: Datastore) -> None:
    export, http = Reporter({EXPORT: STATE}), Reporter({}, ["/server/http"])
    store.register_state(export)
    store.register_state(http)
    await store.state(["/flow-export/collector"])
    await store.state(["/server"])
    await store.state(["/interfaces"])
    assert export.asked == [["/flow-export/collector"]]
    assert http.asked == [["/server"]]


async def test_several_may_report_one_node(store: Datastore) -> None:
    ssh = ServerState(netconf=NetconfState(ssh=NetconfSshState(oper_status=OperStatus.UP)))
    key = ServerState(netconf=NetconfState(ssh=NetconfSshState(host_key_fingerprint="SHA256:x")))
    http = ServerState(http=HttpState(oper_status=OperStatus.DOWN, oper_reason="taken"))
    for state in (ssh, key, http):
        store.register_state(Reporter({SERVER: state}, ["/server"]))
    data = (await operational(store))[SERVER]
    assert data["netconf"]["ssh"] == {"oper-status": "up", "host-key-fingerprint": "SHA256:x"}
    assert data["http"] == {"oper-status": "down", "oper-reason": "taken"}


def test_entries_are_merged_by_their_keys() -> None:
    def entry(name: str, **values: Any) -> CollectorState:
        return CollectorState(name=name, statistics=CollectorStatistics(**values))

    one = FlowExportState(collector=(entry("a", errors=1), entry("b", errors=2)))
    other = FlowExportState(
        collector=(entry("b", sequence=7), entry("c")), exporter=Exporter(restarts=1)
    )
    assert merge(one, other) == FlowExportState(
        collector=(entry("a", errors=1), entry("b", errors=2, sequence=7), entry("c")),
        exporter=Exporter(restarts=1),
    )


async def test_plain_objects_are_taken_too(store: Datastore) -> None:
    name = "ietf-netconf-monitoring:netconf-state"
    statistics = {"statistics": {"in-sessions": 3}}
    capabilities = {"capabilities": {"capability": ["urn:ietf:params:netconf:base:1.1"]}}
    for part in (statistics, capabilities):
        store.register_state(Reporter({name: part}, ["/netconf-state"]))
    assert (await operational(store, "/netconf-state"))[name] == {**statistics, **capabilities}


async def test_one_that_fails_does_not_keep_the_others_from_answering(
    store: Datastore, caplog: pytest.LogCaptureFixture
) -> None:
    store.register_state(Reporter({}, ["/server"], error=RuntimeError("boom")))
    sound = ServerState(http=HttpState(oper_reason="x"))
    store.register_state(Reporter({SERVER: sound}, ["/server"]))
    snapshot = await store.state(["/server"])
    assert snapshot.failures == ("Reporter: boom",)
    assert "boom" in caplog.text
    assert (await operational(store))[SERVER]["http"] == {"oper-reason": "x"}


async def test_what_does_not_fit_the_schema_is_left_out(
    store: Datastore, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = ServerState(netconf=NetconfState(ssh=NetconfSshState(oper_status="sideways")))  # type: ignore[arg-type]  # the point of it
    store.register_state(Reporter({SERVER: wrong}, ["/server"]))
    data = await operational(store)
    assert SERVER not in data
    assert "does not fit its schema" in caplog.text


async def test_cancelling_is_not_a_failure(store: Datastore) -> None:
    class Slow(Reporter):
        async def state(self, paths: Any) -> Any:
            self.asked.append(paths)
            started.set()
            await asyncio.Event().wait()

    started = asyncio.Event()
    store.register_state(Slow({}))
    task = asyncio.create_task(store.state(["/flow-export"]))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_sessions_and_history(store: Datastore) -> None:
    ann, bob = Operator(store, "ann"), Operator(store, "bob")
    await ann.commit(flow_export(whole_collector("a")))
    store.lock(bob.session, Store.RUNNING)
    bob.session.in_rpcs = 7
    store.rejected_sessions = 2
    data = (await operational(store, "/server"))[SERVER]
    assert data["sessions"]["rejected"] == "2"
    first, second = data["sessions"]["session"]
    assert (first["id"], first["user"], first.get("lock")) == (1, "ann", None)
    assert (second["user"], second["lock"], second["in-rpcs"]) == ("bob", ["running"], "7")
    (commit,) = data["history"]["commit"]
    assert (commit["id"], commit["user"], commit["changes"]) == ("1", "ann", 4)
    assert "sessions" not in (await operational(store, "/server/history"))[SERVER]
    store.close_session(ann.session)
    data = (await operational(store, "/server/sessions"))[SERVER]
    assert [session["user"] for session in data["sessions"]["session"]] == ["bob"]


async def test_the_module_list_is_state(store: Datastore) -> None:
    data = await operational(store, "/yang-library")
    library = data["ietf-yang-library:yang-library"]
    assert library["content-id"] == store.schema.content_id
    names = {module["name"] for module in library["module-set"][0]["module"]}
    assert {"flow-export", "ietf-netconf"} <= names
    assert "ietf-yang-library:modules-state" not in data
    assert "ietf-yang-library:modules-state" in await operational(store)
