"""A process that dies at any step of a commit leaves the configuration before it or after it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.stores import open_store

from flowexport_mgmt.datastore import Datastore
from flowexport_mgmt.observe import crash
from flowexport_mgmt.schema.context import SchemaContext

ROOT = Path(__file__).parents[3]
ALL_POINTS = [name for name in crash.names() if name.startswith("datastore.")]
POINTS = [name for name in ALL_POINTS if ".rollback." not in name]
DURABLE = {
    "datastore.running.after-rename",
    "datastore.running.after-folder-fsync",
    "datastore.commit.before-apply",
    "datastore.commit.after-apply",
    "datastore.history.before-link",
    "datastore.history.after-link",
    "datastore.history.after-prune",
}


def commit(
    folder: Path, port: int, crash_at: str = "", *how: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.support.commit_once", str(folder), str(port), *how]
    environment = {**os.environ, crash.VARIABLE: crash_at}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def port_of(store: Datastore) -> int:
    assert store.configuration.flow_export is not None
    return store.configuration.flow_export.collector[0].port


def test_all_steps_are_known() -> None:
    assert len(POINTS) == 11
    assert len(ALL_POINTS) == 13
    assert set(POINTS) > DURABLE


@pytest.mark.parametrize("point", POINTS)
async def test_a_crash(schema: SchemaContext, tmp_path: Path, point: str) -> None:
    assert commit(tmp_path, 1).stdout == "1\n"
    # a start passes the history's steps once for the commit that it finds
    died = commit(tmp_path, 2, f"{point}:2" if ".history." in point else point)
    assert (died.returncode, died.stdout) == (crash.EXIT_STATUS, ""), died.stderr
    store = open_store(schema, tmp_path)
    try:
        after = point in DURABLE
        assert (port_of(store), store.record.id) == ((2, 2) if after else (1, 1))
        assert store.history[-1] == store.record
    finally:
        await store.stop()
    assert commit(tmp_path, 3).stdout == ("3\n" if after else "2\n")
    assert not (tmp_path / "running.json.new").exists()


@pytest.mark.parametrize("point", [p for p in POINTS if not p.startswith("datastore.commit.")])
async def test_a_crash_in_the_first_commit(
    schema: SchemaContext, tmp_path: Path, point: str
) -> None:
    assert commit(tmp_path, 1, point).returncode == crash.EXIT_STATUS
    store = open_store(schema, tmp_path)
    try:
        assert store.record.id == (1 if point in DURABLE else 0)
        assert (store.configuration.flow_export is not None) is (point in DURABLE)
    finally:
        await store.stop()


def passes(point: str) -> tuple[int, ...]:
    """Tell which passes of a point belong to a confirmed commit and to its rollback."""
    if ".history." in point:  # the first is the start's
        return (2, 3)
    return (1, 2) if ".running." in point else (1,)


@pytest.mark.parametrize(
    ("point", "number"), [(point, number) for point in ALL_POINTS for number in passes(point)]
)
async def test_a_crash_before_a_commit_is_confirmed(
    schema: SchemaContext, tmp_path: Path, point: str, number: int
) -> None:
    """Wherever it dies, in the commit or in the rollback: the configuration before comes back."""
    assert commit(tmp_path, 1).stdout == "1\n"
    died = commit(tmp_path, 2, f"{point}:{number}", "cancel")
    assert (died.returncode, died.stdout) == (crash.EXIT_STATUS, ""), died.stderr
    for _ in range(2):  # what was put right at the first start is so at the second
        store = open_store(schema, tmp_path)
        try:
            assert port_of(store) == 1
            assert store.pending is None
            assert store.history[-1] == store.record
        finally:
            await store.stop()


@pytest.mark.parametrize("point", [p for p in ALL_POINTS if ".running." in p or ".history." in p])
async def test_a_crash_while_a_commit_is_confirmed(
    schema: SchemaContext, tmp_path: Path, point: str
) -> None:
    """Once it is on disk that it is confirmed it stays; before that it is rolled back."""
    assert commit(tmp_path, 1).stdout == "1\n"
    died = commit(tmp_path, 2, f"{point}:{passes(point)[-1]}", "confirm")
    assert (died.returncode, died.stdout) == (crash.EXIT_STATUS, ""), died.stderr
    store = open_store(schema, tmp_path)
    try:
        assert (port_of(store), store.record.id) == ((2, 2) if point in DURABLE else (1, 3))
        assert store.pending is None
        assert store.history[-1] == store.record
    finally:
        await store.stop()
