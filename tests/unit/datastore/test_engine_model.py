"""The edit engine against a naive model of RFC 6241 on plain dictionaries."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.support.edits import edits

from flowexport_mgmt.datastore.candidate import Candidate, LogEntry
from flowexport_mgmt.datastore.record import CommitRecord
from flowexport_mgmt.errors import ManagementError
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.edits import Operation
from flowexport_mgmt.schema.tree import Format, Tree

Data = dict[Any, Any]
RECORD = CommitRecord(id=1, time="", user="", door="")
CASES = ("wood", "paper", "metal")
KEYS = {"step": "name", "plain": "name", "inner": "id"}
PRESENCE = {"box"}


class RefusedError(Exception):
    """The model refuses an edit: the tag."""


@dataclass(frozen=True)
class Edit:
    """A node of an edit, without any schema."""

    name: str
    operation: str = ""
    value: str | None = None
    children: tuple[Edit, ...] = ()
    insert: str = ""

    def xml(self, deleting: bool = False) -> str:
        deleting = deleting or self.operation in ("delete", "remove")
        attributes = f' nc:operation="{self.operation}"' if self.operation else ""
        if self.insert:
            attributes += f' yang:insert="{self.insert}"'
        if self.name in ("order", "box"):
            attributes += ' xmlns="urn:test:kinds"'
        inside = "".join(child.xml(deleting) for child in self.children)
        if self.name in KEYS:
            inside = f"<{KEYS[self.name]}>{self.value}</{KEYS[self.name]}>{inside}"
        elif self.value is not None and (self.name == "paper" or not deleting):
            inside = self.value
        return f"<{self.name}{attributes}>{inside}</{self.name}>"


# -- the model: a container is a dictionary, a list one by key in the order of entries


def apply(data: Data, edit: Edit, inherited: str) -> None:
    """Make an edit on the dictionary above its node."""
    operation = edit.operation or inherited
    place, key = (
        (data.setdefault(edit.name, {}), edit.value) if is_list(edit) else (data, edit.name)
    )
    there = key in place and not is_empty(edit, place[key])
    if operation in ("delete", "remove"):
        if operation == "delete" and not there:
            raise RefusedError("data-missing")
        place.pop(key, None)
        return
    if operation == "create" and there:
        raise RefusedError("data-exists")
    if operation == "none":
        if not there and not is_plain_container(edit):
            raise RefusedError("data-missing")
        if edit.value is not None and edit.name not in KEYS:
            return
    else:
        drop_other_cases(data, edit)
    if edit.name in KEYS or edit.value is None:
        before = to_json(place.get(key, {}))
        write_inner(place, key, edit, operation)
        if operation == "none" and to_json(place[key]) not in ({}, before):
            drop_other_cases(data, edit)
    else:
        place[key] = edit.value
    if edit.insert and operation != "none":
        insert(place, edit)


def insert(place: Data, edit: Edit) -> None:
    value = place.pop(edit.value)
    rest = list(place.items())
    entry = (edit.value, value)
    place.clear()
    place.update([entry, *rest] if edit.insert == "first" else [*rest, entry])


def write_inner(place: Data, key: Any, edit: Edit, operation: str) -> None:
    inner = place.setdefault(key, {})
    if operation == "replace":
        keep(inner, edit)
    for child in edit.children:
        apply(inner, child, operation)
    if operation == "replace":
        reorder(inner, edit)


def keep(inner: Data, edit: Edit) -> None:
    """Drop what a replacing edit does not name."""
    for name in list(inner):
        named = [child for child in edit.children if child.name == name]
        if not named:
            del inner[name]
        elif is_list(named[0]):
            wanted = {child.value for child in named}
            inner[name] = {k: v for k, v in inner[name].items() if k in wanted}


def reorder(inner: Data, edit: Edit) -> None:
    """Order a replaced list as if it had been filled from nothing."""
    steps = [c for c in edit.children if c.name == "step" and c.operation not in DELETING]
    entries, ordered = inner.get("step", {}), {}
    for child in steps:
        ordered[child.value] = entries[child.value]
        if child.insert:
            insert(ordered, child)
    if steps:
        inner["step"] = ordered


DELETING = ("delete", "remove")


def drop_other_cases(data: Data, edit: Edit) -> None:
    if edit.name in CASES:
        for other in CASES:
            if other != edit.name:
                data.pop(other, None)


def is_list(edit: Edit) -> bool:
    return edit.name in KEYS or edit.name == "paper"


def is_plain_container(edit: Edit) -> bool:
    return edit.name in ("order", "deep", "metal")


def is_empty(edit: Edit, value: Any) -> bool:
    """Containers that mean nothing exist only by what is in them."""
    return is_plain_container(edit) and not to_json(value)


def to_json(data: Data) -> Any:
    """Give the model's data the form of RFC 7951."""
    result: Data = {}
    for name, value in data.items():
        if name in KEYS:
            entries = [{KEYS[name]: key_value(name, k), **to_json(v)} for k, v in value.items()]
            if entries:
                result[name] = entries
        elif name == "paper":
            if value:
                result[name] = list(value)
        elif isinstance(value, dict):
            inner = to_json(value)
            if inner or name in PRESENCE:
                result[name] = inner
        else:
            result[name] = value
    return result


