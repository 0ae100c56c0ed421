"""The audit log: a line for each commit, rollback and refusal."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.clocks import ManualClock
from tests.support.edits import collector, flow_export, server, whole_collector
from tests.support.stores import Operator, Recorder, Refusal, open_store

from flowexport_mgmt.datastore import Confirmed, Datastore, Store
from flowexport_mgmt.datastore import audit as module
from flowexport_mgmt.datastore.description import MAX_CHANGES
from flowexport_mgmt.errors import ManagementError
from flowexport_mgmt.schema.context import SchemaContext

A = "/fe:flow-export/fe:collector[fe:name='a']"
HASH = "$6$rounds=5000$saltsaltsalt$" + "x" * 86


@pytest.fixture
async def store(schema: SchemaContext, tmp_path: Path) -> AsyncIterator[Datastore]:
    store = open_store(schema, tmp_path, clock=ManualClock())
    yield store
    await store.stop()


@pytest.fixture
def ann(store: Datastore) -> Operator:
    return Operator(store, "ann")


def lines(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "audit.jsonl").read_text()
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("audit*"))


async def refused(work: Any) -> None:
    with pytest.raises(ManagementError):
        await work


async def test_a_commit(store: Datastore, ann: Operator, tmp_path: Path) -> None:
    await ann.edit(flow_export(whole_collector("a", "<port>1</port>")))
    await store.commit(ann.session, comment="first", label="one")
    await ann.edit(flow_export(collector("a", "<port>2</port><dscp>3</dscp>")))
    await ann.commit(flow_export(collector("a", '<dscp nc:operation="delete"/>')))
    first, second = lines(tmp_path)
    assert first == {
        "time": "2026-01-01T00:00:00.000+00:00",
        "user": "ann",
        "door": "netconf-ssh",
        "source": "192.0.2.9",
        "session": ann.session.id,
        "result": "committed",
        "id": 1,
        "comment": "first",
        "label": "one",
        "nodes": 5,
        "changes": [
            {
                "operation": "created",
                "path": "/fe:flow-export",
                "nodes": 5,
                "new": {
                    "fe:collector[fe:name='a']/fe:name": "a",
                    "fe:collector[fe:name='a']/fe:address": "192.0.2.1",
                    "fe:collector[fe:name='a']/fe:protocol": "ipfix",
                    "fe:collector[fe:name='a']/fe:port": "1",
                },
            }
        ],
    }
    assert {"operation": "changed", "path": f"{A}/fe:port", "old": "1", "new": "2"} in second[
        "changes"
    ]
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o777 == 0o600


async def test_refusals(store: Datastore, ann: Operator, tmp_path: Path) -> None:
    bob = Operator(store, "bob")
    await refused(ann.commit(flow_export(collector("a"))))
    store.discard(ann.session)
    component = Recorder(refusals=[Refusal(f"{A}/fe:port", "no")])
    store.register(component)
    await refused(ann.edit(flow_export(whole_collector("a")), Store.RUNNING))
    store.lock(bob.session, Store.RUNNING)
    await refused(store.copy(ann.session, Store.RUNNING, Store.CANDIDATE))
    await refused(store.cancel_commit(bob.session))
    told = [
        (entry["operation"], [error["tag"] for error in entry["errors"]])
        for entry in lines(tmp_path)
    ]
    assert told == [
        ("commit", ["data-missing", "data-missing"]),
        ("write running", ["operation-failed"]),
        ("copy candidate to running", ["in-use"]),
        ("cancel-commit", ["operation-failed"]),
    ]
    assert lines(tmp_path)[0]["errors"][0]["path"] == f"{A}/fe:address"
    assert {entry["result"] for entry in lines(tmp_path)} == {"refused"}


async def test_denied_access(store: Datastore, tmp_path: Path) -> None:
    cyd = Operator(store, "cyd", recovery=False)
    await refused(cyd.edit(flow_export(whole_collector("a"))))
    await refused(cyd.edit(flow_export(collector("a", "<port>1</port>")), Store.RUNNING))
    with pytest.raises(ManagementError):
        store.access.require_execute(cyd.session, "ietf-netconf", "kill-session")
    assert [(e["user"], e["operation"], e["errors"][0]["tag"]) for e in lines(tmp_path)] == [
        ("cyd", "edit candidate", "access-denied"),
        ("cyd", "write running", "access-denied"),
        ("cyd", "kill-session", "access-denied"),
    ]


async def test_confirmed_commits(store: Datastore, ann: Operator, tmp_path: Path) -> None:
    await ann.commit(flow_export(whole_collector("a")), Confirmed())
    await ann.commit(confirmed=Confirmed())
    await ann.commit()
    await ann.commit(flow_export(collector("a", "<port>1</port>")), Confirmed())
    store.close_session(ann.session)
    await store._commits.writes.drain()
    told = [(entry["result"], entry["id"], entry["door"]) for entry in lines(tmp_path)]
    assert told == [
        ("committed", 1, "netconf-ssh"),
        ("start", 1, "netconf-ssh"),
        ("extend", 1, "netconf-ssh"),
        ("complete", 1, "netconf-ssh"),
        ("committed", 2, "netconf-ssh"),
        ("start", 2, "netconf-ssh"),
        ("committed", 3, "rollback"),
        ("cancel", 3, "rollback"),
    ]
    assert lines(tmp_path)[0]["confirm-by"] == "2026-01-01T00:10:00.000+00:00"
    assert "session 1 ended" in lines(tmp_path)[-2]["comment"]


async def test_secrets_are_masked(ann: Operator, tmp_path: Path) -> None:
    user = f"<user><name>u</name><password-hash>{HASH}</password-hash></user>"
    await ann.commit(server(user))
    await ann.commit(server(user.replace("saltsalt", "pepper")))
    await ann.commit(server('<user><name>u</name><password-hash nc:operation="delete"/></user>'))
    text = (tmp_path / "audit.jsonl").read_text()
    assert "$6$" not in text
    path = "/fxs:server/fxs:user[fxs:name='u']/fxs:password-hash"
    assert [change for entry in lines(tmp_path)[1:] for change in entry["changes"]] == [
        {"operation": "changed", "path": path, "old": "(secret)", "new": "(secret)"},
        {"operation": "deleted", "path": path, "old": "(secret)"},
    ]


async def test_a_line_is_bounded(ann: Operator, tmp_path: Path) -> None:
    await ann.commit(flow_export(*(whole_collector(f"c{n}") for n in range(300))))
    await ann.commit(flow_export(*(collector(f"c{n}", "<dscp>1</dscp>") for n in range(300))))
    await refused(ann.commit(flow_export(*(collector(f"d{n}") for n in range(300)))))
    whole, many, errors = lines(tmp_path)
    assert len(whole["changes"][0]["new"]) == 50
    assert len(many["changes"]) == MAX_CHANGES + 1
    assert many["changes"][-1] == {"more": 200}
    assert (len(errors["errors"]), errors["more-errors"]) == (16, 600 - 16)


async def test_the_file_is_put_aside_when_it_is_large(
    ann: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_SIZE", 200)
    for number in range(1, 9):
        await ann.edit(flow_export(whole_collector("a", f"<port>{number}</port>")), Store.RUNNING)
    names = names_in(tmp_path)
    assert names == [f"audit.jsonl.{number}" for number in range(1, module.KEPT + 1)]
    kept = [json.loads((tmp_path / name).read_text())["id"] for name in names]
    assert kept == [8, 7, 6, 5]


@pytest.mark.parametrize("obstacle", ["a folder", "a full disk", "a link"])
async def test_what_cannot_be_written_stops_no_commit(
    store: Datastore, ann: Operator, tmp_path: Path, obstacle: str
) -> None:
    file = tmp_path / "audit.jsonl"
    if obstacle == "a folder":
        file.mkdir()
    else:
        file.symlink_to("/dev/full" if obstacle == "a full disk" else tmp_path / "other")
    assert await ann.commit(flow_export(whole_collector("a"))) == 1
    with await store.operational(["/server/audit"]) as tree:
        node = tree.find("/flow-export-server:server/audit/failures")
        assert node is not None
        assert node.value == "1"
    assert not (tmp_path / "other").exists()
    file.rmdir() if obstacle == "a folder" else file.unlink()
    assert await ann.commit(flow_export(collector("a", "<port>1</port>"))) == 2
    assert [entry["id"] for entry in lines(tmp_path)] == [2]
