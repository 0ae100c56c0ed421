"""Run a supervisor with children from tests/support/children: STATE-DIR MANAGER EXPORTER."""

from __future__ import annotations

import sys
from pathlib import Path

from flowexport_mgmt.app.folders import Hold, choose
from flowexport_mgmt.app.supervisor import Supervisor
from flowexport_mgmt.observe import log

if __name__ == "__main__":
    log.configure("supervisor", sys.stdout)
    hold = Hold(choose(Path(sys.argv[1]), None))
    try:
        status = Supervisor(
            hold,
            manager=f"tests.support.children.{sys.argv[2]}",
            exporter=f"tests.support.children.{sys.argv[3]}",
        ).run()
    finally:
        hold.close()
    sys.exit(status)
