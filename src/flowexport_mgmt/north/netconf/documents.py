"""XML that a stranger wrote: parsed with everything off that reaches beyond the message."""

from __future__ import annotations

import codecs
import re
from typing import Final

from lxml import etree

from flowexport_mgmt.errors import ErrorTag, ErrorType, ManagementError

_DOCTYPE: Final = re.compile(rb"(?>\s+|<\?.*?\?>|<!--.*?-->)*+<!DOCTYPE", re.DOTALL)
"""A document type declaration where XML allows one: before the root element."""


def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        encoding="utf-8",  # RFC 6241, section 3: whatever the XML declaration says
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        resolve_entities=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        strip_cdata=True,
    )


_PARSER: Final = _parser()


def parse(message: bytes) -> etree._Element:
    """Parse one message without comments and processing instructions.

    Raises:
        ManagementError: ``malformed-message``: not well-formed, not UTF-8, with a document type
            declaration, or deeper than libxml2's limit.
    """
    message = message.removeprefix(codecs.BOM_UTF8).strip()
    if _DOCTYPE.match(message):
        raise _malformed("a document type declaration is not accepted")
    try:
        element = etree.fromstring(message, _PARSER)
    except etree.XMLSyntaxError as error:
        raise _malformed(error.msg or "the message is not well-formed XML") from error
    # lxml looks at the latest finding only: an error with a mere warning behind it passes.
    for finding in _PARSER.error_log:
        if finding.level >= etree.ErrorLevels.ERROR:
            raise _malformed(finding.message)
    return element


def _malformed(reason: str) -> ManagementError:
    return ManagementError.single(ErrorTag.MALFORMED_MESSAGE, reason, type=ErrorType.RPC)
