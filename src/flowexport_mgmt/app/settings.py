"""What the supervisor tells a child on its command line, written and read in one place."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flowexport_mgmt.app.folders import Folders
from flowexport_mgmt.app.privilege import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSettings:
    """How a child runs: its control socket's descriptor, its folders, and whom it becomes.

    ``life`` names this run of flowexportd, the same for every child that it starts.
    ``tables`` is the descriptor of the memory that the rib process writes its look-up tables into.
    ``sockets`` is the descriptor by which the exporter asks for sockets in network namespaces (see
    `link.sockets`). ``init`` is a descriptor from which the first configuration is read, and
    ``init_name`` the file it came from: the supervisor opens it, since the child may not be
    allowed to.
    """

    control: int
    folders: Folders
    life: str
    account: Account | None = None
    sockets: int | None = None
    init: int | None = None
    init_name: str = ""
    tables: int | None = None

    def arguments(self) -> list[str]:
        """Write the settings as command-line arguments."""
        words = [
            f"--control={self.control}",
            f"--state-dir={self.folders.state}",
            f"--run-dir={self.folders.run}",
            f"--life={self.life}",
        ]
        if self.account is not None:
            words += [
                f"--user={self.account.name}",
                f"--uid={self.account.uid}",
                f"--gid={self.account.gid}",
            ]
        if self.sockets is not None:
            words.append(f"--sockets={self.sockets}")
        if self.tables is not None:
            words.append(f"--tables={self.tables}")
        if self.init is not None:
            words += [f"--init={self.init}", f"--init-name={self.init_name}"]
        return words


def read_child_settings(arguments: Sequence[str] | None = None) -> ChildSettings:
    """Read what `ChildSettings.arguments` wrote; SystemExit(2) for anything else."""
    parser = argparse.ArgumentParser(description="A child process of flowexportd.")
    parser.add_argument("--control", type=int, required=True)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--life", required=True)
    parser.add_argument("--user")
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("--sockets", type=int)
    parser.add_argument("--init", type=int)
    parser.add_argument("--init-name", default="")
    parser.add_argument("--tables", type=int)
    given = parser.parse_args(arguments)
    account = None if given.user is None else Account(given.user, given.uid, given.gid)
    return ChildSettings(
        control=given.control,
        folders=Folders(given.state_dir, given.run_dir),
        life=given.life,
        account=account,
        sockets=given.sockets,
        init=given.init,
        init_name=given.init_name,
        tables=given.tables,
    )
