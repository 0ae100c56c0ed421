"""Going back in the history, and telling what differs (flow-export-management)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lxml import etree

from flowexport_mgmt.datastore import Session, Store
from flowexport_mgmt.errors import ErrorTag
from flowexport_mgmt.north.netconf import names, parameters
from flowexport_mgmt.north.netconf.calls import Call, OperationRow
from flowexport_mgmt.north.netconf.evaluation import Printed
from flowexport_mgmt.north.netconf.names import management
from flowexport_mgmt.north.netconf.notifications.difference import Edit, difference
from flowexport_mgmt.north.netconf.printing import print_all
from flowexport_mgmt.north.netconf.replies import Ok, Output, Reply
from flowexport_mgmt.schema.tree import Format, Tree

_NAMESPACE: Final = names.MANAGEMENT.encode()
_MAX_ID: Final = (1 << 64) - 1


async def rollback(call: Call) -> Reply:
    """Make the candidate equal to a commit of the history."""
    await call.datastore.load_commit(call.session, _number(call.parameters["id"]))
    return Ok()


async def compare(call: Call) -> Reply:
    """Tell what differs between two configurations (RFC 9144)."""
    sources = [_source(call.parameters[name]) for name in ("from", "to")]
    with _read(call, sources[0]) as before, _read(call, sources[1]) as after:
        return differences(call, before, after)


def differences(call: Call, before: Tree, after: Tree) -> Reply:
    """Answer with what differs between two trees, as far as the session may see them."""
    old, new = (_data(call, tree, call.session) for tree in (before, after))
    edits = difference(old, new, call.datastore.schema.top_nodes)
    if not edits:
        return Output(b'<no-differences xmlns="%b"/>' % _NAMESPACE)
    written = b"".join(_render(number, edit) for number, edit in enumerate(edits, 1))
    patch = b"<yang-patch><patch-id>differences</patch-id>%b</yang-patch>" % written
    return Output(b'<differences xmlns="%b">%b</differences>' % (_NAMESPACE, patch))


def _data(call: Call, tree: Tree, session: Session) -> etree._Element:
    call.datastore.access.readable(session, tree)
    return Printed(tree.print(Format.XML)).data


def _render(number: int, edit: Edit) -> bytes:
    parts = edit.render(number)
    if edit.source is not None:
        parts.append(b"<source-value>%b</source-value>" % print_all([edit.source]))
    return b"<edit>%b</edit>" % b"".join(parts)


def _source(element: etree._Element) -> Store | int:
    """Read which configuration is meant."""
    value = parameters.text(element)
    return Store(value) if value in set(Store) else _number(element)


def _read(call: Call, source: Store | int) -> Tree:
    if isinstance(source, Store):
        return call.datastore.read(source)
    return call.datastore.read_commit(source)


def _number(element: etree._Element) -> int:
    """Read the number of a commit."""
    value, name = parameters.text(element), names.local_name(str(element.tag))
    if not (value.isascii() and value.isdecimal()) or int(value) > _MAX_ID:
        message = f"{name}: {value!r} is no number of a commit"
        raise parameters.fault(ErrorTag.INVALID_VALUE, message, element=name)
    return int(value)


OPERATIONS: Final[Mapping[str, OperationRow]] = {
    management("rollback"): OperationRow(rollback, {"id": True}),
    management("compare"): OperationRow(compare, {"from": True, "to": True}),
}
