"""ServiceAccountService."""

from __future__ import annotations

import uuid

from google.protobuf import empty_pb2
from kea.auth.v1 import service_account_pb2, service_account_service_pb2, service_account_service_pb2_grpc
from kea_core.clock import Clock
from kea_core.idempotency import digest_of
from kea_core.interceptors import Context
from kea_core.pages import page_token, read_page
from kea_core.principal import current_principal

from kea_auth import convert_accounts as convert
from kea_auth.domain.api_keys import ApiKeys
from kea_auth.domain.ports import Once
from kea_auth.domain.service_account import new_account
from kea_auth.domain.service_accounts import ServiceAccounts

LISTING = "service accounts"


class ServiceAccountServicer(service_account_service_pb2_grpc.ServiceAccountServiceServicer):
    """Messages to use cases and back, nothing else."""

    def __init__(self, accounts: ServiceAccounts, keys: ApiKeys, *, clock: Clock) -> None:
        self._accounts = accounts
        self._keys = keys
        self._clock = clock

    async def CreateServiceAccount(
        self, request: service_account_service_pb2.CreateServiceAccountRequest, context: Context
    ) -> service_account_pb2.ServiceAccount:
        """Makes a service account."""
        del context
        wanted, uid = request.service_account, str(uuid.uuid4())
        account = new_account(
            request.service_account_id, uid, self._clock(), wanted.description, disabled=wanted.disabled
        )
        once = Once(request.request_id, digest_of("CreateServiceAccount", request))
        made = await self._accounts.create(account, current_principal(), once, dry=request.validate_only)
        return convert.account_to_proto(made)

    async def GetServiceAccount(
        self, request: service_account_service_pb2.GetServiceAccountRequest, context: Context
    ) -> service_account_pb2.ServiceAccount:
        """Returns one service account."""
        del context
        return convert.account_to_proto(await self._accounts.get(convert.account_id(request.name)))

    async def ListServiceAccounts(
        self, request: service_account_service_pb2.ListServiceAccountsRequest, context: Context
    ) -> service_account_service_pb2.ListServiceAccountsResponse:
        """Lists service accounts."""
        del context
        accounts, more = await self._accounts.page(read_page(LISTING, request.page_size, request.page_token))
        return service_account_service_pb2.ListServiceAccountsResponse(
            service_accounts=[convert.account_to_proto(account) for account in accounts],
            next_page_token=page_token(LISTING, more) if more else "",
        )

    async def UpdateServiceAccount(
        self, request: service_account_service_pb2.UpdateServiceAccountRequest, context: Context
    ) -> service_account_pb2.ServiceAccount:
        """Changes a service account."""
        del context
        account = convert.account_id(request.service_account.name, "service_account.name")
        changes, etag = convert.account_changes(request), request.service_account.etag
        changed = await self._accounts.update(account, changes, etag, current_principal(), dry=request.validate_only)
        return convert.account_to_proto(changed)

    async def DeleteServiceAccount(
        self, request: service_account_service_pb2.DeleteServiceAccountRequest, context: Context
    ) -> empty_pb2.Empty:
        """Deletes a service account with its keys and bindings."""
        del context
        account = convert.account_id(request.name)
        await self._accounts.delete(account, request.etag, current_principal(), dry=request.validate_only)
        return empty_pb2.Empty()

    async def CreateApiKey(
        self, request: service_account_service_pb2.CreateApiKeyRequest, context: Context
    ) -> service_account_pb2.ApiKey:
        """Makes an API key."""
        del context
        account, wanted = convert.account_id(request.parent, "parent"), convert.wanted_key(request.api_key)
        once = Once(request.request_id, digest_of("CreateApiKey", request))
        key, token = await self._keys.create(account, wanted, current_principal(), once, dry=request.validate_only)
        return convert.api_key_to_proto(key, self._clock(), token)

    async def ListApiKeys(
        self, request: service_account_service_pb2.ListApiKeysRequest, context: Context
    ) -> service_account_service_pb2.ListApiKeysResponse:
        """Lists a service account's keys."""
        del context
        keys, now = await self._keys.of_account(convert.account_id(request.parent, "parent")), self._clock()
        return service_account_service_pb2.ListApiKeysResponse(
            api_keys=[convert.api_key_to_proto(key, now) for key in keys]
        )

    async def RevokeApiKey(
        self, request: service_account_service_pb2.RevokeApiKeyRequest, context: Context
    ) -> service_account_pb2.ApiKey:
        """Revokes an API key."""
        del context
        account, key = convert.key_place(request.name)
        return convert.api_key_to_proto(await self._keys.revoke(account, key, current_principal()), self._clock())
