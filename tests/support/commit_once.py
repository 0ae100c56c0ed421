"""Commit a port and say so: ``python -m tests.support.commit_once FOLDER PORT [HOW]``.

With ``cancel`` or ``confirm`` the commit is a confirmed one, and that is done to it before anything
is said.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.support.edits import flow_export, whole_collector
from tests.support.stores import Operator, open_store

from flowexport_mgmt.datastore import Confirmed, Store
from flowexport_mgmt.schema.context import SchemaContext


async def main(folder: Path, port: int, how: str = "") -> None:
    """Load, commit, and print the number of the commit."""
    store = open_store(SchemaContext(), folder)
    xml = flow_export(whole_collector("a", f"<port>{port}</port>"))
    operator = Operator(store)
    if not how:
        await operator.edit(xml, Store.RUNNING)
    else:
        await operator.commit(xml, Confirmed())
    if how == "cancel":
        await store.cancel_commit(operator.session)
    elif how == "confirm":
        await operator.commit()
    print(store.record.id, flush=True)  # noqa: T201 - what the test waits for


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
