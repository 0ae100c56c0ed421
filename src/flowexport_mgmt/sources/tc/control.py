"""What can be asked of the kernel's traffic control, and ordered from it."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Final

from flowexport_mgmt.sources.netlink_requests import CREATE, EXCLUSIVE, REPLACE, Requests
from flowexport_mgmt.sources.tc import messages
from flowexport_mgmt.sources.tc.messages import Action, Filter, Rule, Side

_NEWQDISC, _DELQDISC, _GETQDISC = 36, 37, 38
_NEWTFILTER, _DELTFILTER, _GETTFILTER = 44, 45, 46
_NEWACTION, _GETACTION = 48, 50

FIRST_INDEX: Final = 0x5F10_0000
"""The actions that this program makes are numbered from here."""

_INDEXES: Final = 0x10_0000


class Control:
    """Traffic control of the network namespace; every method raises OSError."""

    def __init__(self, requests: Requests | None = None) -> None:
        self._requests = requests or Requests(socket.NETLINK_ROUTE)

    def qdiscs(self) -> Mapping[int, str]:
        """Map interfaces to the kind of qdisc that filters stand on: clsact or ingress."""
        bodies = self._requests.dump(_GETQDISC, messages.qdiscs_request())
        return dict(found for body in bodies if (found := messages.read_qdisc(body)))

    def filters(self, ifindex: int, side: Side) -> list[Filter]:
        """List the filters of one side of an interface."""
        bodies = self._requests.dump(_GETTFILTER, messages.filters_request(ifindex, side))
        return [found for body in bodies if (found := messages.read_filter(body))]

    def actions(self) -> list[Action]:
        """List the actions that take samples, whoever made them."""
        bodies = self._requests.dump(_GETACTION, messages.actions_request())
        return [action for body in bodies for action in messages.read_actions(body)]

    def free_index(self) -> int:
        """Find a number that no action has."""
        taken = {action.index for action in self.actions()}
        return next(n for n in range(FIRST_INDEX, FIRST_INDEX + _INDEXES) if n not in taken)

    def add_clsact(self, ifindex: int) -> None:
        """Let an interface have filters; FileExistsError when it has a qdisc for them."""
        self._requests.call(_NEWQDISC, messages.qdisc_request(ifindex), CREATE | EXCLUSIVE)

    def delete_clsact(self, ifindex: int) -> None:
        """Take the qdisc away, and all filters with it."""
        self._requests.call(_DELQDISC, messages.qdisc_request(ifindex))

    def add_filter(self, ifindex: int, side: Side, index: int, rule: Rule) -> None:
        """Take samples; FileExistsError when there is a filter of our priority."""
        action = messages.action_attributes(index, rule)
        request = messages.filter_request(ifindex, side, action)
        self._requests.call(_NEWTFILTER, request, CREATE | EXCLUSIVE)

    def change_action(self, index: int, rule: Rule) -> None:
        """Change how samples are taken while they are."""
        request = messages.action_request(messages.action_attributes(index, rule))
        self._requests.call(_NEWACTION, request, REPLACE)

    def delete_filter(self, ifindex: int, side: Side, which: Filter) -> None:
        """Delete a filter, and its action when nothing else has it."""
        self._requests.call(_DELTFILTER, messages.deletion(ifindex, side, which))

    def close(self) -> None:
        """Release the socket."""
        self._requests.close()
