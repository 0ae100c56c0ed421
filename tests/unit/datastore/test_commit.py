from __future__ import annotations

import errno
import json
import os
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.support.edits import collector, flow_export, server, shown, whole_collector
from tests.support.stores import Operator, Recorder, Refusal, open_store

from flowexport_mgmt.datastore import ConfigurationChanged, Datastore, Store
from flowexport_mgmt.datastore.clock import Clock
from flowexport_mgmt.datastore.files import HISTORY, StateFolder
from flowexport_mgmt.errors import ExitCode, ManagementError, StartError
from flowexport_mgmt.schema.context import SchemaContext

A = "/fe:flow-export/fe:collector[fe:name='a']"
ONE = flow_export(whole_collector("a"))
RECORD = '{"id":1,"time":"","user":"","door":""}'


@pytest.fixture
async def store(schema: SchemaContext, tmp_path: Path) -> AsyncIterator[Datastore]:
    store = open_store(schema, tmp_path)
    yield store
    await store.stop()


@pytest.fixture
def ann(store: Datastore) -> Operator:
    return Operator(store, "ann")


async def refused(operator: Operator, xml: str = "") -> list[tuple[str, str, str]]:
    with pytest.raises(ManagementError) as error:
        await operator.commit(xml)
    return shown(error.value.faults)


def on_disk(folder: Path) -> Any:
    return json.loads((folder / "running.json").read_bytes())


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def add(store: Datastore, *components: Recorder) -> None:
    for component in components:
        store.register(component)
    await store.start()
    for component in components:
        component.calls.clear()


# -- components


async def test_components_start_with_what_runs(store: Datastore, ann: Operator) -> None:
    component = Recorder()
    await ann.commit(ONE)
    store.register(component)
    await store.start()
    assert component.calls == ["prepare 1 leniently", "apply"]
    assert component.running == store.configuration
    await store.restore(component)
    assert component.calls[2:] == ["prepare 1 leniently", "apply"]


async def test_only_components_that_are_concerned_take_part(
    store: Datastore, ann: Operator
) -> None:
    export, http, ssh, port = (
        Recorder(paths)
        for paths in (["/flow-export"], ["/server/http"], ["/server/netconf", "/server/user"],
                      ["/flow-export/collector/port"])
    )  # fmt: skip
    await add(store, export, http, ssh, port)
    await ann.commit(ONE)
    await ann.commit(server("<user><name>u</name></user>"))
    await ann.commit(flow_export(collector("a", "<dscp>1</dscp>")))
    assert export.calls == ["prepare 1", "apply", "prepare 3", "apply"]
    assert http.calls == []
    assert ssh.calls == ["prepare 2", "apply"]
    assert port.calls == ["prepare 1", "apply"]  # the entry above came with commit 1
    assert export.running == store.configuration


async def test_a_change_by_a_condition_is_a_change(store: Datastore, ann: Operator) -> None:
    refresh = Recorder(["/flow-export/collector/template-refresh"])
    await add(store, refresh)
    await ann.commit(flow_export(whole_collector("a", "<template-refresh>9</template-refresh>")))
    refresh.calls.clear()
    with store.events.subscribe() as events:
        await ann.commit(flow_export(collector("a", "<protocol>sflow</protocol>")))
        event = await anext(aiter(events))
    assert refresh.calls == ["prepare 2", "apply"]
    assert isinstance(event, ConfigurationChanged)
    assert [(change.kind, change.path) for change in event.changes] == [
        ("changed", f"{A}/fe:protocol"),
        ("deleted", f"{A}/fe:template-refresh"),
    ]
    assert event.record.changes == 2


