from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.interfaces import FakeKernel, FakeLink
from tests.support.receiver import Receiver, receiver
from tests.support.runtimes import Plane, fake_source, plane


@pytest.fixture
def kernel() -> FakeKernel:
    loopback = FakeLink(1, "lo", flags=0x10049, device_type=772, operstate=0)
    return FakeKernel(loopback, *[FakeLink(index, f"port{index}") for index in range(2, 42)])


@pytest.fixture
def data_plane(kernel: FakeKernel) -> Iterator[Plane]:
    with plane(fake_source(kernel)) as made:
        yield made


@pytest.fixture
def peer() -> Iterator[Receiver]:
    with receiver() as made:
        yield made
