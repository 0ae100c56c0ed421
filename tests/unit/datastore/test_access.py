"""Access control in the datastore: RFC 8341, rule by rule."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.support.edits import collector, edits, flow_export, server, whole_collector
from tests.support.stores import Operator, open_store

from flowexport_mgmt.datastore import Confirmed, Datastore, EditOptions, Store, TestOption
from flowexport_mgmt.errors import ManagementError
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.tree import Format

NACM = "urn:ietf:params:xml:ns:yang:ietf-netconf-acm"
A = "/fe:flow-export/fe:collector[fe:name='a']"
B = A.replace("'a'", "'b'")
ALL = "<rule><name>all</name><action>permit</action></rule>"
TWO = flow_export(whole_collector("a", "<port>1</port>"), whole_collector("b"))


def nacm(*rules: str, defaults: str = "", user: str = "ann") -> str:
    """Write rules for the one group that a user is in."""
    group = f"<groups><group><name>ops</name><user-name>{user}</user-name></group></groups>"
    entry = f"<rule-list><name>ops</name><group>ops</group>{''.join(rules)}</rule-list>"
    return f'<nacm xmlns="{NACM}">{defaults}{group}{entry if rules else ""}</nacm>'


def rule(name: str, action: str, leaves: str = "", access: str = "*") -> str:
    return (
        f"<rule><name>{name}</name>{leaves}<access-operations>{access}</access-operations>"
        f"<action>{action}</action></rule>"
    )


def path(text: str) -> str:
    return (
        '<path xmlns:fe="urn:flowexport:flow-export"'
        f' xmlns:fxs="urn:flowexport:flow-export-server" xmlns:nacm="{NACM}">{text}</path>'
    )


@pytest.fixture
async def store(schema: SchemaContext, tmp_path: Path) -> AsyncIterator[Datastore]:
    """A store with collectors a and b."""
    store = open_store(schema, tmp_path)
    await Operator(store, "root").edit(TWO, Store.RUNNING)
    yield store
    await store.stop()


@pytest.fixture
def root(store: Datastore) -> Operator:
    return Operator(store, "root")


@pytest.fixture
def ann(store: Datastore) -> Operator:
    return Operator(store, "ann", recovery=False)


async def rules(root: Operator, *entries: str, defaults: str = "") -> None:
    await root.edit(nacm(*entries, defaults=defaults), Store.RUNNING)


async def denied(work: Awaitable[object]) -> list[str]:
    """Give the paths of what is denied; fails when nothing is."""
    with pytest.raises(ManagementError) as error:
        await work
    assert {fault.tag for fault in error.value.faults} == {"access-denied"}
    assert {fault.type for fault in error.value.faults} == {"application"}
    return [fault.path for fault in error.value.faults]


def content(store: Datastore, operator: Operator, which: Store = Store.RUNNING) -> Any:
    """Give what a session may read of a datastore."""
    with store.read(which) as tree:
        return json.loads(store.access.readable(operator.session, tree).print(Format.JSON))


def names(store: Datastore, operator: Operator, which: Store = Store.RUNNING) -> list[str]:
    data = content(store, operator, which)
    return [entry["name"] for entry in data["flow-export:flow-export"]["collector"]]


# -- defaults


async def test_without_rules_everybody_reads_and_nobody_writes(
    store: Datastore, ann: Operator
) -> None:
    assert names(store, ann) == ["a", "b"]
    assert await denied(ann.edit(flow_export(whole_collector("c")))) == [A.replace("'a'", "'c'")]
    assert await denied(ann.edit(flow_export(collector("a", "<port>2</port>")), Store.RUNNING)) == [
        f"{A}/fe:port"
    ]
    access = store.access
    assert access.may_execute(ann.session, "ietf-netconf", "edit-config")
    assert access.may_receive(ann.session, "flow-export", "collector-state-change")
    assert (access.denied_operations, access.denied_data_writes) == (0, 2)


async def test_the_recovery_session_obeys_no_rules(store: Datastore, root: Operator) -> None:
    nothing = "<read-default>deny</read-default><exec-default>deny</exec-default>"
    await rules(root, rule("none", "deny"), defaults=nothing)
    assert names(store, root) == ["a", "b"]
    assert store.access.may_execute(root.session, "ietf-netconf", "kill-session")
    assert store.access.view(root.session) is None
    await root.edit(flow_export(whole_collector("c")), Store.RUNNING)


async def test_it_can_be_switched_off(store: Datastore, root: Operator, ann: Operator) -> None:
    await rules(root, rule("none", "deny"), defaults="<enable-nacm>false</enable-nacm>")
    assert names(store, ann) == ["a", "b"]
    await ann.edit(flow_export(whole_collector("c")), Store.RUNNING)
    assert store.access.may_execute(ann.session, "ietf-netconf", "kill-session")


async def test_the_rules_themselves_are_hidden(
    store: Datastore, root: Operator, ann: Operator
) -> None:
    await rules(root, defaults="<write-default>permit</write-default>")
    assert "ietf-netconf-acm:nacm" not in content(store, ann)
    assert await denied(ann.edit(nacm(user="bob"))) == [
        "/nacm:nacm/nacm:groups/nacm:group[nacm:name='ops']/nacm:user-name[.='bob']"
    ]
    await rules(root, ALL)
    assert "ietf-netconf-acm:nacm" in content(store, ann)


async def test_who_is_in_no_group(store: Datastore, root: Operator) -> None:
    await rules(root, ALL)
    await root.edit(
        nacm().replace("</groups>", "</groups><rule-list><name>z</name><group>*</group>"
                       + rule("b", "deny", path("/fe:flow-export/fe:collector[fe:name='b']"))
                       + "</rule-list>"),
        Store.RUNNING,
    )  # fmt: skip
    assert names(store, Operator(store, "ann", recovery=False)) == ["a", "b"]
    assert names(store, Operator(store, "bob", recovery=False)) == ["a"]


# -- reading


READS = {
    "a list": (path("/fe:flow-export/fe:collector"), [], None),
    "an entry": (path("/fe:flow-export/fe:collector[fe:name='a']"), ["b"], None),
    "a leaf": (path("/fe:flow-export/fe:collector/fe:port"), ["a", "b"], "port"),
    "a leaf of an entry": (
        path("/fe:flow-export/fe:collector[fe:name='a']/fe:port"),
        ["a", "b"],
        "port",
    ),
}


@pytest.mark.parametrize("what", READS)
async def test_what_may_not_be_read_is_left_out(
    store: Datastore, root: Operator, ann: Operator, what: str
) -> None:
    where, left, leaf = READS[what]
    await rules(root, rule("hide", "deny", where, "read"), ALL)
    entries = content(store, ann)["flow-export:flow-export"].get("collector", [])
    assert [entry["name"] for entry in entries] == left
    assert all(leaf not in entry for entry in entries) or leaf is None
    assert content(store, ann, Store.CANDIDATE) == content(store, ann)
    assert names(store, root) == ["a", "b"]


async def test_a_module_or_everything_may_be_hidden(
    store: Datastore, root: Operator, ann: Operator
) -> None:
    await root.edit(server("<http><port>99</port></http>"), Store.RUNNING)
    await rules(root, rule("hide", "deny", "<module-name>flow-export</module-name>"), ALL)
    assert set(content(store, ann)) == {"flow-export-server:server", "ietf-netconf-acm:nacm"}
    await root.edit(f'<nacm xmlns="{NACM}"><rule-list><name>ops</name><rule><name>hide</name>'
                    f"<module-name>*</module-name>{path('/')}</rule></rule-list></nacm>",
                    Store.RUNNING)  # fmt: skip
    assert content(store, ann) == {}


async def test_the_first_rule_counts(store: Datastore, root: Operator, ann: Operator) -> None:
    one = path("/fe:flow-export/fe:collector[fe:name='a']")
    every = path("/fe:flow-export/fe:collector")
    await rules(root, rule("one", "permit", one), rule("rest", "deny", every))
    assert names(store, ann) == ["a"]
    other = rule("write", "deny", one, "create update delete")
    await rules(root, other)  # it is about writing
    assert names(store, ann) == ["a"]


USERS = server("<user><name>ann</name></user><user><name>bob</name></user>")


def own(where: str = "") -> str:
    return path(f"/fxs:server/fxs:user[fxs:name=$USER]{where}")


def users(data: Any) -> list[str]:
    return [entry["name"] for entry in data["flow-export-server:server"]["user"]]


async def test_a_rule_about_whoever_asks(store: Datastore, root: Operator) -> None:
    """RFC 8341, section 5: $USER in a path is the name of the session's user."""
    await root.edit(USERS, Store.RUNNING)
    every = path("/fxs:server/fxs:user")
    await root.edit(
        nacm().replace("</groups>", "</groups><rule-list><name>z</name><group>*</group>"
                       + rule("own", "permit", own()) + rule("others", "deny", every)
                       + "</rule-list>"),
        Store.RUNNING,
    )  # fmt: skip
    ann, bob = (Operator(store, name, recovery=False) for name in ("ann", "bob"))
    assert users(content(store, ann)) == ["ann"]
    assert users(content(store, bob)) == ["bob"]
    assert store.access.view(ann.session) is not store.access.view(bob.session)
    password = "<password-hash>$6$abcdefgh$" + "x" * 86 + "</password-hash>"
    change = "<user><name>{}</name>" + password + "</user>"
    await ann.edit(server(change.format("ann")), Store.RUNNING)
    assert await denied(ann.edit(server(change.format("bob")), Store.RUNNING)) == [
        "/fxs:server/fxs:user[fxs:name='bob']/fxs:password-hash"
    ]
    assert len(users(content(store, root))) == 2


