"""Carry out an invocation: ask the daemon, render the answer as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from lxml import etree

from flowexport_mgmt.cli.commands import (
    Configuration,
    Field,
    Invocation,
    Listing,
    Operation,
    UsageError,
)
from flowexport_mgmt.cli.values import Value, local_name, pick, typed

_NAMESPACES: Final = ("urn:flowexport:", "urn:ietf:params:xml:ns:yang:")
"""What namespaces begin with before the name of the module."""


class Reader(Protocol):
    """What is asked for data: a NETCONF session."""

    def get(self, namespace: str, path: tuple[str, ...]) -> etree._Element:
        """Read configuration and state below a path."""

    def get_config(self, datastore: str) -> etree._Element:
        """Read a datastore."""

    def call(self, namespace: str, name: str, parameters: Mapping[str, str]) -> etree._Element:
        """Have an operation carried out; return the reply."""


def carry_out(invocation: Invocation, reader: Reader) -> Value:
    """Read and render what a command shows.

    Raises:
        UsageError: the command names an entry that does not exist.
        ManagementError: the daemon refused.
    """
    action = invocation.command.action
    if isinstance(action, Configuration):
        return render_configuration(action, reader.get_config(action.datastore))
    if isinstance(action, Operation):
        given = {} if invocation.name is None else {action.parameter: invocation.name}
        return render_output(action, reader.call(action.namespace, action.name, given))
    return render_listing(action, reader.get(action.namespace, action.path), invocation.name)


def render_listing(listing: Listing, data: etree._Element, name: str | None) -> Value:
    """Render all entries as a list, or the one called ``name`` as an object.

    Raises:
        UsageError: no entry has that name.
    """
    node = data.find("/".join(f"{{{listing.namespace}}}{step}" for step in listing.path))
    if node is None:
        return listing.absent
    entries = typed(node, *listing.structs).get(listing.entry, [])
    assert isinstance(entries, list)  # noqa: S101 - a YANG list, by the command's declaration
    if name is None:
        return [_object(listing.fields, entry) for entry in entries]
    for entry in entries:
        if pick(entry, "name") == name:
            return _object(listing.fields, entry)
    raise UsageError(f"{listing.noun} not found: {name}")


def render_output(operation: Operation, reply: etree._Element) -> Value:
    """Render the entries of an operation's output as a list."""
    tag = f"{{{operation.namespace}}}{operation.entry}"
    return [typed(entry, operation.struct) for entry in reply.iterchildren(tag)]


def render_configuration(configuration: Configuration, data: etree._Element) -> Value:
    """Render every top container under its RFC 7951 name."""
    result: dict[str, Value] = {}
    for top in data.iterchildren(etree.Element):
        namespace = etree.QName(top).namespace or ""
        known = configuration.structs.get(namespace)
        structs = () if known is None else (known,)
        result[f"{_module(namespace)}:{local_name(top)}"] = typed(top, *structs)
    return result


def _module(namespace: str) -> str:
    """Name a module; all that are served have namespaces that end with their names."""
    for begin in _NAMESPACES:
        namespace = namespace.removeprefix(begin)
    return namespace


def _object(fields: tuple[Field, ...], entry: Value) -> dict[str, Value]:
    result: dict[str, Value] = {}
    for field in fields:
        value = pick(entry, field.path)
        if value is None:
            value = field.default
        elif field.convert is not None:
            value = field.convert(value)
        if value is not None:
            result[field.name] = value
    return result
