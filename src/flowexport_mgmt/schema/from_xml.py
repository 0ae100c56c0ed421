"""Edits from XML, as they stand in ``<config>``, fully checked against the schema."""

from __future__ import annotations

from lxml import etree

from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.edits import EditNode


def edits_from_xml(
    schema: SchemaContext, config: etree._Element, *, operations: bool = True
) -> tuple[EditNode, ...]:
    """Parse the children of a ``<config>`` element.

    Args:
        schema: the modules to check against.
        config: the element around the data; its own attributes are not looked at.
        operations: whether ``operation`` and insert attributes may appear, as in edit-config; else
            the data is a whole configuration, as in copy-config and validate.

    Raises:
        ManagementError: every fault that was found, each with its instance path.
    """
    raise NotImplementedError
