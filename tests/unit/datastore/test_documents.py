from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.edits import collector, flow_export, server, shown, whole_collector

from flowexport_mgmt.datastore import check_document
from flowexport_mgmt.datastore.documents import LIMIT, read_document, valid_configuration
from flowexport_mgmt.schema.context import SchemaContext

A = "/fe:flow-export/fe:collector[fe:name='a']"
JSON = {
    "flow-export:flow-export": {
        "collector": [{"name": "a", "address": "192.0.2.1", "protocol": "ipfix"}]
    },
    "flow-export-server:server": {"http": {"port": 99}},
}
XML = flow_export(whole_collector("a")) + server("<http><port>99</port></http>")


def faults_of(schema: SchemaContext, folder: Path, content: Any) -> list[tuple[str, str, str]]:
    file = folder / "document"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return shown(check_document(schema, file))


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(JSON),
        json.dumps({"commit": {"id": 1}, "configuration": JSON}),
        f"<config>{XML}</config>",
        f'<data xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">{XML}</data>',
        f'<?xml version="1.0" encoding="UTF-8"?>\n<config>{XML}</config>',
    ],
)
def test_all_forms_say_the_same(schema: SchemaContext, tmp_path: Path, content: str) -> None:
    assert faults_of(schema, tmp_path, content) == []
    valid = valid_configuration(schema, read_document(schema, tmp_path / "document"))
    with valid.tree:
        assert json.loads(valid.document) == JSON


def test_one_top_node_needs_no_wrapper(schema: SchemaContext, tmp_path: Path) -> None:
    assert faults_of(schema, tmp_path, flow_export(whole_collector("a"))) == []
    assert faults_of(schema, tmp_path, "{}") == []


def test_faults_of_both_stages(schema: SchemaContext, tmp_path: Path) -> None:
    assert faults_of(schema, tmp_path, flow_export(collector("a", "<port>0</port><x/>"))) == [
        ("invalid-value", "", f"{A}/fe:port"),
        ("unknown-element", "", A),
    ]
    assert faults_of(schema, tmp_path, flow_export(collector("a"))) == [
        ("data-missing", "missing-mandatory", f"{A}/fe:address"),
        ("data-missing", "missing-mandatory", f"{A}/fe:protocol"),
    ]
    entry = {"name": "a", "address": "0.0.0.0", "protocol": "sflow"}
    document = {"flow-export:flow-export": {"collector": [entry]}}
    assert faults_of(schema, tmp_path, json.dumps(document)) == [
        ("operation-failed", "", f"{A}/fe:address")
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        b"<config>",
        b"<config/><config/>",
        b'<!DOCTYPE config [<!ENTITY a "b">]><config>&a;</config>',
        b'<!DOCTYPE config SYSTEM "file:///etc/passwd"><config/>',
        b'<?xml version="1.0" encoding="nonsense"?><config/>',
    ],
)
def test_what_is_no_document(schema: SchemaContext, tmp_path: Path, content: bytes) -> None:
    assert faults_of(schema, tmp_path, content) == [("malformed-message", "", "")]


def test_operations_have_no_place_in_a_document(schema: SchemaContext, tmp_path: Path) -> None:
    nc = 'xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="delete"'
    assert faults_of(schema, tmp_path, flow_export(attributes=nc)) == [
        ("unknown-attribute", "", "/fe:flow-export")
    ]


def test_a_document_has_a_limit(schema: SchemaContext, tmp_path: Path) -> None:
    file = tmp_path / "document"
    with file.open("wb") as sparse:
        sparse.truncate(LIMIT + 1)
    assert shown(check_document(schema, file)) == [("malformed-message", "", "")]


def test_a_file_that_cannot_be_read(schema: SchemaContext, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        check_document(schema, tmp_path / "nothing")


@pytest.mark.parametrize(
    ("leaves", "refused"),
    [
        ({"protocol": "ipfix", "biflow": True}, []),
        ({"protocol": "ipfix", "biflow": False, "record-format": "classic"}, []),
        ({"protocol": "netflow9", "record-format": "classic"}, []),
        ({"protocol": "ipfix", "biflow": True, "record-format": "classic"}, ["biflow"]),
        ({"protocol": "netflow9", "biflow": True}, ["biflow"]),
        ({"protocol": "netflow5", "record-format": "classic"}, ["record-format"]),
        (
            {"protocol": "netflow9", "sampling-options-format": "systematic"},
            ["sampling-options-format"],
        ),
        ({"protocol": "netflow9", "transport": "tcp"}, ["transport"]),
    ],
)
def test_settings_that_a_protocol_has_no_place_for_are_refused(
    schema: SchemaContext, tmp_path: Path, leaves: dict[str, Any], refused: list[str]
) -> None:
    entry = {"name": "a", "address": "192.0.2.1", **leaves}
    document = json.dumps({"flow-export:flow-export": {"collector": [entry]}})
    paths = [path for _, _, path in faults_of(schema, tmp_path, document)]
    assert paths == [f"{A}/fe:{leaf}" for leaf in refused]
