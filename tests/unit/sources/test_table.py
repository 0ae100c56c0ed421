from __future__ import annotations

import dataclasses

import numpy as np
from tests.support.interfaces import FakeKernel, FakeLink

from flowexport_mgmt.sources.sysfs import LinkSettings
from flowexport_mgmt.sources.table import WORDS, LinkTable


class Settings:
    """Counts how often speed and duplex are read."""

    def __init__(self) -> None:
        self.answer = LinkSettings(10**9, 1)
        self.asked: list[str] = []

    def __call__(self, name: str, _ifindex: int) -> LinkSettings:
        self.asked.append(name)
        return self.answer


def test_counters_stand_beside_their_links_by_ifindex() -> None:
    kernel = FakeKernel(
        FakeLink(7, "b", counters={0: 70, 23: 71}),
        FakeLink(2, "a", alias="a longer message", counters={0: 20, 23: 1 << 63}),
    )
    table = LinkTable(kernel, Settings())
    counters = table.read(0.0)
    assert [link.name for link in table.links] == ["a", "b"]
    assert counters.shape == (2, WORDS)
    assert counters[:, 0].tolist() == [20, 70]
    assert counters[:, 23].tolist() == [1 << 63, 71]


def test_counters_alone_change_no_link_and_ask_sysfs_nothing() -> None:
    settings = Settings()
    kernel = FakeKernel(FakeLink(1, "a"), FakeLink(2, "b"))
    table = LinkTable(kernel, settings)
    table.read(0.0)
    before = table.links
    kernel.links = [dataclasses.replace(link, counters={2: 5}) for link in kernel.links]
    assert table.read(1.0)[:, 2].tolist() == [5, 5]
    assert table.links is before
    assert settings.asked == ["a", "b"]


def test_only_a_link_that_changed_is_looked_at_again() -> None:
    settings = Settings()
    kernel = FakeKernel(FakeLink(1, "a"), FakeLink(2, "b"))
    table = LinkTable(kernel, settings)
    table.read(0.0)
    first = table.links[0]
    kernel.links[1] = FakeLink(2, "b", operstate=2)
    table.read(1.0)
    assert table.links[0] is first
    assert table.links[1].operstate == 2
    assert settings.asked == ["a", "b", "b"]


def test_a_link_that_left_and_one_that_came() -> None:
    kernel = FakeKernel(FakeLink(1, "a"), FakeLink(2, "b"))
    table = LinkTable(kernel, Settings())
    table.read(0.0)
    kernel.links = [FakeLink(1, "a"), FakeLink(3, "b")]
    table.read(1.0)
    assert [(link.ifindex, link.name) for link in table.links] == [(1, "a"), (3, "b")]


def test_speed_is_read_again_when_it_is_old() -> None:
    settings = Settings()
    table = LinkTable(FakeKernel(FakeLink(1, "a")), settings)
    table.read(0.0)
    settings.answer = LinkSettings(10**10, 1)
    table.read(59.0)
    assert table.links[0].settings.speed == 10**9
    table.read(130.0)
    assert table.links[0].settings.speed == 10**10
    assert settings.asked == ["a", "a"]


def test_an_older_kernel_counts_one_thing_less() -> None:
    counters = LinkTable(FakeKernel(FakeLink(1, "a", words=23, counters={22: 5})), Settings()).read(
        0.0
    )
    assert counters[0, 22] == 5
    assert counters[0, 23] == 0


def test_a_link_without_counters_is_left_out() -> None:
    table = LinkTable(
        FakeKernel(FakeLink(1, "a", has_statistics=False), FakeLink(2, "b", words=3)), Settings()
    )
    assert table.read(0.0).shape == (0, WORDS)
    assert table.links == ()


def test_no_interfaces_at_all() -> None:
    counters = LinkTable(FakeKernel(), Settings()).read(0.0)
    assert counters.shape == (0, WORDS)
    assert counters.dtype == np.uint64
