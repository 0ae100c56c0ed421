"""Why the daemon does not run, in one line on standard error."""

from __future__ import annotations

import sys

from flowexport_mgmt.errors import ExitCode, StartError


def complain(reason: StartError) -> int:
    """Say why, and return the exit code."""
    sys.stderr.write(f"flowexportd: {reason}\n")
    sys.stderr.flush()
    return reason.code


def missing_package(error: ImportError) -> StartError:
    """Word an import that failed."""
    return StartError(
        f"a Python package is missing or broken ({error}); "
        "install flowexport-mgmt with all that it needs",
        ExitCode.RESOURCE_MISSING,
    )
