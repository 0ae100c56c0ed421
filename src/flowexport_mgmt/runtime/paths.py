"""Paths: which state was asked for, and where a configuration is to blame."""

from __future__ import annotations

from collections.abc import Iterable

FLOW_EXPORT = "/flow-export"
COLLECTOR = "/flow-export/collector"
CONNTRACK = "/flow-export/conntrack"
COUNTERS = "/flow-export/counters"
ENRICHMENT = "/flow-export/enrichment"
SAMPLED_FLOWS = "/flow-export/sampled-flows"
SAMPLING = "/flow-export/sampling"
INTERFACES = "/interfaces"
SIMULATION = "/simulation"


def is_asked(node: str, paths: Iterable[str]) -> bool:
    """Tell whether any of the schema paths is the node's, or lies above or below it."""
    steps = _steps(node)
    for path in paths:
        asked = _steps(path)
        shared = min(len(steps), len(asked))
        if steps[:shared] == asked[:shared]:
            return True
    return False


def collector_path(name: str, leaf: str = "") -> str:
    """Write the instance path of a collector, or of one of its leaves (RFC 7951, section 6.11)."""
    path = f"/flow-export:flow-export/collector[name={_literal(name)}]"
    return f"{path}/{leaf}" if leaf else path


def _steps(path: str) -> list[str]:
    return [step for step in path.split("/") if step]


def _literal(text: str) -> str:
    """Write an XPath literal; with both kinds of quotes in the text it takes a concatenation."""
    if "'" not in text:
        return f"'{text}'"
    if '"' not in text:
        return f'"{text}"'
    parts = """, "'", """.join(f"'{part}'" for part in text.split("'"))
    return f"concat({parts})"
