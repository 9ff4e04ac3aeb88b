"""Passwords, by argon2id."""

from __future__ import annotations

import asyncio

import argon2

AT_ONCE = 2
"""Passwords hashed at the same time: each takes 64 MiB and a core for some milliseconds."""
WAITING = 64
"""Passwords that wait at most; further ones are refused."""


class TooManyWaiting(Exception):
    """More passwords are being checked than this machine can."""


class Argon2Hasher:
    """`PasswordHasher` with the parameters of RFC 9106's second choice."""

    def __init__(self) -> None:
        self._argon2 = argon2.PasswordHasher()
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._nobody = ""

    async def hash(self, password: str) -> str:
        """Returns what is kept of a password, its parameters and salt among it."""
        async with self._turn:
            return await asyncio.to_thread(self._argon2.hash, password)

    async def verify(self, kept: str, password: str) -> bool:
        """Returns whether it is the password; where nothing is kept it takes as long, and is not."""
        if self._waiting >= WAITING:
            raise TooManyWaiting
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(self._verify, kept, password)
        finally:
            self._waiting -= 1

    def _verify(self, kept: str, password: str) -> bool:
        if not self._nobody:
            self._nobody = self._argon2.hash("nobody has this")
        try:
            return self._argon2.verify(kept or self._nobody, password) and bool(kept)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