async def test_the_path_of_whoever_asks_is_shown_as_it_was_written(
    store: Datastore, root: Operator
) -> None:
    literal = path("/fxs:server/fxs:user[fxs:name='a=USER]']")
    await rules(root, rule("own", "permit", own()), rule("literal", "permit", literal))
    (entry,) = content(store, root)["ietf-netconf-acm:nacm"]["rule-list"]
    assert entry["rule"][0]["path"] == "/flow-export-server:server/user[name=$USER]"
    with store.read(Store.RUNNING) as tree:
        shown = tree.print(Format.XML).decode()
    assert ">/fxs:server/fxs:user[fxs:name=$USER]</path>" in shown
    assert ">/fxs:server/fxs:user[fxs:name='a=USER]']</path>" in shown


@pytest.mark.parametrize("name", ["user", "GROUP", "USERS"])
async def test_there_is_no_other_variable(root: Operator, name: str) -> None:
    where = own().replace("$USER", f"${name}")
    with pytest.raises(ManagementError, match=f"not \\${name}") as error:
        await rules(root, rule("own", "permit", where))
    (fault,) = error.value.faults
    assert fault.path.endswith("/nacm:rule[nacm:name='own']/nacm:path")


async def test_reading_can_be_denied_by_default(
    store: Datastore, root: Operator, ann: Operator
) -> None:
    where = path("/fe:flow-export")
    closed = "<read-default>deny</read-default>"
    await rules(root, rule("mine", "permit", where, "read"), defaults=closed)
    assert set(content(store, ann)) == {"flow-export:flow-export"}
    assert not store.access.may_receive(ann.session, "flow-export", "collector-state-change")
    assert store.access.may_receive(ann.session, "nc-notifications", "replayComplete")
    assert store.access.denied_notifications == 1


