"""Thousands of requests that are wrong in every way: each gets a status, and the server lives."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any, Final

import pytest
from google.protobuf.message import DecodeError
from grpc import aio
from tests.fuzz.fuzz_gnmi import seeds
from tests.support import conditions
from tests.support.gnmi import Client, Server, path

from flowexport_mgmt.north.gnmi import messages as m

_METHODS: Final = {0: "Capabilities", 1: "Get", 2: "Set", 3: "Subscribe"}
_COUNT: Final = 10_000
_AT_ONCE: Final = 50
_KNOWN: Final = {
    "OK",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "UNIMPLEMENTED",
    "FAILED_PRECONDITION",
    "PERMISSION_DENIED",
    "CANCELLED",
}


def damaged(chance: random.Random, seed: bytes) -> bytes:
    """Change, cut, repeat or put together octets of a request."""
    made = bytearray(seed[1:])
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(made) + 1)
        match chance.randrange(4):
            case 0 if made:
                made[at % len(made)] = chance.randrange(256)
            case 1:
                made[at:at] = chance.randbytes(chance.randint(1, 8))
            case 2:
                del made[at : at + chance.randint(1, 8)]
            case _:
                made += made[at:]
    return seed[:1] + bytes(made[:4096])


def _takes_all(request: bytes) -> bool:
    """Say whether a request is well formed and does away with everything, the server included."""
    if _METHODS[request[0]] != "Set":
        return False
    try:
        made = m.SetRequest.FromString(request[1:])
    except DecodeError:
        return False
    written = (update.path for edits in _edits(made) for update in edits)
    return not _names(made.prefix) and not all(map(_names, (*made.delete, *written)))


def _edits(made: Any) -> tuple[Any, ...]:
    return made.replace, made.update, made.union_replace


def _names(path: Any) -> bool:
    return bool(path.elem or path.element)


def _malformed(chance: random.Random, found: list[bytes]) -> bytes:
    while _takes_all(request := damaged(chance, chance.choice(found))):
        pass
    return request


async def _send(client: Client, request: bytes) -> str:
    method, octets = _METHODS[request[0] % 4], request[1:]
    if method != "Subscribe":
        call = client.channel.unary_unary(f"/gnmi.gNMI/{method}")(octets, metadata=client.metadata)
        return str((await call.code()).name)
    stream = client.stream()
    await stream.write(octets)
    try:
        async with asyncio.timeout(20):
            await stream.call.read()
    except Exception:  # noqa: BLE001 - its code is what counts
        return str((await stream.call.code()).name)
    stream.cancel()
    return "OK"


async def test_ten_thousand_malformed_requests(server: Server, client: Client) -> None:
    chance = random.Random(9339)
    found = [seed for seed in seeds() if seed[0] in _METHODS]
    codes: Counter[str] = Counter()
    for _ in range(_COUNT // _AT_ONCE):
        batch = [_malformed(chance, found) for _ in range(_AT_ONCE)]
        codes.update(await asyncio.gather(*(_send(client, request) for request in batch)))
    assert sum(codes.values()) == _COUNT
    assert set(codes) <= _KNOWN, codes
    assert codes["INVALID_ARGUMENT"] > _COUNT // 10
    told: Any = await client.capabilities()
    assert told.gNMI_version
    assert server.door.engine.refusals.malformed_requests > 0


def _list(mode: int) -> bytes:
    wanted = {"path": path("/flow-export/collector[name=a]"), "mode": 1}
    listed = {"mode": mode, "encoding": 2, "subscription": [wanted]}
    return bytes(m.SubscribeRequest(subscribe=listed).SerializeToString())


_POLL: Final = m.SubscribeRequest(poll={}).SerializeToString()
_NOTHING: Final = b""


def _later(chance: random.Random) -> bytes:
    """Give what a client may say in the middle of a stream, right or wrong."""
    extended = m.SubscribeRequest(poll={}, extension=[m.Extension(depth={"level": 1})])
    given = [_list(0), _list(2), _POLL, _NOTHING, extended.SerializeToString()]
    said = chance.choice(given)
    return said if chance.random() < 0.5 else damaged(chance, b"\3" + said)[1:]


async def _converse(client: Client, chance: random.Random, mode: int) -> str:
    """Begin a subscription, say a few things, and go on or fall silent; tell how it ended."""
    stream = client.stream()
    await stream.write(_list(mode))
    code = ""
    try:
        async with asyncio.timeout(20):
            for _ in range(chance.randint(0, 3)):
                await stream.write(_later(chance))
            if chance.random() < 0.7:
                await stream.call.done_writing()
                if mode == 0:  # it goes on telling
                    await stream.initial()
                    stream.cancel()
                    return "OK"
                code = (await stream.status())[0]
            elif mode != 2:  # who polls may have asked for nothing
                await stream.call.read()
    except aio.AioRpcError as error:
        code = error.code().name
    except asyncio.InvalidStateError:  # it had ended before something was said
        code = (await stream.status())[0]
    stream.cancel()
    return code or "OK"


@pytest.mark.parametrize("mode", [0, 1, 2])
async def test_streams_that_go_wrong_midway(server: Server, client: Client, mode: int) -> None:
    """A second list, a Poll in the wrong mode, damaged octets, a client that says no more."""
    chance = random.Random(mode)
    codes: Counter[str] = Counter()
    for _ in range(20):
        codes.update(await asyncio.gather(*(_converse(client, chance, mode) for _ in range(20))))
    assert set(codes) <= {"OK", "INVALID_ARGUMENT", "CANCELLED"}, codes
    assert codes["OK"] > 0
    if mode != 1:  # nobody listens to what is said to ONCE
        assert codes["INVALID_ARGUMENT"] > 50
    engine = server.door.engine
    await conditions.until(lambda: not engine.subscriptions.groups, 20)
    await conditions.until(
        lambda: not sum(c.subscriptions or 0 for c in engine.clients.state()), 20
    )
