"""``flowexportd``: the daemon's command line."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from flowexport_mgmt.app import activation, folders, privilege
from flowexport_mgmt.app.complaints import complain
from flowexport_mgmt.errors import ExitCode, StartError
from flowexport_mgmt.observe import log

_logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the daemon, or do what else was asked, and return the exit status."""
    given = make_parser().parse_args(arguments)
    try:
        if given.version:
            return _show_version()
        if given.check is not None:
            return _check(given.check)
        return _run(given)
    except StartError as error:
        return complain(error)
    except KeyboardInterrupt:
        return ExitCode.OK


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the command line; the man page is written from it too."""
    parser = argparse.ArgumentParser(
        prog="flowexportd", description="Export what this host's interfaces see to collectors."
    )
    parser.add_argument(
        "--state-dir",
        type=Path,
        metavar="DIR",
        help=f"where the configuration is kept (default: {folders.SYSTEM_STATE}, "
        "or for ordinary users ~/.local/state/flowexport)",
    )
    parser.add_argument(
        "--run-dir",
        type=Path,
        metavar="DIR",
        help=f"where sockets are made (default: {folders.SYSTEM_RUN}, or the "
        "folder run in another state folder)",
    )
    parser.add_argument(
        "--init",
        type=Path,
        metavar="FILE",
        help="a configuration in JSON or XML to begin with when the state folder holds none",
    )
    parser.add_argument(
        "--check",
        type=Path,
        metavar="FILE",
        help="check a configuration in JSON or XML and end: 0 valid, 78 not",
    )
    parser.add_argument("--version", action="store_true", help="say which version this is and end")
    return parser


def _show_version() -> int:
    from importlib.metadata import version  # noqa: PLC0415 - slow, and the daemon needs it not

    sys.stdout.write(f"flowexportd {version('flowexport-mgmt')}\n")
    return ExitCode.OK


def _check(path: Path) -> int:
    from flowexport_mgmt.app.check import check  # noqa: PLC0415 - libyang is not for the daemon

    return check(path)


def _run(options: argparse.Namespace) -> int:
    from flowexport_mgmt.app.supervisor import Supervisor  # noqa: PLC0415 - only this needs it

    log.configure("supervisor")
    given = activation.take_sockets(os.environ)
    hold = folders.Hold(folders.choose(options.state_dir, options.run_dir))
    try:
        account = _choose_account(hold)
        return Supervisor(hold, account, options.init, given=given).run()
    finally:
        hold.close()


def _choose_account(hold: folders.Hold) -> privilege.Account | None:
    """Decide whom the children become, and give them the state folder."""
    if os.geteuid() != 0:
        return None
    account = privilege.find_account()
    if account is None:
        reason = f"there is no user {privilege.SERVICE_USER}"
    elif not privilege.can_reach(account, privilege.program_paths()):
        reason = f"the user {account.name} cannot read the program"
    else:
        hold.give_state_to(account.uid, account.gid)
        if privilege.can_reach(account, [hold.folders.state], write=True):
            return account
        reason = f"the user {account.name} cannot use the folder {hold.folders.state}"
    hold.give_state_to(os.geteuid(), os.getegid())
    _logger.warning(
        "the children stay user %d and give up capabilities only: %s", os.geteuid(), reason
    )
    return None


if __name__ == "__main__":
    sys.exit(main())
