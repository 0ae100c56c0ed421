"""The name of the host, where collectors of telemetry look for it (RFC 7317)."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import Any


class HostName:
    """Reports the host's name as the kernel has it."""

    paths = ("/system",)

    async def state(self, _: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """Report the name."""
        return {"ietf-system:system": {"hostname": socket.gethostname()}}