async def test_state_is_filtered_too(store: Datastore, root: Operator, ann: Operator) -> None:
    sessions = path("/fxs:server/fxs:sessions")
    await rules(root, rule("hide", "deny", sessions, "read"), ALL)
    with await store.operational(["/server"]) as tree:
        data = json.loads(store.access.readable(ann.session, tree).print(Format.JSON))
    assert "history" in data["flow-export-server:server"]
    assert "sessions" not in data["flow-export-server:server"]


async def test_who_sees_alike_shares_a_view(store: Datastore, root: Operator) -> None:
    await rules(root, ALL)
    sessions = [
        Operator(store, name, recovery=False).session for name in ("ann", "ann", "bob", "cyd")
    ]
    views = [store.access.view(session) for session in sessions]
    assert views[0] is views[1]
    assert views[2] is views[3]
    assert views[0] is not views[2]
    await root.edit(flow_export(collector("a", "<dscp>1</dscp>")), Store.RUNNING)
    assert store.access.view(sessions[0]) is views[0]
    await rules(root, rule("new", "deny"))
    assert store.access.view(sessions[0]) is not views[0]


# -- writing


WRITES: dict[str, tuple[Sequence[str], str, list[str]]] = {
    "create only": (
        [rule("c", "permit", path("/fe:flow-export/fe:collector"), "create")],
        flow_export(collector("a", "<dscp>3</dscp><port>9</port>"), whole_collector("c")),
        [f"{A}/fe:port"],
    ),
    "update only": (
        [rule("u", "permit", path("/fe:flow-export/fe:collector"), "update")],
        flow_export(collector("a", "<dscp>3</dscp><port>9</port>")),
        [f"{A}/fe:dscp"],
    ),
    "delete only": (
        [rule("d", "permit", path("/fe:flow-export/fe:collector"), "delete")],
        flow_export(collector("a", '<port nc:operation="delete"/><dscp>3</dscp>')),
        [f"{A}/fe:dscp"],
    ),
    "one entry": (
        [rule("a", "permit", path("/fe:flow-export/fe:collector[fe:name='a']"))],
        flow_export(collector("a", "<port>9</port>"), collector("b", "<port>9</port>")),
        [f"{B}/fe:port"],
    ),
    "a leaf below what is created": (
        [rule("d", "deny", path("/fe:flow-export/fe:collector/fe:dscp")), ALL],
        flow_export(whole_collector("c", "<dscp>1</dscp>"), whole_collector("d")),
        [f"{A}/fe:dscp".replace("'a'", "'c'")],
    ),
    "a leaf below what is deleted": (
        [rule("d", "deny", path("/fe:flow-export/fe:collector/fe:port"), "delete"), ALL],
        flow_export(
            collector("a", attributes='nc:operation="delete"'),
            collector("b", attributes='nc:operation="delete"'),
        ),
        [f"{A}/fe:port"],
    ),
    "what a replacement leaves out": (
        [rule("d", "deny", path("/fe:flow-export/fe:collector[fe:name='b']"), "delete"), ALL],
        flow_export(whole_collector("a"), attributes='nc:operation="replace"'),
        [B],
    ),
    "another module": (
        [rule("m", "permit", "<module-name>flow-export</module-name>")],
        flow_export(collector("a", "<port>9</port>")) + server("<http><port>9</port></http>"),
        ["/fxs:server/fxs:http/fxs:port"],
    ),
    "a container that is only in the way": (
        [rule("p", "permit", path("/fxs:server/fxs:http/fxs:port"))],
        server("<http><port>9</port><address>::1</address></http>"),
        ["/fxs:server/fxs:http/fxs:address"],
    ),
    "the top of many": (
        [rule("none", "deny", access="create")],
        flow_export(*(whole_collector(f"c{n}") for n in range(70))),
        [A.replace("'a'", f"'c{n}'") for n in range(64)],
    ),
}


