"""An edit of one leaf and its commit, fsync included, against what libyang needs for it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from lxml import etree

from bench.measure import Result, compare
from flowexport_mgmt.datastore import Datastore, EditOptions, Store
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.from_xml import edits_from_xml

SIZES = (10, 100, 1_000)
"""Collectors in the configuration."""

TARGET = 3.0
LIMIT = 0.030
"""CPU seconds of an edit and its commit at the largest size."""

_EDIT = (
    '<config><flow-export xmlns="urn:flowexport:flow-export"><collector><name>c7</name>'
    "<port>{}</port></collector></flow-export></config>"
)


def run(*, quick: bool) -> list[Result]:
    """Measure each size."""
    del quick  # it takes a few seconds
    schema = SchemaContext()
    results = [_measure(schema, size) for size in SIZES]
    largest = results[-1]
    if largest.ours.cpu > LIMIT:
        results[-1] = replace(largest, failure=f"above {LIMIT * 1e3:.0f} ms of CPU")
    return results


def _measure(schema: SchemaContext, size: int) -> Result:
    with (
        tempfile.TemporaryDirectory(dir=Path.cwd()) as folder,
        contextlib.closing(asyncio.new_event_loop()) as loop,
    ):
        store = _load(schema, Path(folder), size)
        session = store.open_session("bench", "bench", "", lambda: None, recovery=True)
        ports = itertools.cycle((7, 8))

        async def edit_and_commit() -> None:
            config = etree.fromstring(_EDIT.format(next(ports)))
            edits = edits_from_xml(schema, config)
            await store.edit(session, Store.CANDIDATE, edits, EditOptions())
            await store.commit(session)

        def ours() -> None:
            before = store.record.id
            loop.run_until_complete(edit_and_commit())
            if store.record.id != before + 1:
                raise AssertionError("nothing was committed")

        with _reference(store) as theirs:
            costs = compare(ours, theirs)
        loop.run_until_complete(store.stop())
    name = "libyang: duplicate, validate"
    return Result("edit one leaf + commit", size, name, *costs, target=TARGET)


def _load(schema: SchemaContext, folder: Path, size: int) -> Datastore:
    entries = [
        {"name": f"c{n}", "address": f"192.0.2.{n % 250 + 1}", "protocol": "ipfix"}
        for n in range(size)
    ]
    document = {"flow-export:flow-export": {"collector": entries}}
    init = folder / "init.json"
    init.write_text(json.dumps(document))
    store = Datastore(schema, folder / "state")
    store.load(init)
    return store


@contextlib.contextmanager
def _reference(store: Datastore) -> Iterator[Callable[[], None]]:
    """Give what libyang alone does for a commit: one copy, validated."""
    with store.read(Store.RUNNING) as tree:

        def theirs() -> None:
            with tree.duplicate() as copy:
                copy.validate()

        yield theirs