async def test_every_refusal_is_told_and_everybody_aborted(
    store: Datastore, ann: Operator, tmp_path: Path
) -> None:
    path = "/flow-export:flow-export/collector[name='a']/source-address"
    willing = Recorder()
    unwilling = Recorder(refusals=[Refusal(path, "no such address"), Refusal("", "and more")])
    broken = Recorder()
    await add(store, willing, unwilling, broken)
    broken.error = RuntimeError("boom")
    assert await refused(ann, ONE) == [
        ("operation-failed", "", f"{A}/fe:source-address"),
        ("operation-failed", "", ""),
        ("operation-failed", "", ""),
    ]
    for component in (willing, unwilling, broken):
        assert component.calls == ["prepare 1", "abort"]
    assert store.record.id == 0
    assert not (tmp_path / "running.json").exists()
    with store.read(Store.CANDIDATE) as candidate:
        assert candidate.find("/flow-export:flow-export/collector[name='a']") is not None
    unwilling.refusals, broken.error = (), None
    assert await ann.commit() == 1


async def test_a_refusal_without_a_path_that_can_be_rendered(
    store: Datastore, ann: Operator
) -> None:
    await add(store, Recorder(refusals=[Refusal("eth0", "does not like it")]))
    with pytest.raises(ManagementError) as error:
        await ann.commit(ONE)
    (fault,) = error.value.faults
    assert (fault.path, fault.message) == ("", "eth0: does not like it")


async def test_a_failure_to_apply_does_not_undo_a_commit(store: Datastore, ann: Operator) -> None:
    class Broken(Recorder):
        async def apply(self) -> None:
            await super().apply()
            raise RuntimeError("boom")

    broken, sound = Broken(), Recorder()
    broken.running = store.configuration
    await add(store, broken, sound)
    assert await ann.commit(ONE) == 1
    assert sound.calls == ["prepare 1", "apply"]
    assert sound.running == store.configuration


async def test_stopping_is_in_reverse(schema: SchemaContext, tmp_path: Path) -> None:
    order: list[str] = []

    class Named(Recorder):
        async def stop(self) -> None:
            order.append(self.paths[0])

    store = open_store(schema, tmp_path)
    store.register(Named(["/first"]))
    store.register(Named(["/second"]))
    await store.stop()
    assert order == ["/second", "/first"]


# -- durability


async def test_a_commit_is_on_disk(store: Datastore, ann: Operator, tmp_path: Path) -> None:
    await ann.edit(ONE)
    await store.commit(ann.session, comment="first")
    file = on_disk(tmp_path)
    assert file["commit"]["id"] == 1
    assert (file["commit"]["user"], file["commit"]["comment"]) == ("ann", "first")
    assert file["commit"]["changes"] == 4  # the container, the entry and two leaves
    assert file["configuration"]["flow-export:flow-export"]["collector"][0]["name"] == "a"
    assert (tmp_path / "running.json").stat().st_mode & 0o777 == 0o600
    assert names_in(tmp_path) == ["audit.jsonl", "history", "running.json"]


async def test_what_was_committed_comes_back(
    store: Datastore, ann: Operator, schema: SchemaContext, tmp_path: Path
) -> None:
    await ann.commit(ONE)
    await ann.commit(server("<http><port>99</port></http>"))
    other = open_store(schema, tmp_path)
    try:
        assert (other.record, other.history) == (store.record, store.history)
        assert other.configuration == store.configuration
        assert await Operator(other).commit(flow_export(whole_collector("b"))) == 3
    finally:
        await other.stop()


class StoppingClock(Clock):
    """A clock that stops telling the time."""

    def __init__(self) -> None:
        self.stopped = False

    def now(self) -> datetime:
        if self.stopped:
            raise OSError(errno.EINVAL, "no time")
        return super().now()


async def test_what_was_prepared_is_aborted_when_the_commit_cannot_be_dated(
    schema: SchemaContext, tmp_path: Path
) -> None:
    clock, component = StoppingClock(), Recorder()
    store = open_store(schema, tmp_path, clock=clock)
    ann = Operator(store)
    try:
        await add(store, component)
        clock.stopped = True
        with pytest.raises(OSError, match="no time"):
            await ann.commit(ONE)
        assert component.calls == ["prepare 1", "abort"]
        clock.stopped = False
        assert await ann.commit() == 1
    finally:
        await store.stop()


