"""Namespaces of the protocol and names in Clark notation, as lxml has them."""

from __future__ import annotations

from typing import Final

from lxml import etree

BASE: Final = "urn:ietf:params:xml:ns:netconf:base:1.0"
MONITORING: Final = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"
WITH_DEFAULTS: Final = "urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults"
NMDA: Final = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"
DATASTORES: Final = "urn:ietf:params:xml:ns:yang:ietf-datastores"
ORIGIN: Final = "urn:ietf:params:xml:ns:yang:ietf-origin"
NOTIFICATION: Final = "urn:ietf:params:xml:ns:netconf:notification:1.0"
NC_NOTIFICATIONS: Final = "urn:ietf:params:xml:ns:netmod:notification"
NETCONF_NOTIFICATIONS: Final = "urn:ietf:params:xml:ns:yang:ietf-netconf-notifications"
SUBSCRIBED: Final = "urn:ietf:params:xml:ns:yang:ietf-subscribed-notifications"
PUSH: Final = "urn:ietf:params:xml:ns:yang:ietf-yang-push"
MANAGEMENT: Final = "urn:flowexport:flow-export-management"
YANG: Final = "urn:ietf:params:xml:ns:yang:1"
XML: Final = "http://www.w3.org/XML/1998/namespace"


def base(name: str) -> str:
    """Put a name into NETCONF's base namespace."""
    return f"{{{BASE}}}{name}"


def management(name: str) -> str:
    """Put a name into the namespace of our management module."""
    return f"{{{MANAGEMENT}}}{name}"


def namespace_of(tag: str) -> str:
    """Take the namespace out of a name in Clark notation; empty where it has none."""
    return tag[1 : tag.index("}")] if tag.startswith("{") else ""


def local_name(tag: str) -> str:
    """Take the local part of a name in Clark notation."""
    return tag.rpartition("}")[2]


def attributes_of(element: etree._Element) -> dict[str, str]:
    """Copy the attributes of an element; lxml keeps namespace declarations apart from them."""
    return {str(name): str(value) for name, value in element.attrib.items()}
