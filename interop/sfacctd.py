"""sfacctd of pmacct, which writes what it hears as JSON lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from interop.namespaces import Namespace, eventually, stop


class SfacctdProcess:
    """sfacctd that adds flow samples up by what ``settings`` say, and writes them each second."""

    def __init__(self, space: Namespace, folder: Path, settings: dict[str, object]) -> None:
        folder.mkdir()
        self.port = space.free_udp_port()
        self._flows = folder / "flows"
        all_settings = {
            "daemonize": "false",
            "sfacctd_ip": "127.0.0.1",
            "sfacctd_port": self.port,
            "plugins": "print",
            "print_output": "json",
            "print_output_file": self._flows,
            "print_output_file_append": "true",
            "print_refresh_time": "1",
            **settings,
        }
        written = folder / "sfacctd.conf"
        written.write_text("".join(f"{name}: {value}\n" for name, value in all_settings.items()))
        log = folder / "log"
        self._process = space.start(["sfacctd", "-f", str(written)], log)
        eventually(lambda: "waiting for sFlow data" in log.read_text(), f"sfacctd starts: {log}")

    def stop(self) -> None:
        """End it."""
        stop(self._process)

    def flows(self) -> list[dict[str, Any]]:
        """Read what it added up so far."""
        return read_entries(self._flows)


def read_entries(file: Path) -> list[dict[str, Any]]:
    """Read JSON lines, of which the last may be half written."""
    lines = file.read_text().splitlines() if file.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}")]
