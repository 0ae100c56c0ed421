"""Closes its control socket and lives on."""

from __future__ import annotations

import os
import threading

from tests.support.children import control_socket, say

from flowexport_mgmt.link.control import Ready, send

if __name__ == "__main__":
    with control_socket() as control:
        say("exporter", "pid", os.getpid())
        send(control, Ready())
    threading.Event().wait(600)
