"""Logins by password: tried beside the event loop, one after another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from flowexport_mgmt.credentials.passwords import refusal, rounds_of, verify_password
from flowexport_mgmt.model.server import User


class Passwords:
    """Knows the users' hashes; there are logins by password exactly while somebody has one."""

    def __init__(self) -> None:
        self._hashes: dict[str, str] = {}
        self._decoy = ""
        self._worker: ThreadPoolExecutor | None = None

    def use(self, users: Iterable[User]) -> None:
        """Take the hashes of a configuration; they count for the attempts after that."""
        self._hashes = {
            user.name: user.password_hash
            for user in users
            if user.password_hash is not None and not refusal(user.password_hash)
        }
        self._decoy = max(self._hashes.values(), key=rounds_of, default="")

    @property
    def are_used(self) -> bool:
        """Whether anybody has a password."""
        return bool(self._hashes)

    async def verify(self, user: str, password: str) -> bool:
        """Try a password; for a user that has none it takes as long and fails."""
        if not self._hashes:
            return False
        stored = self._hashes.get(user, self._decoy)
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, "passwords")
        loop = asyncio.get_running_loop()
        is_right = await loop.run_in_executor(self._worker, verify_password, password, stored)
        return is_right and self._hashes.get(user) == stored

    def stop(self) -> None:
        """Try nothing more."""
        if self._worker is not None:
            self._worker.shutdown(wait=False, cancel_futures=True)
            self._worker = None