def key_value(name: str, key: str) -> Any:
    return int(key) if name == "inner" else key


# -- random edits

operations = st.sampled_from(["", "", "", "merge", "replace", "create", "delete", "remove"])
names = st.sampled_from("abc")
values = st.sampled_from("xyz")


def identity(edit: Edit) -> tuple[str, str | None]:
    return edit.name, edit.value if is_list(edit) else None


def unique(elements: st.SearchStrategy[Edit]) -> st.SearchStrategy[tuple[Edit, ...]]:
    return st.lists(elements, max_size=4, unique_by=identity).map(tuple)


def leaf(name: str) -> st.SearchStrategy[Edit]:
    return st.builds(Edit, st.just(name), operations, values)


def entry(
    name: str, keys: st.SearchStrategy[str], children: st.SearchStrategy[tuple[Edit, ...]]
) -> st.SearchStrategy[Edit]:
    return st.builds(Edit, st.just(name), operations, keys, children)


def tidy(edit: Edit, deleting: bool = False) -> Edit:
    """Take away what a parser would refuse: operations below a deleted node."""
    operation = "" if deleting else edit.operation
    below = deleting or operation in DELETING
    insert = "" if below else edit.insert
    children = tuple(tidy(child, below) for child in edit.children)
    return Edit(edit.name, operation, edit.value, children, insert)


deep = st.builds(Edit, st.just("deep"), operations, st.none(), unique(leaf("value")))
inner = entry("inner", st.sampled_from("12"), unique(leaf("note")))
plains = entry("plain", names, unique(st.one_of(leaf("note"), deep, inner)))
steps = st.builds(
    Edit,
    st.just("step"),
    operations,
    names,
    unique(leaf("note")),
    st.sampled_from(["", "", "first", "last"]),
)
orders = st.builds(Edit, st.just("order"), operations, st.none(), unique(st.one_of(plains, steps)))
metal = st.builds(Edit, st.just("metal"), operations, st.none(), unique(leaf("alloy")))
paper = st.builds(Edit, st.just("paper"), operations, values)
case = st.one_of(unique(leaf("wood")), unique(metal), unique(paper))
boxes = st.builds(
    lambda operation, label, chosen: Edit("box", operation, None, label + chosen),
    operations,
    unique(leaf("label")),
    case,
)
tops = st.lists(st.one_of(orders, boxes).map(tidy), min_size=1, max_size=2, unique_by=identity)
requests = st.tuples(tops, st.sampled_from(["merge", "merge", "replace", "none"]))


def model_apply(data: Data, request: tuple[list[Edit], str]) -> Data:
    changed = copy.deepcopy(data)
    for edit in request[0]:
        apply(changed, edit, request[1])
    return changed


def log_entry(schema: SchemaContext, request: tuple[list[Edit], str]) -> LogEntry:
    xml = "".join(edit.xml() for edit in request[0])
    return LogEntry(edits(schema, xml), Operation(request[1]))


def shown(tree: Tree) -> Any:
    data = json.loads(tree.print(Format.JSON) or b"{}")
    return {name.partition(":")[2]: value for name, value in data.items()}


@given(st.lists(requests, min_size=1, max_size=6))
def test_the_engine_does_what_the_model_does(
    schema: SchemaContext, sequence: list[tuple[list[Edit], str]]
) -> None:
    model: Data = {}
    with Tree(schema) as base:
        candidate = Candidate(RECORD, base)
        for request in sequence:
            before = candidate.tree.print(Format.JSON)
            try:
                changed = model_apply(model, request)
            except RefusedError:
                refuse(schema, candidate, request)
                assert candidate.tree.print(Format.JSON) == before
                continue
            candidate.edit(log_entry(schema, request))
            model = changed
            assert shown(candidate.tree) == to_json(model)
        replayed = candidate.rebased(RECORD, base)
        assert replayed.tree.print(Format.JSON) == candidate.tree.print(Format.JSON)
        replayed.free()
        candidate.free()


def refuse(schema: SchemaContext, candidate: Candidate, request: tuple[list[Edit], str]) -> None:
    entry = log_entry(schema, request)
    try:
        candidate.edit(entry)
    except ManagementError:
        return
    raise AssertionError(f"accepted: {entry}")


@given(st.lists(requests, min_size=1, max_size=4))
def test_changes_are_told_exactly_when_something_changed(
    schema: SchemaContext, sequence: list[tuple[list[Edit], str]]
) -> None:
    with Tree(schema) as base:
        candidate = Candidate(RECORD, base)
        for request in sequence:
            before, told = candidate.tree.print(Format.JSON), len(candidate.changes)
            try:
                candidate.edit(log_entry(schema, request))
            except ManagementError:
                continue
            if candidate.tree.print(Format.JSON) != before:
                assert len(candidate.changes) > told
        candidate.free()
