"""Operations and actions of our own modules, which the process that knows how carries out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flowexport_mgmt.datastore.access import AccessControl
from flowexport_mgmt.datastore.sessions import Session
from flowexport_mgmt.errors import ErrorTag, LinkError, ManagementError
from flowexport_mgmt.schema.nodes import SchemaNode
from flowexport_mgmt.schema.paths import Step, render_json_path
from flowexport_mgmt.schema.tree import Tree

Parameters = Mapping[str, str]
"""The leaves of an rpc's input by name, as text; of an action the keys of what it stands in.

The values of a leaf-list have spaces between them.
"""

Output = Mapping[str, Any]
"""The nodes of an rpc's output by name, in the form of RFC 7951."""

Provider = Callable[[Parameters], Awaitable[Output]]


@dataclass(frozen=True, slots=True)
class Action:
    """An action of one instance: its schema nodes from the top on, and the keys of each above it.

    ``path`` is the instance path with module prefixes.
    """

    nodes: tuple[SchemaNode, ...]
    keys: tuple[Mapping[str, str], ...]
    path: str

    @property
    def parameters(self) -> Parameters:
        """All keys by name."""
        return {name: value for keys in self.keys for name, value in keys.items()}

    @property
    def parent(self) -> str:
        """The path, with module names, of the node that it stands in."""
        return render_json_path(
            Step(node.module, node.prefix, node.name, tuple(keys.items()))
            for node, keys in zip(self.nodes, self.keys, strict=False)
        )


class Calls:
    """The operations by name, such as ``flow-export:recent-flows``, and who carries them out.

    An action's name is its schema path (``/flow-export/collector/export-now``).
    """

    def __init__(self, access: AccessControl, running: Callable[[], Tree]) -> None:
        self._access = access
        self._running = running
        self._providers: dict[str, Provider] = {}

    def register(self, name: str, provider: Provider) -> None:
        """Let a provider carry out an operation."""
        self._providers[name] = provider

    async def call(self, name: str, parameters: Parameters) -> Output:
        """Have an operation carried out.

        Raises:
            ManagementError: nobody carries it out, or whoever does cannot at present or refused.
        """
        provider = self._providers.get(name)
        if provider is None:
            raise ManagementError.single(
                ErrorTag.OPERATION_NOT_SUPPORTED, f"nobody here carries out {name}"
            )
        try:
            return await provider(parameters)
        except LinkError as error:
            raise ManagementError.single(ErrorTag.OPERATION_FAILED, str(error)) from error

    async def act(self, session: Session, action: Action) -> Output:
        """Have an action carried out (RFC 7950, section 7.15).

        Raises:
            ManagementError: access-denied; data-missing: there is no such instance; or as `call`.
        """
        self._access.require_action(session, action.nodes, action.keys, action.path)
        if self._running().find(action.parent) is None:
            message = "what the action stands in does not exist"
            raise ManagementError.single(ErrorTag.DATA_MISSING, message, path=action.path)
        return await self.call(action.nodes[-1].schema_path, action.parameters)
