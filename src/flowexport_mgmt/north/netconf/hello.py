"""Capabilities exchange (RFC 6241, section 8.1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import urlencode
from xml.sax.saxutils import escape

from flowexport_mgmt.errors import DecodeError, ManagementError
from flowexport_mgmt.north.netconf import documents, names
from flowexport_mgmt.north.netconf.names import base
from flowexport_mgmt.schema.context import ModuleInfo
from flowexport_mgmt.wire.netconf import Framing

BASE_1_0: Final = "urn:ietf:params:netconf:base:1.0"
BASE_1_1: Final = "urn:ietf:params:netconf:base:1.1"
_CAPABILITY: Final = "urn:ietf:params:netconf:capability"
_WORKING: Final = (
    "writable-running:1.0",
    "candidate:1.0",
    "confirmed-commit:1.1",
    "rollback-on-error:1.0",
    "validate:1.0",
    "validate:1.1",
    "xpath:1.0",
    "notification:1.0",
    "interleave:1.0",
)
_DEFAULTS: Final = "basic-mode=explicit&also-supported=report-all,report-all-tagged,trim"
_YANG_LIBRARY_REVISION: Final = "2019-01-04"


def capabilities(modules: Iterable[ModuleInfo], content_id: str) -> tuple[str, ...]:
    """List all that the server can do.

    Clients learn the modules from yang-library, in the form of RFC 8525 or in the older one (RFC
    7950, section 5.6.4); every implemented module is named here too, for those that read only the
    hello.
    """
    library = urlencode({"revision": _YANG_LIBRARY_REVISION, "content-id": content_id})
    older = urlencode({"revision": _YANG_LIBRARY_REVISION, "module-set-id": content_id})
    return (
        BASE_1_0,
        BASE_1_1,
        *(f"{_CAPABILITY}:{name}" for name in _WORKING),
        f"{_CAPABILITY}:with-defaults:1.0?{_DEFAULTS}",
        f"{_CAPABILITY}:with-operational-defaults:1.0?{_DEFAULTS}",
        f"{_CAPABILITY}:yang-library:1.1?{library}",
        f"{_CAPABILITY}:yang-library:1.0?{older}",
        *(_module_capability(module) for module in modules if module.implemented),
    )


def _module_capability(module: ModuleInfo) -> str:
    query = {"module": module.name}
    if module.revision:
        query["revision"] = module.revision
    for name, values in (("features", module.features), ("deviations", module.deviations)):
        if values:
            query[name] = ",".join(values)
    return f"{module.namespace}?{urlencode(query, safe=',')}"


def render_hello(offered: Iterable[str], session_id: int | None = None) -> bytes:
    """Write a hello; only a server's carries a session-id."""
    return "".join(_hello(offered, session_id)).encode()


def _hello(offered: Iterable[str], session_id: int | None) -> Iterator[str]:
    yield f'<?xml version="1.0" encoding="UTF-8"?><hello xmlns="{names.BASE}"><capabilities>'
    for capability in offered:
        yield f"<capability>{escape(capability)}</capability>"
    yield "</capabilities>"
    if session_id is not None:
        yield f"<session-id>{session_id}</session-id>"
    yield "</hello>"


def read_hello(message: bytes) -> Framing:
    """Read a client's hello and give the framing of what follows.

    Raises:
        DecodeError: ``hello``: not a hello, one with a session-id, which only a server may send, or
            one that has no base version in common with ours. The session must be ended.
    """
    try:
        hello = documents.parse(message)
    except ManagementError as error:
        raise DecodeError("hello", str(error)) from error
    if hello.tag != base("hello"):
        raise DecodeError("hello", f"a session starts with a hello, not with {hello.tag}")
    if hello.find(base("session-id")) is not None:
        raise DecodeError("hello", "a client's hello has no session-id")
    found = hello.iterfind(f"{base('capabilities')}/{base('capability')}")
    theirs = {(capability.text or "").strip() for capability in found}
    if BASE_1_1 in theirs:
        return Framing.CHUNKED
    if BASE_1_0 in theirs:
        return Framing.END_OF_MESSAGE
    raise DecodeError("hello", "the client speaks neither base:1.0 nor base:1.1")
