from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.model.configuration import Configuration
from flowexport_mgmt.model.flow_export import Collector, CollectorState, FlowExport, Protocol
from flowexport_mgmt.model.server import NetconfSshState, Server
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.generate import render_model

ROOT = Path(__file__).parents[3]


def load_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "generate_model", ROOT / "tools" / "generate_model.py"
    )
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


def test_the_model_is_current() -> None:
    tool = ROOT / "tools" / "generate_model.py"
    done = subprocess.run(
        [sys.executable, tool, "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_stale_model_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tool = load_tool()
    monkeypatch.setattr(tool, "MODEL", tmp_path)
    assert tool.main([]) == 0
    assert tool.main(["--check"]) == 0
    with (tmp_path / "server.py").open("a") as file:
        file.write("# changed by hand\n")
    (tmp_path / "old.py").touch()
    assert tool.main(["--check"]) == 1
    said = capsys.readouterr().err
    assert "model/server.py is not current" in said
    assert "model/old.py is not made from any module" in said


def test_the_text_is_formatted(tmp_path: Path) -> None:
    for name, text in render_model(SchemaContext()).items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "100", "--check",
         tmp_path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_types_carry_what_the_schema_says() -> None:
    fields = {field.encode_name: field for field in msgspec.structs.fields(Collector)}
    assert fields["name"].required
    assert fields["address"].required
    assert fields["port"].default == 6343
    assert fields["source-address"].default is None
    assert "statistics" not in fields
    assert [f.encode_name for f in msgspec.structs.fields(CollectorState)] == [
        "name",
        "statistics",
    ]


def test_one_type_serves_all_modules() -> None:
    assert msgspec.json.decode(b'{"oper-status":"down"}', type=NetconfSshState).oper_status is (
        OperStatus.DOWN
    )


def test_the_whole_configuration_decodes_from_json() -> None:
    document = (
        b'{"flow-export:flow-export":{"collector":'
        b'[{"name":"a","address":"::1","protocol":"sflow"}]}}'
    )
    configuration = msgspec.json.decode(document, type=Configuration)
    assert configuration == Configuration(
        flow_export=FlowExport(
            collector=(Collector(name="a", address="::1", protocol=Protocol.SFLOW),)
        ),
        server=Server(),
    )
    assert Configuration().flow_export is None
