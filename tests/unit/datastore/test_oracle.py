"""Small configurations judged by an independent implementation of YANG."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yangson import DataModel, schpattern
from yangson.enumerations import ContentType
from yangson.exceptions import YangsonException

from flowexport_mgmt.datastore.documents import valid_configuration
from flowexport_mgmt.errors import ManagementError
from flowexport_mgmt.schema.context import SchemaContext, module_folders
from flowexport_mgmt.schema.from_json import edits_from_json
from flowexport_mgmt.schema.yang_library import modules_state

EXPORT = "flow-export:flow-export"


@pytest.fixture(scope="session")
def oracle() -> Iterator[DataModel]:
    """The daemon's modules in yangson, from the module list that the daemon serves.

    To word a refusal it lists what is missing, in time that doubles with every node of a list
    entry: it has to do without the list.
    """
    state = modules_state(SchemaContext())
    known = {path.stem for folder in module_folders() for path in Path(folder).glob("*.yang")}
    state["module"] = [module for module in state["module"] if module["name"] in known]
    library = json.dumps({"ietf-yang-library:modules-state": state})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schpattern.Pair, "_mandatory_members", lambda *_: [])
        yield DataModel(library, tuple(map(str, module_folders())))


def oracle_accepts(oracle: DataModel, document: dict[str, Any]) -> bool:
    try:
        oracle.from_raw(document).validate(ctype=ContentType.config)
    except YangsonException:
        return False
    return True


def we_accept(schema: SchemaContext, document: dict[str, Any]) -> bool:
    try:
        edits = edits_from_json(schema, json.dumps(document).encode())
        valid_configuration(schema, edits).tree.free()
    except ManagementError:
        return False
    return True


leaves = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "b", "c", "", "x" * 65])},
    optional={
        "address": st.sampled_from(["192.0.2.1", "192.0.2.7", "192.0.2.300"]),
        "port": st.sampled_from([1, 65535, 0, 65536, "80"]),
        "protocol": st.sampled_from(["sflow", "netflow9", "ipfix", "ipfx"]),
        "enabled": st.sampled_from([True, "true"]),
        "polling-interval": st.sampled_from([1, 3600, 3601]),
        "template-refresh": st.sampled_from([1, 86400]),
        "sub-agent-id": st.sampled_from([0, 2**32 - 1]),
        "dscp": st.sampled_from([0, 63, 64]),
        "max-datagram-size": st.sampled_from([464, 9000, 463]),
        "nonsense": st.just(1),
    },
)
likely = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["a", "b", "c"]),
        "address": st.just("192.0.2.1"),
        "protocol": st.sampled_from(["sflow", "netflow9", "ipfix"]),
    },
    optional={
        "port": st.sampled_from([1, 65535, 65536]),
        "template-refresh": st.just(60),
        "sub-agent-id": st.just(1),
        "observation-domain": st.just(1),
        "interface-options": st.just(True),
        "dscp": st.sampled_from([63, 64]),
    },
)
entries = st.lists(st.one_of(likely, likely, leaves), max_size=3)
users = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from(["ann", "bob", "a b"])}), max_size=2
)
documents = st.fixed_dictionaries(
    {},
    optional={
        EXPORT: st.fixed_dictionaries({}, optional={"collector": entries}),
        "flow-export-server:server": st.fixed_dictionaries(
            {},
            optional={
                "user": users,
                "http": st.fixed_dictionaries(
                    {"port": st.sampled_from([1, 0])},
                    optional={"address": st.sampled_from(["127.0.0.1", "localhost"])},
                ),
                "logging": st.fixed_dictionaries({"level": st.sampled_from(["info", "loud"])}),
            },
        ),
    },
)


def lenient(document: dict[str, Any]) -> bool:
    """Say whether it has a number as a string, which RFC 7951 forbids and we take."""
    collectors = document.get(EXPORT, {}).get("collector", [])
    return any(isinstance(entry.get("port"), str) for entry in collectors)


@settings(max_examples=150)
@given(documents)
def test_we_agree_with_the_oracle(
    schema: SchemaContext, oracle: DataModel, document: dict[str, Any]
) -> None:
    if not lenient(document):
        assert we_accept(schema, document) is oracle_accepts(oracle, document)


def test_the_oracle_can_say_no(schema: SchemaContext, oracle: DataModel) -> None:
    entry = {"name": "a", "address": "192.0.2.1", "protocol": "ipfix"}
    good = {EXPORT: {"collector": [entry]}}
    assert we_accept(schema, good)
    assert oracle_accepts(oracle, good)
    for bad in ({**entry, "dscp": 64}, {"name": "a", "protocol": "ipfix"}):
        document = {EXPORT: {"collector": [bad]}}
        assert not we_accept(schema, document)
        assert not oracle_accepts(oracle, document)
