"""Following auth's signing keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import grpc
from kea.auth.v1 import signing_key_service_pb2, signing_key_service_pb2_grpc

from kea_core.tokens import TokenVerifier
from kea_core.watching import follow


class SigningKeyFollower:
    """Keeps a verifier's keys as auth has them. While auth is down, the last ones stay."""

    def __init__(
        self, auth: grpc.aio.Channel, verifier: TokenVerifier, notice: Callable[[str], None] | None = None
    ) -> None:
        self._stub = signing_key_service_pb2_grpc.SigningKeyServiceStub(auth)
        self._verifier = verifier
        self._notice = notice
        self.known = asyncio.Event()
        """Set once keys are known."""

    async def run(self) -> None:
        """Follows for ever; `notice`, where given, is called with each key set (JSON) after the verifier has it."""
        await follow("signing keys", self._watch)

    async def _watch(self, since: int) -> AsyncIterator[int]:
        request = signing_key_service_pb2.WatchSigningKeysRequest(since_revision=since)
        async for response in self._stub.WatchSigningKeys(request, wait_for_ready=True):
            self._verifier.use(response.jwks)
            if self._notice is not None:
                self._notice(response.jwks)
            self.known.set()
            yield response.revision
