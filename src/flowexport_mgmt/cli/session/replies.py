"""What a server answers: XML read safely, and refusals as errors."""

from __future__ import annotations

from typing import Final, TypeVar

from lxml import etree

from flowexport_mgmt.errors import ErrorTag, ErrorType, Fault, FlowExportError, ManagementError

Member = TypeVar("Member", ErrorTag, ErrorType)

NETCONF: Final = "urn:ietf:params:xml:ns:netconf:base:1.0"


class NotReachedError(FlowExportError):
    """No daemon answers, or it does no longer."""


def nc(name: str) -> str:
    """Give an element's name in NETCONF's own namespace."""
    return f"{{{NETCONF}}}{name}"


def parse(message: bytes) -> etree._Element:
    """Read a message.

    Raises:
        NotReachedError: it is no XML.
    """
    try:
        return etree.fromstring(message, etree.XMLParser(resolve_entities=False, huge_tree=True))
    except etree.XMLSyntaxError as error:
        raise NotReachedError(f"the daemon sent no XML: {error}") from error


def checked(reply: etree._Element) -> etree._Element:
    """Give a reply back.

    Raises:
        ManagementError: it holds errors.
    """
    faults = [_fault(found) for found in reply.iterchildren(nc("rpc-error"))]
    if faults:
        raise ManagementError(faults)
    return reply


def _fault(element: etree._Element) -> Fault:
    """Read an rpc-error (RFC 6241, section 4.3)."""
    text = {etree.QName(child).localname: (child.text or "").strip() for child in element}
    info, path = element.find(nc("error-info")), text.get("error-path", "")
    message = text.get("error-message", text.get("error-tag", ""))
    return Fault(
        tag=_member(ErrorTag, text.get("error-tag"), ErrorTag.OPERATION_FAILED),
        message=message.removeprefix(f"{path}: "),
        type=_member(ErrorType, text.get("error-type"), ErrorType.APPLICATION),
        app_tag=text.get("error-app-tag", ""),
        path=path,
        info={etree.QName(i).localname: i.text or "" for i in (() if info is None else info)},
    )


def _member(kind: type[Member], text: str | None, default: Member) -> Member:
    """Read a member of an enumeration that a newer server may have more of."""
    try:
        return kind(text or "")
    except ValueError:
        return default
