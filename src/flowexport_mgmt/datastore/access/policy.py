"""What the rules make of a request, remembered for each schema node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from flowexport_mgmt.datastore.access.rules import (
    WRITES,
    Access,
    Keys,
    Rule,
    name_user,
    rules_for,
)
from flowexport_mgmt.model.nacm import ActionType, Nacm
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.marks import Mark, marked_operations, marks_of
from flowexport_mgmt.schema.nodes import SchemaNode

_DENIED_OPERATIONS = frozenset(("ietf-netconf", n) for n in ("kill-session", "delete-config"))
"""RFC 8341, section 3.4.4, step 10."""
_FREE_OPERATION = ("ietf-netconf", "close-session")
_FREE_NOTIFICATIONS = frozenset(("replayComplete", "notificationComplete"))
_USERS = 4096
"""Users whose rules are remembered by their names."""


class _Verdict(NamedTuple):
    """Rules that depend on keys, in order, and what counts when none of them matches."""

    conditions: tuple[Rule, ...]
    permit: bool


class UserRules:
    """The rules that count for a user, or for all users of the same groups."""

    def __init__(
        self,
        schema: SchemaContext,
        nacm: Nacm,
        groups: frozenset[str],
        user: str,
        marks: Mapping[tuple[str, str], frozenset[Mark]],
    ) -> None:
        self._rules = rules_for(schema, nacm, groups, user)
        self._nacm = nacm
        self._marks = marks
        self._verdicts: dict[tuple[SchemaNode, Access], _Verdict] = {}
        self._uniform: dict[tuple[SchemaNode, Access], bool | None] = {}

    # -- data

    def permits(self, node: SchemaNode, access: Access, instance: Sequence[Keys]) -> bool:
        """Say whether an instance may be accessed; ``instance`` holds its keys at each depth."""
        verdict = self._verdict(node, access)
        for rule in verdict.conditions:
            if rule.path is not None and rule.path.matches(instance):
                return rule.permit
        return verdict.permit

    def uniform(self, node: SchemaNode, access: Access) -> bool | None:
        """Say the one thing that holds for all instances of a node and all below; None: it varies.

        To write, only nodes of configuration count.
        """
        key = (node, access)
        if key not in self._uniform:
            self._uniform[key] = self._find_uniform(node, access)
        return self._uniform[key]

    def _find_uniform(self, node: SchemaNode, access: Access) -> bool | None:
        verdict = self._verdict(node, access)
        if verdict.conditions:
            return None
        for child in node.children.values() if not node.is_term else ():
            counts = child.config or access is Access.READ
            if counts and self.uniform(child, access) is not verdict.permit:
                return None
        return verdict.permit

    def _verdict(self, node: SchemaNode, access: Access) -> _Verdict:
        key = (node, access)
        if key not in self._verdicts:
            self._verdicts[key] = self._judge(node, access)
        return self._verdicts[key]

    def _judge(self, node: SchemaNode, access: Access) -> _Verdict:
        """Go through the rules (RFC 8341, section 3.4.5)."""
        conditions: list[Rule] = []
        for rule in self._rules:
            if not rule.is_about_data(node, access):
                continue
            if rule.path is None or not rule.path.keys:
                return _Verdict(tuple(conditions), rule.permit)
            conditions.append(rule)
        return _Verdict(tuple(conditions), self._default(node, access))

    def _default(self, node: SchemaNode, access: Access) -> bool:
        """Say what counts without a rule; what is marked is so with all below it."""
        above: SchemaNode | None = node
        while above is not None:
            marks = marks_of(above.pointer)
            if Mark.DENY_ALL in marks or (Mark.DENY_WRITE in marks and access in WRITES):
                return False
            above = above.parent
        defaults = {Access.READ: self._nacm.read_default, Access.EXEC: self._nacm.exec_default}
        return defaults.get(access, self._nacm.write_default) is ActionType.PERMIT

    def permits_action(self, path: Sequence[SchemaNode], keys: Sequence[Keys]) -> bool:
        """Say whether an action may be executed (RFC 8341, section 3.1.3).

        That is so where everything that it stands in may be read. ``path`` ends with the action,
        ``keys`` are those of the nodes above it.
        """
        *above, action = path
        reads = (
            self.permits(node, Access.READ, keys[: depth + 1]) for depth, node in enumerate(above)
        )
        return all(reads) and self.permits(action, Access.EXEC, keys)

    # -- rpcs and notifications

    def permits_rpc(self, module: str, name: str) -> bool:
        """Say whether an rpc may be executed (RFC 8341, section 3.4.4)."""
        if (module, name) == _FREE_OPERATION:
            return True
        for rule in self._rules:
            if rule.is_about_rpc(module, name):
                return rule.permit
        if (module, name) in _DENIED_OPERATIONS or self._is_closed(module, name):
            return False
        return self._nacm.exec_default is ActionType.PERMIT

    def permits_notification(self, module: str, name: str) -> bool:
        """Say whether a notification may be received (RFC 8341, section 3.4.6)."""
        if name in _FREE_NOTIFICATIONS:
            return True
        for rule in self._rules:
            if rule.is_about_notification(module, name):
                return rule.permit
        if self._is_closed(module, name):
            return False
        return self._nacm.read_default is ActionType.PERMIT

    def _is_closed(self, module: str, name: str) -> bool:
        return Mark.DENY_ALL in self._marks.get((module, name), frozenset())


class Policy:
    """What one configuration of access says, for all users."""

    def __init__(self, schema: SchemaContext, nacm: Nacm) -> None:
        self._schema = schema
        self._marks = marked_operations(schema)
        self._by_groups: dict[tuple[frozenset[str], str], UserRules] = {}
        self._by_user: dict[str, UserRules] = {}
        self.nacm = nacm

    def of(self, user: str) -> UserRules:
        """Give the rules that count for a user; users of the same groups share them.

        Except where a rule is about ``$USER``.
        """
        found = self._by_user.get(user)
        if found is None:
            if len(self._by_user) >= _USERS:
                self._by_user.clear()
            found = self._by_user[user] = self._find(user)
        return found

    def _find(self, user: str) -> UserRules:
        groups = frozenset(g.name for g in self.nacm.groups.group if user in g.user_name)
        key = (groups, user if name_user(self.nacm, groups) else "")
        if key not in self._by_groups:
            self._by_groups[key] = UserRules(self._schema, self.nacm, *key, self._marks)
        return self._by_groups[key]
