"""XML of strangers that is an edit or a filter: from octets to a configuration that is valid."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.fuzz import fuzz_xml
from tests.support.netconf_client import FE, FXS
from tests.support.netconf_server import schema

from flowexport_mgmt.datastore.documents import valid_configuration
from flowexport_mgmt.errors import ManagementError
from flowexport_mgmt.north.netconf import documents
from flowexport_mgmt.north.netconf.names import base
from flowexport_mgmt.schema.from_xml import edits_from_xml
from flowexport_mgmt.schema.tree import Tree

CONFIG = f"""<config xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0">
<flow-export xmlns="{FE}"><collector nc:operation="create"><name>a</name><address>192.0.2.1
</address><port>2055</port><protocol>netflow9</protocol></collector></flow-export>
<server xmlns="{FXS}"><netconf><call-home><name>x</name><address>2001:db8::1</address></call-home>
<tls><certificate>a.pem</certificate><cert-to-name><id>1</id><fingerprint>04:00</fingerprint>
<map-type xmlns:x="urn:ietf:params:xml:ns:yang:ietf-x509-cert-to-name">x:san-any</map-type>
</cert-to-name></tls></netconf><user><name>ann</name></user></server></config>"""


def seeds() -> Iterator[bytes]:
    """Give a configuration, and what clients say in the stories."""
    yield CONFIG.encode()
    yield from fuzz_xml.seeds()


def run(data: bytes) -> None:
    """Read every ``config`` in a message, and see whether it is valid; no tree is left behind."""
    alive = Tree.alive
    with contextlib.suppress(ManagementError):
        message = documents.parse(data)
        for config in message.iter("config", base("config")):
            with contextlib.suppress(ManagementError):
                edits_from_xml(schema(), config)
            with contextlib.suppress(ManagementError):
                edits = edits_from_xml(schema(), config, operations=False)
                valid_configuration(schema(), edits).tree.free()
    assert Tree.alive == alive