@pytest.mark.parametrize("target", list(Store))
@pytest.mark.parametrize("what", WRITES)
async def test_what_may_not_be_written(
    store: Datastore, root: Operator, ann: Operator, what: str, target: Store
) -> None:
    entries, edit, paths = WRITES[what]
    await rules(root, *entries)
    before = content(store, root, target)
    for option in (None, TestOption.TEST_ONLY):
        assert await denied(ann.edit(edit, target, EditOptions(test_option=option))) == paths
    assert content(store, root, target) == before


@pytest.mark.parametrize("what", WRITES)
async def test_a_commit_of_what_somebody_else_wrote(
    store: Datastore, root: Operator, ann: Operator, what: str
) -> None:
    """The candidate is shared: whoever commits must be allowed to do what it changes."""
    entries, edit, paths = WRITES[what]
    await rules(root, *entries)
    await root.edit(edit)
    with pytest.raises(ManagementError) as error:
        await ann.commit(confirmed=Confirmed())
    told = [fault.path for fault in error.value.faults]
    assert (told, store.pending) == (paths, None)
    assert await denied(store.copy(ann.session, Store.RUNNING, Store.CANDIDATE)) == paths
    assert await root.commit() == 3


async def test_a_commit_of_what_was_undone(root: Operator, ann: Operator) -> None:
    """Only what really differs counts (RFC 8341, section 3.2.8)."""
    await root.edit(flow_export(whole_collector("c"), collector("a", "<port>2</port>")))
    undo = [collector("c", attributes='nc:operation="delete"'), collector("a", "<port>1</port>")]
    await root.edit(flow_export(*undo))
    assert await ann.commit() == 1
    await root.edit(flow_export(collector("b", attributes='nc:operation="delete"')))
    await root.edit(flow_export(whole_collector("b")))
    assert await denied(ann.commit()) == [B]  # it was made anew, and may stand elsewhere


