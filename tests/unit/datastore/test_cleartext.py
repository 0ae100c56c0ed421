"""Passwords in clear text: nothing keeps them, whichever way they come in."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.edits import edits
from tests.support.netconf_client import FXS
from tests.support.stores import Operator, open_store

from flowexport_mgmt.credentials.passwords import verify_password
from flowexport_mgmt.datastore import Datastore, Store
from flowexport_mgmt.errors import ErrorTag, ManagementError
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.tree import Format

PATH = "/fxs:server/fxs:user[fxs:name='ann']/fxs:password-hash"
SECRET = "Tr0ub4dor"


def user(stored: str) -> str:
    return (
        f'<server xmlns="{FXS}"><user><name>ann</name><password-hash>{stored}</password-hash>'
        "</user></server>"
    )


def stored_in(store: Datastore) -> str:
    (ann,) = store.configuration.server.user
    assert ann.password_hash is not None
    return ann.password_hash


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.parametrize("target", [Store.CANDIDATE, Store.RUNNING])
async def test_an_edit_is_hashed_before_anything_keeps_it(
    schema: SchemaContext, tmp_path: Path, target: Store
) -> None:
    store = open_store(schema, tmp_path)
    operator = Operator(store)
    await operator.edit(user(f"$0${SECRET}"), target)
    with store.read(target) as tree:
        assert SECRET.encode() not in tree.print(Format.XML)
    if target is Store.CANDIDATE:
        await operator.commit()
    assert verify_password(SECRET, stored_in(store))
    assert SECRET.encode() not in everything_in(tmp_path)
    audit = (tmp_path / "audit.jsonl").read_text()
    assert "password-hash" in audit
    assert stored_in(store) not in audit
    await store.stop()


async def test_a_copied_configuration_is_hashed(schema: SchemaContext, tmp_path: Path) -> None:
    store = open_store(schema, tmp_path)
    operator = Operator(store)
    whole = edits(schema, user(f"$0${SECRET}"))
    await store.copy(operator.session, Store.RUNNING, whole)
    assert verify_password(SECRET, stored_in(store))
    assert SECRET.encode() not in everything_in(tmp_path)
    await store.stop()


@pytest.mark.parametrize("form", ["json", "xml"])
async def test_an_initial_document_is_hashed(
    schema: SchemaContext, tmp_path: Path, form: str
) -> None:
    state, init = tmp_path / "state", tmp_path / f"init.{form}"
    state.mkdir()
    texts = {
        "xml": f"<config>{user(f'$0${SECRET}')}</config>",
        "json": '{"flow-export-server:server": {"user": [{"name": "ann", "password-hash": "$0$'
        f'{SECRET}"}}]}}}}',
    }
    init.write_text(texts[form])
    store = open_store(schema, state, init)
    assert verify_password(SECRET, stored_in(store))
    assert SECRET.encode() not in everything_in(state)
    await store.stop()


async def test_a_hash_is_kept_as_it_is(schema: SchemaContext, tmp_path: Path) -> None:
    store = open_store(schema, tmp_path)
    given = "$6$saltstring$" + "x" * 86
    await Operator(store).commit(user(given))
    assert stored_in(store) == given
    await store.stop()


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ("$0$", "1 to 256 characters"),
        ("$0$" + "x" * 257, "1 to 256 characters"),
        ("$1$abc$" + "x" * 22, "SHA-512"),
        ("$6$rounds=10$abc$" + "x" * 86, "1000 to 1000000 rounds"),
        ("$6$rounds=99999999$abc$" + "x" * 86, "1000 to 1000000 rounds"),
    ],
)
async def test_what_is_refused_says_where_and_does_not_repeat_it(
    schema: SchemaContext, tmp_path: Path, stored: str, message: str
) -> None:
    store = open_store(schema, tmp_path)
    with pytest.raises(ManagementError) as caught:
        await Operator(store).commit(user(stored))
    (fault,) = caught.value.faults
    assert (fault.tag, fault.path) == (ErrorTag.INVALID_VALUE, PATH)
    assert message in fault.message
    assert stored not in fault.message
    await store.stop()
