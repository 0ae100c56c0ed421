"""What sessions generate."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from flowexport_mgmt.records import Datagrams, FlowBatch


class Content(enum.Enum):
    """What datagrams carry."""

    TEMPLATES = "templates"  # and option data
    COUNTERS = "counters"
    FLOWS = "flows"  # or sampled packets


@dataclass(frozen=True, slots=True)
class Output:
    """Datagrams with one kind of content.

    ``domain`` is the observation domain that they belong to. ``flows`` are the rows of their
    records, in order, where losing one has to be told of.
    """

    content: Content
    datagrams: Datagrams
    domain: int = 0
    flows: FlowBatch | None = None
