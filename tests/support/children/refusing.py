"""Ends with the exit code for a bad configuration."""

from __future__ import annotations

import sys

from tests.support.children import say

if __name__ == "__main__":
    say("manager refuses")
    sys.exit(78)