async def test_an_edit_that_changes_nothing_is_permitted(store: Datastore, ann: Operator) -> None:
    await ann.edit(TWO, Store.RUNNING)
    await ann.edit(flow_export(collector("c", attributes='nc:operation="remove"')))
    await store.copy(ann.session, Store.CANDIDATE, Store.RUNNING)
    assert store.record.id == 1


async def test_a_whole_datastore(
    store: Datastore, root: Operator, ann: Operator, schema: SchemaContext
) -> None:
    await rules(root, rule("keep", "deny", path("/fe:flow-export/fe:collector[fe:name='b']")), ALL)
    only_a = edits(schema, flow_export(whole_collector("a")), operations=False)
    for target in Store:
        assert B in await denied(store.copy(ann.session, target, only_a))
    assert names(store, root, Store.CANDIDATE) == ["a", "b"]


async def test_moving_an_entry_is_an_update(root: Operator, ann: Operator) -> None:
    two = "<ordered><name>{}</name></ordered>"
    del two
    await rules(root, rule("x", "permit", access="read"), rule("y", "deny", access="update"), ALL)
    first = nacm().replace(
        "</nacm>",
        '<rule-list><name>ops</name><rule yang:insert="first"><name>all</name></rule></rule-list>'
        "</nacm>",
    )
    assert await denied(ann.edit(first)) == [
        "/nacm:nacm/nacm:rule-list[nacm:name='ops']/nacm:rule[nacm:name='all']"
    ]


# -- rpcs


RPCS = {
    "any rpc": (rule("x", "deny", access="exec"), False, False),
    "one rpc": (rule("x", "deny", "<rpc-name>edit-config</rpc-name>", "exec"), False, True),
    "every name": (rule("x", "deny", "<rpc-name>*</rpc-name>"), False, False),
    "another module": (
        rule("x", "deny", "<module-name>ietf-system</module-name><rpc-name>*</rpc-name>"),
        True,
        True,
    ),
    "not about executing": (rule("x", "deny", "<rpc-name>*</rpc-name>", "read"), True, True),
    "about data": (rule("x", "deny", path("/")), True, True),
    "a notification": (
        rule("x", "deny", "<notification-name>edit-config</notification-name>"),
        True,
        True,
    ),
}


@pytest.mark.parametrize("what", RPCS)
async def test_rpcs(store: Datastore, root: Operator, ann: Operator, what: str) -> None:
    entry, edit, get = RPCS[what]
    await rules(root, entry)
    ask = store.access.may_execute
    assert ask(ann.session, "ietf-netconf", "edit-config") is edit
    assert ask(ann.session, "ietf-netconf", "get") is get
    assert ask(ann.session, "ietf-netconf", "close-session")
    assert store.access.denied_operations == (not edit) + (not get)


async def test_rpcs_that_are_denied_by_default(
    store: Datastore, root: Operator, ann: Operator
) -> None:
    ask = store.access.may_execute
    for name in ("kill-session", "delete-config"):
        assert not ask(ann.session, "ietf-netconf", name)
    await rules(root, rule("kill", "permit", "<rpc-name>kill-session</rpc-name>", "exec"))
    assert ask(ann.session, "ietf-netconf", "kill-session")
    await rules(root, defaults="<exec-default>deny</exec-default>")
    assert not ask(ann.session, "ietf-netconf", "get")
    with pytest.raises(ManagementError) as error:
        store.access.require_execute(ann.session, "ietf-netconf", "get")
    (fault,) = error.value.faults
    assert (fault.tag, fault.type, fault.path) == ("access-denied", "protocol", "")


NOTIFICATIONS = {
    "by name": (
        rule("x", "deny", "<notification-name>collector-state-change</notification-name>"),
        False,
    ),
    "by module": (rule("x", "deny", "<module-name>flow-export</module-name>"), False),
    "not about reading": (rule("x", "deny", access="exec"), True),
    "an rpc": (rule("x", "deny", "<rpc-name>*</rpc-name>"), True),
}


