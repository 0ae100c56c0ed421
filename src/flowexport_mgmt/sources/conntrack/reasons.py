"""Why conntrack does not work or works in part, and the command that mends it."""

from __future__ import annotations

import errno
import os

from flowexport_mgmt.sources.conntrack.switches import Switches, sysctl_name

_MODULES = "modprobe nf_conntrack_netlink"
_MISSING = frozenset((errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.EINVAL, errno.EOPNOTSUPP))
_DENIED = frozenset((errno.EPERM, errno.EACCES))


def explain_error(error: OSError) -> str:
    """Word an error of a ctnetlink socket."""
    if error.errno in _MISSING:
        return f"the kernel has no ctnetlink: {_MODULES}"
    if error.errno in _DENIED:
        return (
            "reading connections needs CAP_NET_ADMIN: start flowexportd as root or by its "
            "systemd unit"
        )
    return f"ctnetlink: {error.strerror or (os.strerror(error.errno) if error.errno else error)}"


def explain_switches(switches: Switches) -> str | None:
    """Say which switches keep flows from being told whole; None when none does."""
    reasons = []
    if switches.acct == 0:
        reasons.append(f"flows are not counted: {_command('acct')}")
    elif switches.acct is None:
        reasons.append(f"there is no connection tracking: {_MODULES}")
    if not switches.events:
        reasons.append(f"flows that end are not told of: {_command('events')}")
    return "; ".join(reasons) or None


def _command(name: str) -> str:
    return f"sysctl -w {sysctl_name(name)}=1"
