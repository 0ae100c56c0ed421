"""Ten thousand collectors in one edit: how it is told and undone, whatever it takes."""

from __future__ import annotations

from pathlib import Path

from lxml import etree
from tests.support.edits import flow_export, server, whole_collector
from tests.support.stores import Operator, open_store

from flowexport_mgmt.datastore import ConfigurationChanged, Confirmed, Datastore, EditOptions, Store
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.from_xml import edits_from_xml

COUNT = 10_000
NACM = "urn:ietf:params:xml:ns:yang:ietf-netconf-acm"
RULES = (
    f'<nacm xmlns="{NACM}"><groups><group><name>ops</name><user-name>ann</user-name></group>'
    "</groups><rule-list><name>ops</name><group>ops</group><rule><name>collectors</name>"
    '<path xmlns:fe="urn:flowexport:flow-export">/fe:flow-export</path><action>permit</action>'
    "</rule></rule-list></nacm>"
)


def count(store: Datastore) -> int | None:
    flow = store.configuration.flow_export
    return None if flow is None else len(flow.collector)


async def test_ten_thousand_collectors(schema: SchemaContext, tmp_path: Path) -> None:
    """By a user who may write collectors only, and with the way back."""
    store = open_store(schema, tmp_path)
    try:
        await Operator(store, "root").edit(RULES, Store.RUNNING)
        ann = Operator(store, "ann", recovery=False)
        config = etree.Element("config")
        entries = (whole_collector(f"c{n}", f"<port>{n + 1}</port>") for n in range(COUNT))
        config.append(etree.fromstring(flow_export(*entries)))
        edits = edits_from_xml(schema, config)
        with store.events.subscribe() as events:
            await store.edit(ann.session, Store.CANDIDATE, edits, EditOptions())
            assert await ann.commit(confirmed=Confirmed()) == 2
            event = await anext(aiter(events))
        assert isinstance(event, ConfigurationChanged)
        assert [change.nodes for change in event.changes] == [4 * COUNT + 1]
        assert count(store) == COUNT
        with store.read(Store.RUNNING) as tree:
            shown = store.access.readable(ann.session, tree)
            assert len(shown.find_all("/flow-export:flow-export/collector")) == COUNT
        line = (tmp_path / "audit.jsonl").read_bytes().splitlines()[-2]
        assert len(line) < 100_000
        await store.cancel_commit(ann.session)
        assert count(store) is None
        await Operator(store, "root").commit(server("<http><port>99</port></http>"))
    finally:
        await store.stop()
