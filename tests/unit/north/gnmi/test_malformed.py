"""Thousands of requests that are wrong in every way: each gets a status, and the server lives."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any, Final

from tests.fuzz.fuzz_gnmi import seeds
from tests.support.gnmi import Client, Server

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
        batch = [damaged(chance, chance.choice(found)) for _ in range(_AT_ONCE)]
        codes.update(await asyncio.gather(*(_send(client, request) for request in batch)))
    assert sum(codes.values()) == _COUNT
    assert set(codes) <= _KNOWN, codes
    assert codes["INVALID_ARGUMENT"] > _COUNT // 10
    told: Any = await client.capabilities()
    assert told.gNMI_version
    assert server.door.engine.refusals.malformed_requests > 0
