"""libyang as the judge of what the server sends: every notification must fit its module."""

from __future__ import annotations

from _libyang import ffi, lib

from flowexport_mgmt.schema import library
from flowexport_mgmt.schema.context import SchemaContext

_ABSENT = "required instance not found"
"""The target of an edit need not be in the datastore: what was deleted is not."""


def judge_notification(schema: SchemaContext, message: bytes) -> None:
    """Parse and validate a notification message.

    Raises:
        LibraryError: what is wrong with it.
    """
    text, source = ffi.new("char[]", message), ffi.new("struct ly_in **")
    envelope, event = ffi.new("struct lyd_node **"), ffi.new("struct lyd_node **")
    library.check(schema.pointer, lib.ly_in_new_memory(text, source), "reading")
    try:
        result = lib.lyd_parse_op(
            schema.pointer,
            ffi.NULL,
            source[0],
            lib.LYD_XML,
            lib.LYD_TYPE_NOTIF_NETCONF,
            envelope,
            event,
        )
        library.check(schema.pointer, result, "parsing a notification")
        result = lib.lyd_validate_op(event[0], ffi.NULL, lib.LYD_TYPE_NOTIF_YANG, ffi.NULL)
        errors = library.take_errors(schema.pointer)
        if result and any(_ABSENT not in error.message for error in errors):
            raise library.LibraryError(errors, "validating a notification")
    finally:
        lib.lyd_free_all(envelope[0])
        lib.lyd_free_all(event[0])
        lib.ly_in_free(source[0], False)