@pytest.mark.parametrize("what", NOTIFICATIONS)
async def test_notifications(store: Datastore, root: Operator, ann: Operator, what: str) -> None:
    entry, permitted = NOTIFICATIONS[what]
    await rules(root, entry)
    ask = store.access.may_receive
    assert ask(ann.session, "flow-export", "collector-state-change") is permitted
    assert store.access.denied_notifications == (not permitted)


# -- what the configuration may say


@pytest.mark.parametrize(
    "where", ["/fe:flow-export/fe:nothing", "/fxs:server/fe:collector", "/nacm:other"]
)
async def test_a_rule_about_nothing_is_refused(root: Operator, where: str) -> None:
    with pytest.raises(ManagementError) as error:
        await rules(root, rule("r", "deny", path(where)))
    (fault,) = error.value.faults
    assert fault.tag == "invalid-value"
    assert fault.path == (
        "/nacm:nacm/nacm:rule-list[nacm:name='ops']/nacm:rule[nacm:name='r']/nacm:path"
    )


async def test_a_path_keeps_its_modules_on_disk(
    schema: SchemaContext, root: Operator, tmp_path: Path
) -> None:
    await rules(root, rule("r", "deny", path("/fe:flow-export/fe:collector[fe:name='b']")), ALL)
    other = open_store(schema, tmp_path)
    try:
        assert names(other, Operator(other, "ann", recovery=False)) == ["a"]
    finally:
        await other.stop()


async def test_counters_are_state(store: Datastore, root: Operator, ann: Operator) -> None:
    await denied(ann.edit(flow_export(whole_collector("c"))))
    store.access.may_execute(ann.session, "ietf-netconf", "kill-session")
    with await store.operational(["/nacm"]) as tree:
        data = json.loads(store.access.readable(root.session, tree).print(Format.JSON))
    assert data["ietf-netconf-acm:nacm"] == {
        "denied-operations": 1,
        "denied-data-writes": 1,
        "denied-notifications": 0,
    }


# -- the first start


@pytest.mark.parametrize("users", [["ann", "bob"], []])
async def test_access_at_the_first_start(
    schema: SchemaContext, tmp_path: Path, users: list[str]
) -> None:
    init = tmp_path / "init.json"
    entries = [{"name": user} for user in users]
    init.write_text(json.dumps({"flow-export-server:server": {"user": entries}}))
    store = open_store(schema, tmp_path / "state", init)
    try:
        written = content(store, Operator(store))["ietf-netconf-acm:nacm"]
        assert written["write-default"] == "deny"
        assert written["groups"]["group"][0].get("user-name", []) == users
        for user in users:
            operator = Operator(store, user, recovery=False)
            await operator.edit(server(f"<user><name>{user}x</name></user>"), Store.RUNNING)
            assert store.access.may_execute(operator.session, "ietf-netconf", "kill-session")
        other = Operator(store, "cyd", recovery=False)
        await denied(other.edit(server("<user><name>z</name></user>")))
    finally:
        await store.stop()


async def test_rules_in_the_first_document_are_left_alone(
    schema: SchemaContext, tmp_path: Path
) -> None:
    init = tmp_path / "init.json"
    given = {"ietf-netconf-acm:nacm": {"read-default": "deny"}}
    init.write_text(json.dumps(given))
    store = open_store(schema, tmp_path / "state", init)
    assert content(store, Operator(store)) == given
    await store.stop()


async def test_a_confined_session_writes_below_one_path(store: Datastore, root: Operator) -> None:
    await root.edit(nacm(ALL, defaults="<enable-nacm>false</enable-nacm>"), Store.RUNNING)
    session = store.open_session(
        "robot", "test", "", lambda: None, confined_to="/flow-export-simulation:simulation"
    )
    simulation = '<simulation xmlns="urn:flowexport:flow-export-simulation">{}</simulation>'

    async def write(config: str) -> None:
        await store.edit(session, Store.RUNNING, edits(store.schema, config), EditOptions())

    await write(simulation.format("<seed>5</seed>"))
    assert store.configuration.simulation.seed == 5
    assert await denied(write(TWO.replace("<port>1</port>", "<port>2</port>")))
    assert await denied(write(server("<http><enabled>false</enabled></http>")))
    assert await denied(write(nacm(ALL, user="robot")))
    assert not store.access.may_execute(session, "flow-export-management", "rollback")
