"""Rules as the configuration has them, made ready to be matched."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

from flowexport_mgmt.errors import ErrorTag, Fault
from flowexport_mgmt.model.nacm import ActionType, Nacm, RuleListRule
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.nodes import SchemaNode
from flowexport_mgmt.schema.paths import Variable, parse_path, quote

Keys = Mapping[str, str]
"""What tells an instance from its siblings: key values by name, or a leaf-list's value as ``.``."""

ANY = "*"
USER = "USER"
"""The variable that a path may hold: the name of the session's user (RFC 8341, section 5)."""
_ROOT = "/"


class Access(enum.Flag):
    """What is done to a node, rpc or notification (RFC 8341, section 3.4)."""

    CREATE = enum.auto()
    READ = enum.auto()
    UPDATE = enum.auto()
    DELETE = enum.auto()
    EXEC = enum.auto()


EVERY_ACCESS = reduce(or_, Access)
WRITES = Access.CREATE | Access.UPDATE | Access.DELETE


@dataclass(frozen=True, slots=True)
class RulePath:
    """The subtrees that a rule is about: a schema node, and keys by depth; no node means all."""

    node: SchemaNode | None
    keys: tuple[tuple[int, Keys], ...] = ()

    def covers(self, node: SchemaNode) -> bool:
        """Say whether a node may lie at or below it, whatever its keys."""
        above: SchemaNode | None = node
        while above is not None and above is not self.node:
            above = above.parent
        return self.node is None or above is not None

    def matches(self, instance: Sequence[Keys]) -> bool:
        """Say whether an instance, given by its keys at each depth, has the keys asked for."""
        return all(
            instance[depth].get(name) == value
            for depth, keys in self.keys
            for name, value in keys.items()
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; ``module`` may be ``*``, and what is None is not asked for."""

    module: str
    access: Access
    permit: bool
    rpc: str | None = None
    notification: str | None = None
    path: RulePath | None = None

    def is_about_data(self, node: SchemaNode, access: Access) -> bool:
        """Say whether it may match access to an instance of a node."""
        if self.rpc is not None or self.notification is not None or access not in self.access:
            return False
        covered = self.path is None or self.path.covers(node)
        return covered and self.module in (ANY, node.module)

    def is_about_rpc(self, module: str, name: str) -> bool:
        """Say whether it matches the execution of an rpc."""
        if self.notification is not None or self.path is not None:
            return False
        return Access.EXEC in self.access and self._names(module, self.rpc, name)

    def is_about_notification(self, module: str, name: str) -> bool:
        """Say whether it matches the receipt of a notification."""
        if self.rpc is not None or self.path is not None:
            return False
        return Access.READ in self.access and self._names(module, self.notification, name)

    def _names(self, module: str, wanted: str | None, name: str) -> bool:
        return self.module in (ANY, module) and wanted in (None, ANY, name)


def rules_for(
    schema: SchemaContext, nacm: Nacm, groups: frozenset[str], user: str
) -> tuple[Rule, ...]:
    """Give the rules that count for a user in some groups, in order."""
    return tuple(_rule(schema, rule, user) for rule in _entries(nacm, groups))


def name_user(nacm: Nacm, groups: frozenset[str]) -> bool:
    """Say whether the rules of some groups differ from user to user."""
    return any(f"${USER}" in (rule.path or "") for rule in _entries(nacm, groups))


def _entries(nacm: Nacm, groups: frozenset[str]) -> Iterator[RuleListRule]:
    for entry in nacm.rule_list:
        if ANY in entry.group or not groups.isdisjoint(entry.group):
            yield from entry.rule


def _rule(schema: SchemaContext, rule: RuleListRule, user: str) -> Rule:
    return Rule(
        module=rule.module_name,
        access=_access(rule.access_operations),
        permit=rule.action is ActionType.PERMIT,
        rpc=rule.rpc_name,
        notification=rule.notification_name,
        path=None if rule.path is None else _path(schema, rule.path, user),
    )


def _access(operations: str) -> Access:
    if operations == ANY:
        return EVERY_ACCESS
    return reduce(or_, (Access[name.upper()] for name in operations.split()), Access(0))


def _path(schema: SchemaContext, path: str, user: str) -> RulePath:
    """Resolve a path.

    Raises:
        ValueError: these modules have no such node, or a variable is not the user's name.
    """
    if path == _ROOT:
        return RulePath(None)
    keys = tuple(
        (depth, {name: _value(value, user) for name, value in step.predicates})
        for depth, step in enumerate(parse_path(path))
        if step.predicates
    )
    return RulePath(schema.resolve(path, actions=True)[-1], keys)


def _value(value: str, user: str) -> str:
    if isinstance(value, Variable):
        if value != USER:
            raise ValueError(f"the only variable is ${USER}, not ${value}")
        return user
    return value


def check_rule_paths(schema: SchemaContext, nacm: Nacm) -> Iterator[Fault]:
    """Give the faults of rules about nodes that no module has: they would protect nothing."""
    for entry in nacm.rule_list:
        for rule in entry.rule:
            try:
                _path(schema, rule.path or _ROOT, "")
            except ValueError as error:
                yield Fault(
                    tag=ErrorTag.INVALID_VALUE,
                    message=str(error),
                    path=f"/nacm:nacm/nacm:rule-list[nacm:name={quote(entry.name)}]"
                    f"/nacm:rule[nacm:name={quote(rule.name)}]/nacm:path",
                )
