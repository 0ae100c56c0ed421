"""Operations of our own modules, which the process that knows how carries out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from flowexport_mgmt.errors import ErrorTag, LinkError, ManagementError

Parameters = Mapping[str, str]
"""The leaves of an rpc's input by name, as text."""

Output = Mapping[str, Any]
"""The nodes of an rpc's output by name, in the form of RFC 7951."""

Provider = Callable[[Parameters], Awaitable[Output]]


class Calls:
    """The operations by name, such as ``flow-export:recent-flows``, and who carries them out."""

    def __init__(self) -> None:
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
