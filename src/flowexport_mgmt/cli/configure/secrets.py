"""Secrets that were not shown: a text that is loaded again keeps those that the candidate has."""

from __future__ import annotations

from lxml import etree

from flowexport_mgmt.cli.config.document import Document, find
from flowexport_mgmt.cli.grammar.paths import spelled
from flowexport_mgmt.cli.grammar.words import UsageError
from flowexport_mgmt.cli.operator import Operator


def fill_in(document: Document, operator: Operator, *, command: str) -> None:
    """Put what the candidate holds in place of masks.

    Raises:
        UsageError: it holds no such secret, or this user may not read it.
    """
    if not document.masked:
        return
    data: etree._Element = operator.session.get_config("candidate")
    masked, document.masked = document.masked, []
    for path in masked:
        known = find(data, path)
        if known is None or not known.text:
            raise UsageError(
                f"{command}: {spelled(path)} is masked, and the candidate has no such secret"
            )
        document.set(path, known.text)
