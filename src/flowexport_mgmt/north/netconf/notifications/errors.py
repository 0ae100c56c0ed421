"""Refusals of subscriptions: each names an identity of the modules (RFC 8640, section 7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flowexport_mgmt.errors import ErrorTag, ManagementError

_SUBSCRIBED: Final = "ietf-subscribed-notifications"
_PUSH: Final = "ietf-yang-push"
_PREFIXES: Final = {_SUBSCRIBED: "sn", _PUSH: "yp"}

_REFUSALS: Final[Mapping[str, tuple[str, ErrorTag]]] = {
    "encoding-unsupported": (_SUBSCRIBED, ErrorTag.INVALID_VALUE),
    "filter-unsupported": (_SUBSCRIBED, ErrorTag.INVALID_VALUE),
    "insufficient-resources": (_SUBSCRIBED, ErrorTag.RESOURCE_DENIED),
    "no-such-subscription": (_SUBSCRIBED, ErrorTag.INVALID_VALUE),
    "replay-unsupported": (_SUBSCRIBED, ErrorTag.OPERATION_NOT_SUPPORTED),
    "datastore-not-subscribable": (_PUSH, ErrorTag.INVALID_VALUE),
    "no-such-subscription-resync": (_PUSH, ErrorTag.INVALID_VALUE),
    "on-change-unsupported": (_PUSH, ErrorTag.OPERATION_NOT_SUPPORTED),
    "period-unsupported": (_PUSH, ErrorTag.INVALID_VALUE),
}


def refuse(identity: str, message: str, **hints: object) -> ManagementError:
    """Make the error of an identity; its error-app-tag names module and identity.

    ``hints`` are leaves of error-info that say what would have been better.
    """
    module, tag = _REFUSALS[identity]
    reason = {"reason": f"{_PREFIXES[module]}:{identity}"}
    more = {name.replace("_", "-"): str(value) for name, value in hints.items()}
    app_tag = f"{module}:{identity}"
    return ManagementError.single(tag, message, app_tag=app_tag, info=reason | more)