@pytest.mark.parametrize(
    ("code", "tag"), [(errno.ENOSPC, "resource-denied"), (errno.EIO, "operation-failed")]
)
@pytest.mark.parametrize("call", ["open", "fsync", "replace", "folder"])
async def test_a_disk_error_undoes_everything(
    schema: SchemaContext, tmp_path: Path, call: str, code: int, tag: str
) -> None:
    store, component = open_store(schema, tmp_path), Recorder()
    ann = Operator(store)
    try:
        await add(store, component)
        await ann.commit(ONE)
        before = on_disk(tmp_path)
        component.calls.clear()
        with pytest.MonkeyPatch.context() as patch:
            break_disk(patch, call, code)
            ((found, _, _),) = await refused(ann, flow_export(collector("a", "<port>7</port>")))
        assert found == tag
        assert component.calls == ["prepare 2", "abort"]
        assert on_disk(tmp_path) == before
        assert store.record.id == 1
        assert not (tmp_path / "running.json.new").exists()
        assert await ann.commit() == 2
    finally:
        await store.stop()


def break_disk(patch: pytest.MonkeyPatch, call: str, code: int) -> None:
    """Let one step of writing fail, once; ``folder`` is the fsync of the folder."""
    owner: Any = Path if call == "replace" else os
    name = "fsync" if call == "folder" else call
    real: Callable[..., Any] = getattr(owner, name)
    failed: list[bool] = []

    def fail_once(*arguments: Any, **options: Any) -> Any:
        folder = call == "folder" and not Path(f"/proc/self/fd/{arguments[0]}").is_dir()
        if failed or folder:
            return real(*arguments, **options)
        failed.append(True)
        raise OSError(code, os.strerror(code))

    patch.setattr(owner, name, fail_once)


async def test_a_full_disk(schema: SchemaContext, tmp_path: Path) -> None:
    """On a device that is really full, nothing is lost."""
    folder = tmp_path / "state"
    store = open_store(schema, folder)
    ann = Operator(store)
    try:
        await ann.commit(ONE)
        before = (folder / "running.json").read_bytes()
        (folder / "running.json.new").symlink_to("/dev/full")
        ((tag, _, _),) = await refused(ann, flow_export(collector("a", "<port>7</port>")))
        assert tag == "operation-failed"  # a link in place of the file is not followed
        assert (folder / "running.json").read_bytes() == before
    finally:
        await store.stop()


# -- history


async def test_history_keeps_the_latest(
    store: Datastore, ann: Operator, schema: SchemaContext, tmp_path: Path
) -> None:
    for number in range(HISTORY + 3):
        await ann.edit(flow_export(whole_collector("a", f"<port>{number + 1}</port>")),
                       Store.RUNNING)  # fmt: skip
    kept = list(range(4, HISTORY + 4))
    assert [record.id for record in store.history] == kept
    files = sorted(int(path.stem) for path in (tmp_path / "history").iterdir())
    assert files == kept
    entry = json.loads((tmp_path / "history" / "10.json").read_bytes())
    assert entry["configuration"]["flow-export:flow-export"]["collector"][0]["port"] == 10
    other = open_store(schema, tmp_path)
    assert [record.id for record in other.history] == kept
    await other.stop()


async def test_numbers_go_on_when_running_was_moved_away(
    ann: Operator, schema: SchemaContext, tmp_path: Path
) -> None:
    await ann.commit(ONE)
    (tmp_path / "running.json").unlink()
    other = open_store(schema, tmp_path)
    try:
        assert other.record.id == 1
        assert await Operator(other).commit(ONE) == 2
    finally:
        await other.stop()


# -- start


