"""Commit a port and say so: ``python -m tests.support.commit_once FOLDER PORT [cancel]``.

With ``cancel`` the commit is a confirmed one, and is cancelled before anything is said.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.support.edits import flow_export, whole_collector
from tests.support.stores import Operator, open_store

from flowexport_mgmt.datastore import Confirmed, Store
from flowexport_mgmt.schema.context import SchemaContext


async def main(folder: Path, port: int, *, cancel: bool) -> None:
    """Load, commit, and print the number of the commit."""
    store = open_store(SchemaContext(), folder)
    xml = flow_export(whole_collector("a", f"<port>{port}</port>"))
    operator = Operator(store)
    if cancel:
        await operator.commit(xml, Confirmed())
        await store.cancel_commit(operator.session)
    else:
        await operator.edit(xml, Store.RUNNING)
    print(store.record.id, flush=True)  # noqa: T201 - what the test waits for


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), cancel="cancel" in sys.argv))
