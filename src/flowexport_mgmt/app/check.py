"""``flowexportd --check``: whether a configuration would be accepted, and all that is wrong."""

from __future__ import annotations

import sys
from pathlib import Path

from flowexport_mgmt.app.complaints import missing_package
from flowexport_mgmt.app.folders import refused
from flowexport_mgmt.errors import ExitCode, StartError


def check(path: Path) -> int:
    """Print every fault of an instance document with its path; return 0 or 78.

    Raises:
        StartError: the file cannot be read, or libyang, a YANG module or a package is missing.
    """
    try:
        from flowexport_mgmt.datastore.documents import check_document  # noqa: PLC0415 - see below
        from flowexport_mgmt.schema.context import SchemaContext  # noqa: PLC0415 - may be missing
    except ImportError as error:
        raise missing_package(error) from error
    try:
        schema = SchemaContext()
    except FileNotFoundError as error:
        raise StartError(str(error), ExitCode.RESOURCE_MISSING) from error
    try:
        faults = check_document(schema, path)
    except OSError as error:
        raise refused(error, path) from error
    for fault in faults:
        sys.stdout.write(f"{path}: {fault}\n")
    if not faults:
        sys.stdout.write(f"{path}: valid\n")
    return ExitCode.CONFIGURATION if faults else ExitCode.OK
