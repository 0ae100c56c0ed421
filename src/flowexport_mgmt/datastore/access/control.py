"""The face of access control: sessions ask, and what is denied is counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from flowexport_mgmt.datastore.access.policy import Policy, UserRules
from flowexport_mgmt.datastore.access.reads import prune
from flowexport_mgmt.datastore.access.rules import Keys
from flowexport_mgmt.datastore.access.writes import check_changes, check_plan
from flowexport_mgmt.datastore.changes import Change
from flowexport_mgmt.datastore.engine import Plan
from flowexport_mgmt.datastore.sessions import Session
from flowexport_mgmt.errors import ErrorTag, ErrorType, Fault, ManagementError
from flowexport_mgmt.model.configuration import Configuration
from flowexport_mgmt.model.nacm import ActionType, Nacm, NacmState, RuleList, RuleListRule
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.nodes import SchemaNode
from flowexport_mgmt.schema.tree import Tree

CheckPlan = Callable[[Plan], None]
CheckChanges = Callable[[Sequence[Change], Tree, Tree], None]
"""Checks of changes, given with the trees before and after them; both raise ManagementError."""


class AccessControl:
    """Decides by what is committed; the recovery session may do everything.

    A state provider too: it reports what was denied since the start. ``on_refusal`` is told of each
    rpc that is refused.
    """

    paths = ("/nacm",)

    def __init__(
        self,
        schema: SchemaContext,
        configuration: Callable[[], Configuration],
        on_refusal: Callable[[Session, str, Fault], None],
    ) -> None:
        self._schema = schema
        self._configuration = configuration
        self._on_refusal = on_refusal
        self._policy: Policy | None = None
        self._confined_rules: dict[str, UserRules] = {}
        self.denied_operations = 0
        self.denied_data_writes = 0
        self.denied_notifications = 0

    def _rules(self, session: Session) -> UserRules | None:
        """Give the rules that count for a session; None where there are none to obey."""
        if session.confined_to is not None:
            return self._confined(session.confined_to)
        nacm = self._configuration().nacm
        if session.recovery or not nacm.enable_nacm:
            return None
        policy = self._policy
        if policy is None or (policy.nacm is not nacm and policy.nacm != nacm):
            self._policy = policy = Policy(self._schema, nacm)
        return policy.of(session.user)

    def _confined(self, path: str) -> UserRules:
        """Give the rights of sessions that may write at and below one path only."""
        if path not in self._confined_rules:
            rule = RuleListRule(name="own", path=path, action=ActionType.PERMIT)
            nacm = Nacm(
                write_default=ActionType.DENY,
                exec_default=ActionType.DENY,
                rule_list=(RuleList(name="own", group=("*",), rule=(rule,)),),
            )
            self._confined_rules[path] = Policy(self._schema, nacm).of("")
        return self._confined_rules[path]

    # -- rpcs and notifications

    def may_execute(self, session: Session, module: str, rpc: str) -> bool:
        """Say whether a session may call an rpc, by the name of its module; a refusal counts."""
        rules = self._rules(session)
        permitted = rules is None or rules.permits_rpc(module, rpc)
        self.denied_operations += not permitted
        return permitted

    def require_execute(self, session: Session, module: str, rpc: str) -> None:
        """Refuse an rpc that a session may not call.

        Raises:
            ManagementError: access-denied.
        """
        if not self.may_execute(session, module, rpc):
            message = f"user {session.user} may not call {rpc}"
            fault = Fault(tag=ErrorTag.ACCESS_DENIED, message=message, type=ErrorType.PROTOCOL)
            self._on_refusal(session, rpc, fault)
            raise ManagementError((fault,))

    def require_action(
        self, session: Session, path: Sequence[SchemaNode], keys: Sequence[Keys], place: str
    ) -> None:
        """Refuse an action that a session may not call; see UserRules.permits_action.

        Raises:
            ManagementError: access-denied, with the path of the action.
        """
        rules = self._rules(session)
        if rules is None or rules.permits_action(path, keys):
            return
        self.denied_operations += 1
        action = path[-1].name
        message = f"user {session.user} may not call {action} here"
        fault = Fault(tag=ErrorTag.ACCESS_DENIED, message=message, path=place)
        self._on_refusal(session, action, fault)
        raise ManagementError((fault,))

    def may_receive(self, session: Session, module: str, notification: str) -> bool:
        """Say whether a session may be sent a notification; a refusal counts."""
        rules = self._rules(session)
        permitted = rules is None or rules.permits_notification(module, notification)
        self.denied_notifications += not permitted
        return permitted

    # -- reading

    def view(self, session: Session) -> UserRules | None:
        """Give a key under which to keep what a session was shown: equal keys see the same.

        None sees everything.
        """
        return self._rules(session)

    def readable(self, session: Session, tree: Tree) -> Tree:
        """Take out of a tree what a session may not read, and give the same tree back."""
        rules = self._rules(session)
        if rules is not None:
            prune(tree, rules)
        return tree

    # -- writing

    def edit_check(self, session: Session) -> CheckPlan | None:
        """Give what refuses an edit with access-denied and a path; None where all is permitted."""
        rules = self._rules(session)
        if rules is None:
            return None
        return lambda plan: self._refuse(check_plan(plan, rules))

    def commit_check(self, session: Session) -> CheckChanges | None:
        """Give what refuses a commit with access-denied and a path; None: all is permitted."""
        rules = self._rules(session)
        if rules is None:
            return None
        return lambda changes, before, after: self._refuse(
            check_changes(changes, before, after, rules)
        )

    def _refuse(self, faults: Sequence[Fault]) -> None:
        if faults:
            self.denied_data_writes += 1
            raise ManagementError(faults)

    # -- state

    async def state(self, _: Sequence[str]) -> Mapping[str, NacmState]:
        """Report the counters."""
        state = NacmState(
            denied_operations=self.denied_operations & 0xFFFFFFFF,
            denied_data_writes=self.denied_data_writes & 0xFFFFFFFF,
            denied_notifications=self.denied_notifications & 0xFFFFFFFF,
        )
        return {"ietf-netconf-acm:nacm": state}
