"""TokenService."""

from __future__ import annotations

from google.protobuf import empty_pb2
from kea.auth.v1 import token_pb2, token_service_pb2, token_service_pb2_grpc
from kea_core.audit_call import changed
from kea_core.interceptors import Context
from kea_core.principal import current_principal

from kea_auth import convert
from kea_auth.domain.revocations import Revocations
from kea_auth.domain.tokens import Tokens


class TokenServicer(token_service_pb2_grpc.TokenServiceServicer):
    """Messages to use cases and back, nothing else."""

    def __init__(self, tokens: Tokens, revocations: Revocations) -> None:
        self._tokens = tokens
        self._revocations = revocations

    async def CreateToken(self, request: token_service_pb2.CreateTokenRequest, context: Context) -> token_pb2.Token:
        """Makes a token for the caller itself."""
        del context
        ttl = convert.ttl_from_proto(request.ttl) if request.HasField("ttl") else None
        token = await self._tokens.create(current_principal(), tuple(request.scopes), ttl)
        changed(f"tokens/{token.uid}")
        return convert.token_to_proto(token)

    async def RevokeOwnToken(
        self, request: token_service_pb2.RevokeOwnTokenRequest, context: Context
    ) -> empty_pb2.Empty:
        """Revokes the caller's token."""
        del request, context
        await self._revocations.revoke_own(current_principal())
        return empty_pb2.Empty()

    async def RevokeToken(self, request: token_service_pb2.RevokeTokenRequest, context: Context) -> empty_pb2.Empty:
        """Revokes the token of an id."""
        del context
        await self._revocations.revoke(request.uid, current_principal())
        return empty_pb2.Empty()

    async def ExchangeServiceCredential(
        self, request: token_service_pb2.ExchangeServiceCredentialRequest, context: Context
    ) -> token_pb2.Token:
        """Makes a token of a service account."""
        del context
        return convert.token_to_proto(await self._tokens.exchange(request.service_account_id, request.secret))
