from __future__ import annotations

import io
import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowexport_mgmt.observe import log


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    loggers = (logging.getLogger(), logging.getLogger(log.ROOT))
    before = [(each.handlers, each.level, each.propagate) for each in loggers]
    stream = io.StringIO()
    log.configure("manager", stream)
    yield stream
    log.adjust("info", "text")
    for each, (handlers, level, propagate) in zip(loggers, before, strict=True):
        each.handlers, each.propagate = handlers, propagate
        each.setLevel(level)


LOGGER = logging.getLogger(f"{log.ROOT}.datastore")


def test_text_names_time_level_process_and_room(stream: io.StringIO) -> None:
    LOGGER.warning("commit %d refused", 7)
    stamp, rest = stream.getvalue().split(" ", 1)
    assert rest == "warning manager datastore: commit 7 refused\n"
    assert stamp.endswith("Z")


def test_json_is_one_object_per_line(stream: io.StringIO) -> None:
    log.adjust("info", "json")
    LOGGER.info("two\nlines")
    entry = json.loads(stream.getvalue())
    assert entry.pop("time").endswith("Z")
    assert entry == {
        "level": "info",
        "process": "manager",
        "room": "datastore",
        "message": "two\nlines",
    }


def test_level_changes_while_running(stream: io.StringIO) -> None:
    LOGGER.debug("unseen")
    log.adjust("debug", "text")
    LOGGER.debug("seen")
    log.adjust("error", "text")
    LOGGER.warning("unseen again")
    assert [line.split(": ")[1] for line in stream.getvalue().splitlines()] == ["seen"]


def test_unknown_settings_are_refused_and_change_nothing(stream: io.StringIO) -> None:
    with pytest.raises(KeyError):
        log.adjust("loud", "text")
    with pytest.raises(ValueError, match="yaml"):
        log.adjust("error", "yaml")
    LOGGER.info("still info")
    assert "still info" in stream.getvalue()


def test_a_stranger_cannot_forge_a_line_or_move_the_cursor(stream: io.StringIO) -> None:
    LOGGER.info("user %s", "eve\n2026 error manager app: down\x1b[2J\x9b")
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()
    assert "eve\\n2026 error" in stream.getvalue()


def test_an_exception_stays_on_its_line(stream: io.StringIO) -> None:
    try:
        int("boom")
    except ValueError:
        LOGGER.exception("failed")
    assert stream.getvalue().count("\n") == 1
    assert "ValueError: invalid literal" in stream.getvalue()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (
            "key -----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY----- done",
            "key *** done",
        ),
        ("cut -----BEGIN PRIVATE KEY-----\nabc", "cut ***"),
        ("hash $6$salt$abcDEF./ end", "hash *** end"),
        ("bcrypt $2b$12$abcdefghijk", "bcrypt ***"),
        ("password=secret next", "password=*** next"),
        ('{"password-hash": "x1"}', '{"password-hash": "***"}'),
        ("price $5 and $6", "price $5 and $6"),
    ],
)
def test_secrets_are_masked(text: str, kept: str) -> None:
    assert log.mask(text) == kept


def test_other_packages_are_heard_from_warning_on(stream: io.StringIO) -> None:
    logging.getLogger("asyncssh").info("chatter")
    logging.getLogger("asyncssh").warning("trouble")
    assert "chatter" not in stream.getvalue()
    assert "trouble" in stream.getvalue()


def test_limited_logger_says_once_and_counts_the_rest(stream: io.StringIO) -> None:
    clock = iter((0.0, 1.0, 9.9, 9.9, 10.0))
    limited = log.LimitedLogger(LOGGER, 10.0, lambda: next(clock))
    for _ in range(3):
        limited.log(logging.WARNING, "b", "send to %s failed", "b")
    limited.log(logging.WARNING, "c", "send to %s failed", "c")
    limited.log(logging.WARNING, "b", "send to %s failed", "b")
    assert [line.split(": ")[1] for line in stream.getvalue().splitlines()] == [
        "send to b failed",
        "send to c failed",
        "send to b failed (and 2 times since last said)",
    ]


def test_limited_logger_forgets_the_oldest_of_too_many_keys(stream: io.StringIO) -> None:
    limited = log.LimitedLogger(LOGGER, 10.0, lambda: 0.0)
    for number in range(2000):
        limited.log(logging.WARNING, str(number), "x")
    assert len(limited._seen) == limited._MAX_KEYS
    assert stream.getvalue().count("\n") == 2000


@pytest.mark.usefixtures("stream")  # puts back what `configure` changes
@pytest.mark.parametrize(
    ("level", "priority"), [("debug", 7), ("info", 6), ("warning", 4), ("error", 3)]
)
def test_the_journal_gets_priorities_and_no_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: str, priority: int
) -> None:
    with (tmp_path / "journal").open("w+") as journal:
        status = os.fstat(journal.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        monkeypatch.setattr(sys, "stderr", journal)
        log.configure("exporter")
        log.adjust("debug", "text")
        logging.getLogger(f"{log.ROOT}.app.x").log(log.LEVELS[level], "two\nlines")
        log.adjust("debug", "json")
        logging.getLogger(f"{log.ROOT}.app.x").log(log.LEVELS[level], "again")
        journal.seek(0)
        text, document = journal.read().splitlines()
    assert text == f"<{priority}>exporter app.x: two\\nlines"
    assert document.startswith(f"<{priority}>{{")


def test_a_terminal_is_no_journal() -> None:
    assert not log.is_journal(0, {})
    assert not log.is_journal(0, {"JOURNAL_STREAM": "1:1"})
    assert not log.is_journal(-1, {"JOURNAL_STREAM": "1:1"})
