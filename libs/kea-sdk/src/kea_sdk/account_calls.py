"""What the client does with accounts of programs, their keys, and tokens that are to be accepted no more."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from google.protobuf import field_mask_pb2, timestamp_pb2
from kea.auth.v1 import (
    service_account_pb2,
    service_account_service_pb2,
    service_account_service_pb2_grpc,
    token_service_pb2,
    token_service_pb2_grpc,
)

from kea_sdk import access_convert
from kea_sdk.access_names import account_id, role_id
from kea_sdk.access_resources import ApiKey, ServiceAccount
from kea_sdk.errors import InvalidArgument
from kea_sdk.gateway import Gateway
from kea_sdk.paging import every

LONGEST = timedelta(days=400)
"""Of a key."""

_TOKEN_ID = re.compile(r"[A-Za-z0-9-]{8,64}")


class AccountCalls:
    """The part of the client that is about service accounts, keys and revocation.

    Args:
        gateway: the connection.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._accounts = gateway.stub(service_account_service_pb2_grpc.ServiceAccountServiceStub)
        self._tokens = gateway.stub(token_service_pb2_grpc.TokenServiceStub)

    def service_accounts(self) -> list[ServiceAccount]:
        """Returns all service accounts by name, those of KEA's own services left out."""
        request = service_account_service_pb2.ListServiceAccountsRequest()
        found = every(self._gateway, self._accounts.ListServiceAccounts, request, "service_accounts")
        return [access_convert.service_account(entry) for entry in found]

    def service_account(self, name: str) -> ServiceAccount:
        """Returns a service account."""
        request = service_account_service_pb2.GetServiceAccountRequest(name=_account_name(name))
        found = self._gateway.call(self._accounts.GetServiceAccount, request, repeatable=True)
        return access_convert.service_account(found)

    def create_service_account(self, name: str, *, description: str = "") -> ServiceAccount:
        """Makes a service account. It may do nothing until a role is given to it, by `bind`.

        Raises:
            AlreadyExists: there is one of that id.
        """
        request = service_account_service_pb2.CreateServiceAccountRequest(
            service_account_id=account_id(name),
            service_account=service_account_pb2.ServiceAccount(description=description),
            request_id=str(uuid.uuid4()),
        )
        made = self._gateway.call(self._accounts.CreateServiceAccount, request, repeatable=True)
        return access_convert.service_account(made)

    def update_service_account(
        self, name: str, *, disabled: bool | None = None, description: str | None = None, etag: str = ""
    ) -> ServiceAccount:
        """Changes a service account; what is None is left as it is.

        Args:
            name: its id.
            disabled: whether its keys and tokens are refused from now on; it takes effect within two seconds.
            description: what it is for.
            etag: of the account as it was read. Empty: whatever it is by now.

        Raises:
            Aborted: someone else changed it meanwhile.
            InvalidArgument: nothing is to be changed.
        """
        wanted, paths = service_account_pb2.ServiceAccount(name=_account_name(name), etag=etag), list[str]()
        if disabled is not None:
            paths.append("disabled")
            wanted.disabled = disabled
        if description is not None:
            paths.append("description")
            wanted.description = description
        if not paths:
            problem = "nothing is to be changed; expected whether it is disabled, or a description"
            raise InvalidArgument(problem)
        request = service_account_service_pb2.UpdateServiceAccountRequest(
            service_account=wanted, update_mask=field_mask_pb2.FieldMask(paths=paths)
        )
        return access_convert.service_account(self._gateway.call(self._accounts.UpdateServiceAccount, request))

    def delete_service_account(self, name: str) -> None:
        """Deletes a service account, with its keys and what was bound to it."""
        request = service_account_service_pb2.DeleteServiceAccountRequest(name=_account_name(name))
        self._gateway.call(self._accounts.DeleteServiceAccount, request)

    def create_api_key(
        self,
        account: str,
        *,
        scopes: Iterable[str] = (),
        ttl: float | timedelta | None = None,
        description: str = "",
    ) -> ApiKey:
        """Makes a key of a service account; `token` of what is returned is the key, which is shown never again.

        Args:
            account: the account's id.
            scopes: roles that the key is limited to: of what the account may do, it may do what one of them gives.
                Empty: all.
            ttl: how long it is accepted, in seconds or as a timedelta: one minute to 400 days. None: 90 days.
            description: what it is for.

        Raises:
            NotFound: there is no such account.
            FailedPrecondition: the account is disabled.
            PermissionDenied: the account may do what the caller may not.
            ResourceExhausted: the account has too many keys.
        """
        wanted = service_account_pb2.ApiKey(scopes=[role_id(scope) for scope in scopes], description=description)
        if ttl is not None:
            wanted.expire_time.CopyFrom(_from_now(ttl))
        request = service_account_service_pb2.CreateApiKeyRequest(
            parent=_account_name(account), api_key=wanted, request_id=str(uuid.uuid4())
        )
        return access_convert.api_key(self._gateway.call(self._accounts.CreateApiKey, request, repeatable=True))

    def api_keys(self, account: str) -> list[ApiKey]:
        """Returns a service account's keys, newest first, without the keys themselves."""
        request = service_account_service_pb2.ListApiKeysRequest(parent=_account_name(account))
        found = self._gateway.call(self._accounts.ListApiKeys, request, repeatable=True)
        return [access_convert.api_key(entry) for entry in found.api_keys]

    def revoke_api_key(self, account: str, key: str) -> ApiKey:
        """Revokes a key for good, and all tokens made with it, within two seconds. One that is revoked stays so."""
        name = f"{_account_name(account)}/apiKeys/{_token_id(key)}"
        request = service_account_service_pb2.RevokeApiKeyRequest(name=name)
        return access_convert.api_key(self._gateway.call(self._accounts.RevokeApiKey, request, repeatable=True))

    def revoke_own_token(self) -> None:
        """Revokes the token that this client calls with, and all tokens made with it, within two seconds."""
        self._gateway.call(self._tokens.RevokeOwnToken, token_service_pb2.RevokeOwnTokenRequest())

    def revoke_token(self, token_id: str) -> None:
        """Revokes a token by its id (claim `jti`), and all tokens made with it, within two seconds."""
        request = token_service_pb2.RevokeTokenRequest(uid=_token_id(token_id))
        self._gateway.call(self._tokens.RevokeToken, request, repeatable=True)


def _account_name(text: str) -> str:
    return f"serviceAccounts/{account_id(text)}"


def _token_id(text: str) -> str:
    if not _TOKEN_ID.fullmatch(text):  # who gives the token itself should not see it in an error
        problem = "that is no token's id; expected 8 to 64 letters, digits and hyphens, as `kea auth keys list` shows"
        raise InvalidArgument(problem)
    return text


def _from_now(ttl: float | timedelta) -> timestamp_pb2.Timestamp:
    length = ttl if isinstance(ttl, timedelta) else timedelta(seconds=ttl)
    if not timedelta(0) < length <= LONGEST:  # auth knows the rest
        problem = f"a key is to be accepted for {length}; expected one minute to {LONGEST.days} days"
        raise InvalidArgument(problem)
    made = timestamp_pb2.Timestamp()
    made.FromDatetime(datetime.now(UTC) + length)
    return made
