"""What devices speak and to whom."""

from __future__ import annotations

import enum
from typing import NamedTuple


class Format(enum.StrEnum):
    """The protocols that devices speak, by their names in the model."""

    SFLOW = "sflow"
    NETFLOW5 = "netflow5"
    NETFLOW9 = "netflow9"
    IPFIX = "ipfix"


class Endpoint(NamedTuple):
    """A collector, by its address as the configuration has it, and its port."""

    address: str
    port: int
