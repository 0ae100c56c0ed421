"""What stands below ``inside`` runs in the virtual machine and nowhere else."""

from __future__ import annotations

import os

from interop.vm.machine import MARK

collect_ignore = [] if MARK in os.environ else ["inside"]
