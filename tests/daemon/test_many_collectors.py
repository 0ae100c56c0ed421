"""More collectors than a process may have descriptors unless it asks for more."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.conditions import wait_until
from tests.support.daemon import FLOWEXPORTD, Collector, Daemon

COLLECTORS = 300
SOFT, HARD = 256, 1000


def test_the_exporter_takes_as_many_descriptors_as_it_may(tmp_path: Path) -> None:
    limited = ("prlimit", f"--nofile={SOFT}:{HARD}", FLOWEXPORTD)
    with Collector() as collector:
        entry = collector.document("c")["flow-export:flow-export"]["collector"][0]  # type: ignore[index]
        entries = [
            entry | {"name": f"c{number}", "sub-agent-id": number} for number in range(COLLECTORS)
        ]
        init = {"flow-export:flow-export": {"collector": entries}}
        with Daemon(tmp_path / "state", init=init, command=limited) as daemon:
            heard: set[bytes] = set()

            def everyone() -> bool:
                heard.update(data[12:16] for data in collector.drain())  # the sub-agent
                return len(heard) == COLLECTORS

            wait_until(everyone, 30)
            exporter = daemon.child("exporter")
            assert len(list(Path(f"/proc/{exporter}/fd").iterdir())) > COLLECTORS > SOFT
            limits = subprocess.run(
                ["prlimit", f"--pid={exporter}", "--nofile", "--noheadings", "--output=SOFT,HARD"],
                capture_output=True,
                text=True,
                check=True,
            )
            assert limits.stdout.split() == [str(HARD), str(HARD)]
