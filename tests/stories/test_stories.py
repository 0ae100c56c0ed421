"""Recorded conversations are held again, and the answers must be the recorded ones."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree
from tests.support.netconf_client import RawClient
from tests.support.netconf_server import Server, running_server

FOLDER = Path(__file__).parent
REWRITE = "REWRITE_STORIES" in os.environ
ME = pwd.getpwuid(os.geteuid()).pw_name
_STEP = re.compile(r"\d+-(\w+)-sends\.xml")


def stories() -> list[str]:
    return sorted(path.name for path in FOLDER.iterdir() if any(path.glob("*-sends.xml")))


def steps(story: Path) -> Iterator[tuple[str, Path, Path]]:
    """Give each step: whose it is, the request, and the file of its answer."""
    for request in sorted(story.glob("*-sends.xml")):
        match = _STEP.fullmatch(request.name)
        assert match, f"{request} is not named NUMBER-NAME-sends.xml"
        number = int(request.name.partition("-")[0])
        yield match[1], request, request.with_name(f"{number + 1:02}-{match[1]}-gets.xml")


def pretty(message: bytes) -> str:
    root = etree.fromstring(message)
    etree.indent(root)
    text = etree.tostring(root, encoding="unicode") + "\n"
    return text.replace(f"({ME})", "(me)")  # who runs the tests holds all the sessions


async def hold(server: Server, story: Path) -> list[tuple[Path, str]]:
    """Say everything, and give each answer with the file that it belongs to."""
    sessions: dict[str, RawClient] = {}
    answers: list[tuple[Path, str]] = []
    for name, request, answer in steps(story):
        if name not in sessions:
            sessions[name] = await server.client()
        sessions[name].send(request.read_bytes())
        answers.append((answer, pretty(await sessions[name].receive())))
    return answers


@pytest.mark.parametrize("name", stories())
async def test_story(tmp_path: Path, name: str) -> None:
    story = FOLDER / name
    config = story / "config.xml"
    data = config.read_text() if config.exists() else ""
    async with running_server(tmp_path, data=data) as server:
        for file, text in await hold(server, story):
            if REWRITE:
                file.write_text(text)
            assert text == file.read_text(), file.name


def test_there_is_no_answer_without_a_request() -> None:
    expected = {answer for name in stories() for _, _, answer in steps(FOLDER / name)}
    assert set(FOLDER.glob("*/*-gets.xml")) == expected
