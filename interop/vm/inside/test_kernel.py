"""The kernel of the machine has what it was chosen for."""

from __future__ import annotations

import pytest
from interop.namespaces import link, run


@pytest.mark.parametrize("side", ["ingress", "egress"])
def test_the_kernel_takes_samples(side: str) -> None:
    with link() as pair:
        name = pair.near.name
        run("tc", "-n", name, "qdisc", "add", "dev", "wan", "clsact")
        rule = ["matchall", "action", "sample", "rate", "1", "group", "7", "trunc", "64"]
        run("tc", "-n", name, "filter", "add", "dev", "wan", side, *rule)
        pair.send(3, 5)
        shown = run("tc", "-n", name, "-s", "filter", "show", "dev", "wan", side)
    seen = 3 if side == "egress" else 5
    assert f"{seen} pkt" in shown
