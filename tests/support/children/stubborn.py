"""Does its work but hears neither Stop nor SIGTERM."""

from __future__ import annotations

import os
import signal
import threading

from tests.support.children import control_socket, say

from flowexport_mgmt.link.control import Ready, send

if __name__ == "__main__":
    control = control_socket()
    signal.signal(signal.SIGTERM, lambda *_: say("stubborn", "SIGTERM"))
    say("exporter", "pid", os.getpid())
    send(control, Ready())
    while True:
        threading.Event().wait(60)
