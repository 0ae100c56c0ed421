from __future__ import annotations

import subprocess
import sys

from flowexport_mgmt.schema.context import NETCONF_FEATURES, SchemaContext
from flowexport_mgmt.schema.nodes import Kind


def test_only_features_that_work_are_announced(schema: SchemaContext) -> None:
    netconf = next(m for m in schema.modules if m.name == "ietf-netconf")
    assert set(netconf.features) == set(NETCONF_FEATURES)
    assert "url" not in netconf.features


def test_own_modules_are_implemented(schema: SchemaContext) -> None:
    implemented = {m.name for m in schema.modules if m.implemented}
    assert {"flow-export", "flow-export-server", "flow-export-types"} <= implemented
    assert "ietf-inet-types" not in implemented


def test_interfaces_are_state_by_deviation(schema: SchemaContext) -> None:
    interfaces = schema.top_by_json_name["ietf-interfaces:interfaces"]
    assert not interfaces.config
    assert not any("trap" in name for name in interfaces.by_json_name["interface"].by_json_name)
    described = next(m for m in schema.modules if m.name == "ietf-interfaces")
    assert described.deviations == ("flow-export-deviations",)


def test_nodes_are_described(schema: SchemaContext) -> None:
    collector = schema.top_by_json_name["flow-export:flow-export"].by_json_name["collector"]
    assert collector.kind is Kind.LIST
    assert [key.name for key in collector.keys] == ["name"]
    assert collector.schema_path == "/flow-export/collector"
    assert collector.by_json_name["address"].mandatory
    assert collector.by_json_name["address"].type_name == "inet:ip-address"
    assert collector.by_json_name["template-refresh"].has_when
    assert not collector.by_json_name["statistics"].config
    assert collector.parent is schema.top_by_json_name["flow-export:flow-export"]


def test_choices_are_seen_through(schema: SchemaContext) -> None:
    way = schema.top_by_json_name["kinds:rules"].by_json_name["alternative"].by_json_name
    assert way["asphalt"].cases == way["lanes"].cases
    assert way["asphalt"].cases[0][0] == way["track"].cases[0][0]
    assert way["asphalt"].cases[0][1] != way["track"].cases[0][1]
    assert way["volts"].cases[0] == way["track"].cases[0]
    assert len(way["volts"].cases) == 2


def test_module_texts(schema: SchemaContext) -> None:
    text = schema.module_text("flow-export")
    assert text is not None
    assert text.startswith("module flow-export {")
    interfaces = schema.module_text("ietf-interfaces", "2018-02-20")
    assert interfaces is not None
    assert "container interfaces { config true;" not in interfaces
    assert schema.module_text("kinds") is not None  # known only as text: printed
    assert schema.module_text("ietf-interfaces", "2000-01-01") is None
    assert schema.module_text("no-such-module") is None


def test_content_id_follows_the_modules(schema: SchemaContext) -> None:
    other = SchemaContext()
    assert other.content_id != schema.content_id
    assert other.content_id == SchemaContext().content_id


def test_errors_are_not_printed() -> None:
    program = (
        "from flowexport_mgmt.schema.context import SchemaContext\n"
        "from flowexport_mgmt.schema.library import LibraryError\n"
        "from flowexport_mgmt.schema.tree import Format, Tree\n"
        "try:\n"
        "    Tree.parse(SchemaContext(), b'{\"flow-export:nothing\":1}', Format.JSON)\n"
        "except LibraryError as error:\n"
        "    assert 'nothing' in str(error)\n"
        "else:\n"
        "    raise SystemExit('accepted')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
