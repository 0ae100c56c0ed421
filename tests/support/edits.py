"""Edits for tests: written as XML, parsed as a door would."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lxml import etree

from flowexport_mgmt.datastore.engine import make, plan_edits
from flowexport_mgmt.errors import Fault, ManagementError
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.edits import EditNode, Operation
from flowexport_mgmt.schema.from_xml import edits_from_xml
from flowexport_mgmt.schema.tree import Tree

KINDS = (Path(__file__).parent / "kinds.yang").read_text()
"""A module with a node of every kind."""

_CONFIG = (
    '<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"'
    ' xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0"'
    ' xmlns:yang="urn:ietf:params:xml:ns:yang:1">{}</config>'
)


def config(xml: str) -> etree._Element:
    """Put data into a config element; ``nc`` and ``yang`` are declared."""
    return etree.fromstring(_CONFIG.format(xml))


def kinds(top: str, inside: str, attributes: str = "") -> str:
    """Write a top node of the test module."""
    return f'<{top} xmlns="urn:test:kinds" xmlns:k="urn:test:kinds" {attributes}>{inside}</{top}>'


def flow_export(*collectors: str, attributes: str = "") -> str:
    """Write the flow-export container."""
    inside = "".join(collectors)
    return f'<flow-export xmlns="urn:flowexport:flow-export" {attributes}>{inside}</flow-export>'


def collector(name: str, leaves: str = "", attributes: str = "") -> str:
    """Write a collector that only lacks what ``leaves`` has to say."""
    return f"<collector {attributes}><name>{name}</name>{leaves}</collector>"


def whole_collector(name: str, leaves: str = "", protocol: str = "ipfix") -> str:
    """Write a collector with its mandatory leaves."""
    given = f"<address>192.0.2.1</address><protocol>{protocol}</protocol>{leaves}"
    return collector(name, given)


def server(inside: str) -> str:
    """Write the server container."""
    return f'<server xmlns="urn:flowexport:flow-export-server">{inside}</server>'


def edits(schema: SchemaContext, xml: str, *, operations: bool = True) -> tuple[EditNode, ...]:
    """Parse data as edits."""
    return edits_from_xml(schema, config(xml), operations=operations)


def faults_of(schema: SchemaContext, xml: str, *, operations: bool = True) -> tuple[Fault, ...]:
    """Parse data that is wrong and give the faults; fails when nothing is."""
    try:
        edits(schema, xml, operations=operations)
    except ManagementError as error:
        return error.faults
    raise AssertionError(f"nothing was found wrong with {xml}")


def apply(tree: Tree, xml: str, default: Operation = Operation.MERGE) -> None:
    """Make edits on a tree; raises ManagementError when they cannot be made."""
    plan = plan_edits(tree, edits(tree.schema, xml), default)
    if plan.faults:
        raise ManagementError(plan.faults)
    make(tree, plan)


def shown(faults: Iterable[Fault]) -> list[tuple[str, str, str]]:
    """Reduce faults to tag, app-tag and path."""
    return [(fault.tag.value, fault.app_tag, fault.path) for fault in faults]
