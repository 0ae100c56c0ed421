"""Instance documents: configuration in a file, in JSON or in XML."""

from __future__ import annotations

from pathlib import Path

import msgspec
from lxml import etree

from flowexport_mgmt.datastore.cleartext import hash_cleartext_now
from flowexport_mgmt.datastore.engine import make, plan_whole
from flowexport_mgmt.datastore.validation import Valid, validate
from flowexport_mgmt.errors import ErrorTag, ErrorType, Fault, ManagementError
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.edits import EditNode
from flowexport_mgmt.schema.from_json import edits_from_json
from flowexport_mgmt.schema.from_xml import edits_from_xml
from flowexport_mgmt.schema.tree import Tree

LIMIT = 64 * 1024 * 1024
"""Octets of a document that are read."""

_WRAPPERS = frozenset(("config", "data"))


class _Saved(msgspec.Struct):
    """The form of running.json and of history entries, which may be given as documents too."""

    commit: msgspec.Raw
    configuration: msgspec.Raw


def read_document(
    schema: SchemaContext, path: Path, data: bytes | None = None
) -> tuple[EditNode, ...]:
    """Read a document as the edits that make an empty configuration equal to it.

    ``data`` is its content where whoever may read the file has done so already, up to `LIMIT` + 1
    octets.

    Raises:
        OSError: the file cannot be read.
        ManagementError: every fault that was found in it.
    """
    if data is None:
        with path.open("rb") as file:
            data = file.read(LIMIT + 1)
    if len(data) > LIMIT:
        raise _malformed(f"larger than {LIMIT} octets")
    if data.lstrip()[:1] == b"<":
        edits = edits_from_xml(schema, _parse_xml(data), operations=False)
    else:
        edits = edits_from_json(schema, _configuration_in(data))
    return hash_cleartext_now(edits)


def valid_configuration(schema: SchemaContext, edits: tuple[EditNode, ...]) -> Valid:
    """Validate edits as a whole configuration; the caller frees the tree of the result.

    Raises:
        ManagementError: every fault that was found.
    """
    with Tree(schema) as tree:
        plan = plan_whole(tree, edits)
        if plan.faults:
            raise ManagementError(plan.faults)
        make(tree, plan)
        return validate(tree)


def check_document(schema: SchemaContext, path: Path) -> tuple[Fault, ...]:
    """Check a document; no faults means that it would be accepted.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        valid_configuration(schema, read_document(schema, path)).tree.free()
    except ManagementError as error:
        return error.faults
    return ()


def _malformed(message: str) -> ManagementError:
    return ManagementError.single(ErrorTag.MALFORMED_MESSAGE, message, type=ErrorType.RPC)


def _configuration_in(data: bytes) -> bytes:
    try:
        return bytes(msgspec.json.decode(data, type=_Saved).configuration)
    except msgspec.MsgspecError:
        return data


def _parse_xml(data: bytes) -> etree._Element:
    """Parse XML and give the element around the data, making one if there is none."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise _malformed(f"not XML: {error}") from None
    if str(root.getroottree().docinfo.doctype):  # type: ignore[union-attr]  # a stub's slip
        raise _malformed("document type declarations are not accepted")
    if etree.QName(root).localname in _WRAPPERS:
        return root
    wrapper = etree.Element("config")
    wrapper.append(root)
    return wrapper