async def test_an_init_document_is_the_first_commit(schema: SchemaContext, tmp_path: Path) -> None:
    init = tmp_path / "init.json"
    init.write_text('{"flow-export-server:server":{"http":{"port":99}}}')
    folder = tmp_path / "state"
    store = open_store(schema, folder, init)
    try:
        assert (store.record.id, store.record.door, store.record.changes) == (1, "init", 9)
        assert store.configuration.server.http.port == 99
        written = on_disk(folder)["configuration"]
        assert written.pop("ietf-netconf-acm:nacm")  # access at the first start
        assert written == json.loads(init.read_text())
        await Operator(store).commit(ONE)
    finally:
        await store.stop()
    again = open_store(schema, folder, init)
    assert again.record.id == 2  # what is there wins
    await again.stop()


def start_error(schema: SchemaContext, folder: Path, init: Path | None = None) -> StartError:
    with pytest.raises(StartError) as error:
        open_store(schema, folder, init)
    return error.value


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"commit":{"id":1},"configuration":{}}',
        f'{{"commit":{RECORD},"configuration":[]}}',
        f'{{"commit":{RECORD},"configuration":{{"x:y":1}}}}',
        f'{{"commit":{RECORD},"configuration":{{"kinds:rules":{{"limited":10}}}}}}',
    ],
)
def test_a_file_that_cannot_be_used_is_left_alone(
    schema: SchemaContext, tmp_path: Path, content: str
) -> None:
    file = tmp_path / "running.json"
    file.write_text(content)
    error = start_error(schema, tmp_path)
    assert error.code is ExitCode.CONFIGURATION
    assert str(file) in str(error)
    assert "move it away" in str(error)
    assert file.read_text() == content
    assert [path.name for path in tmp_path.iterdir()] == ["running.json"]


async def test_the_way_out_is_an_entry_that_is_sound(
    ann: Operator, schema: SchemaContext, tmp_path: Path
) -> None:
    await ann.commit(ONE)
    await ann.commit(flow_export(collector("a", "<port>7</port>")))
    with (tmp_path / "running.json").open("r+") as file:  # in place, so 2.json has it too
        file.truncate(20)
    error = start_error(schema, tmp_path)
    assert str(tmp_path / "history" / "1.json") in str(error)
    entry = (tmp_path / "history" / "1.json").read_bytes()
    (tmp_path / "running.json").unlink()
    (tmp_path / "running.json").write_bytes(entry)
    other = open_store(schema, tmp_path)
    assert other.record.id == 1
    await other.stop()


def test_faults_of_a_file_have_paths(schema: SchemaContext, tmp_path: Path) -> None:
    init = tmp_path / "init.json"
    init.write_text('{"flow-export:flow-export":{"collector":[{"name":"a","port":0}]}}')
    error = start_error(schema, tmp_path / "state", init)
    assert error.code is ExitCode.CONFIGURATION
    assert f"{init}: {A}/fe:port" in str(error)
    assert not (tmp_path / "state").exists()


def test_an_init_document_that_is_not_there(schema: SchemaContext, tmp_path: Path) -> None:
    error = start_error(schema, tmp_path, tmp_path / "nothing.json")
    assert error.code is ExitCode.RESOURCE_MISSING
    assert "nothing.json" in str(error)


def test_a_folder_in_place_of_the_file(schema: SchemaContext, tmp_path: Path) -> None:
    (tmp_path / "running.json").mkdir()
    assert "running.json" in str(start_error(schema, tmp_path))


def test_a_history_entry_that_is_lost_is_made_again(tmp_path: Path, schema: SchemaContext) -> None:
    init = tmp_path / "init.json"
    init.write_text("{}")
    files = StateFolder(tmp_path)
    for _ in range(2):
        store = open_store(schema, tmp_path, init)
        assert files.last_id == 1
        (tmp_path / "history" / "1.json").unlink()
        store._transactions.running.tree.free()
