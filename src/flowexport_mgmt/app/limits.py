"""What the kernel lets a process have."""

from __future__ import annotations

import resource


def raise_descriptor_limit() -> None:
    """Take as many descriptors as the hard limit allows: every collector has a socket.

    The soft limit is 1024 nearly everywhere, for programs that use select(2); none of ours does.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:  # a sandbox may forbid the call
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
