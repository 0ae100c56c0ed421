from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests.support.namespaces import Namespace, join, namespaces


@dataclass(frozen=True)
class Wire:
    """Two hosts and the wire between them: ``near`` exports, ``far`` collects.

    near has 10.7.0.1 and fd07::1 on ``port0``, far 10.7.0.2 and fd07::2 on ``port1``.
    """

    near: Namespace
    far: Namespace


@pytest.fixture
def wire() -> Iterator[Wire]:
    with namespaces(2) as (near, far):
        join(near, "port0", far, "port1")
        for host, port, number in ((near, "port0", 1), (far, "port1", 2)):
            host.ip("address", "add", f"10.7.0.{number}/24", "dev", port)
            host.ip("address", "add", f"fd07::{number}/64", "dev", port, "nodad")
        yield Wire(near, far)
