"""SigningKeyService."""

from __future__ import annotations

from collections.abc import AsyncIterator

from kea.auth.v1 import signing_key_pb2, signing_key_service_pb2, signing_key_service_pb2_grpc
from kea_core.interceptors import Context
from kea_core.tokens import AUDIENCE, ISSUER

from kea_auth import convert
from kea_auth.domain.signing_keys import SigningKeys


class SigningKeyServicer(signing_key_service_pb2_grpc.SigningKeyServiceServicer):
    """Messages to use cases and back, nothing else."""

    def __init__(self, keys: SigningKeys) -> None:
        self._keys = keys

    async def ListSigningKeys(
        self, request: signing_key_service_pb2.ListSigningKeysRequest, context: Context
    ) -> signing_key_service_pb2.ListSigningKeysResponse:
        """Lists all keys, newest first."""
        del request, context
        keys = [convert.key_to_proto(view) for view in await self._keys.views()]
        return signing_key_service_pb2.ListSigningKeysResponse(signing_keys=keys)

    async def RotateSigningKey(
        self, request: signing_key_service_pb2.RotateSigningKeyRequest, context: Context
    ) -> signing_key_pb2.SigningKey:
        """Makes a new key."""
        del context
        return convert.key_to_proto(await self._keys.rotate(validate_only=request.validate_only))

    async def WatchSigningKeys(
        self, request: signing_key_service_pb2.WatchSigningKeysRequest, context: Context
    ) -> AsyncIterator[signing_key_service_pb2.WatchSigningKeysResponse]:
        """Sends the whole key set, now and after each change."""
        del context
        async for key_set in self._keys.watch(request.since_revision):
            yield signing_key_service_pb2.WatchSigningKeysResponse(
                revision=key_set.revision, jwks=key_set.jwks, issuer=ISSUER, audience=AUDIENCE
            )
