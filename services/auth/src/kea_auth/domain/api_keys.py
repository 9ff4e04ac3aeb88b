"""Use cases of API keys."""

from __future__ import annotations

from kea_core.clock import Clock
from kea_core.principal import Principal

from kea_auth.domain import service_accounts
from kea_auth.domain.api_key import MAX_ACTIVE, MAX_KEPT, ApiKey, KeyState, WantedKey, api_key_name, new_key
from kea_auth.domain.errors import ApiKeyNotFound, ApiKeysExhausted, ServiceAccountDisabled
from kea_auth.domain.escalation import check_may_give
from kea_auth.domain.ports import Once, Signer, Storage, Transaction
from kea_auth.domain.revocations import revoke_key
from kea_auth.domain.scopes import check_known, grants_of
from kea_auth.domain.service_account import ServiceAccount


class ApiKeys:
    """Makes, lists and revokes API keys. `dry` checks everything and changes nothing."""

    def __init__(self, storage: Storage, signer: Signer, *, clock: Clock) -> None:
        self._storage = storage
        self._signer = signer
        self._clock = clock

    async def create(
        self, account: str, wanted: WantedKey, caller: Principal, once: Once, *, dry: bool
    ) -> tuple[ApiKey, str]:
        """Makes a key; returns it and the token that it is, empty where it is dry.

        The same request again gives the first answer again.

        Raises:
            ServiceAccountNotFound: there is no such account.
            ServiceAccountDisabled: it is disabled.
            ScopeUnknown: a scope is no role.
            FieldOutOfBounds: it would live too long or too short.
            RoleNotHeld: the account may do what the caller may not.
            ApiKeysExhausted: the account has too many.
            ApiKeyNotFound: the same request was done before, and the key is gone since.
        """
        # Asked before: whoever waits within a transaction for another connection may wait for ever. A key that signs
        # now is kept for a day at least.
        signing = await self._signer.active()
        async with self._storage.transaction(commit=not dry) as transaction:
            present = await service_accounts.found(transaction, account)
            before = await transaction.requests.result(once)
            if before is not None:
                key = await _found(transaction, account, before.rpartition("/")[2])
            else:
                key = await self._create(transaction, present, wanted, signing.kid, caller)
                await transaction.requests.remember(once, key.name)
        if dry:
            return key, ""
        return key, key.token(present, await self._signer.get(key.kid))

    async def of_account(self, account: str) -> list[ApiKey]:
        """Returns all keys of an account, newest first.

        Raises:
            ServiceAccountNotFound: there is no such account.
        """
        async with self._storage.reading() as transaction:
            await service_accounts.found(transaction, account)
            return await transaction.api_keys.of_account(account)

    async def revoke(self, account: str, key: str, caller: Principal) -> ApiKey:
        """Revokes a key for good; one that is revoked already stays so.

        Raises:
            ApiKeyNotFound: there is none.
        """
        async with self._storage.transaction() as transaction:
            present = await _found(transaction, account, key)
            return await revoke_key(transaction, present, self._clock(), caller.subject)

    async def _create(
        self, transaction: Transaction, account: ServiceAccount, wanted: WantedKey, kid: str, caller: Principal
    ) -> ApiKey:
        if account.disabled:
            raise ServiceAccountDisabled(account.name)
        key = new_key(account.id, wanted, kid, self._clock())
        check_known(await grants_of(transaction, key.scopes), key.scopes, "api_key.scopes")
        await _check_may_act_as(transaction, account, caller)
        keys = await transaction.api_keys.of_account(account.id)
        if len(keys) >= MAX_KEPT:
            raise ApiKeysExhausted(account.name, MAX_KEPT, "are listed; some must expire first")
        if sum(one.state(self._clock()) is KeyState.ACTIVE for one in keys) >= MAX_ACTIVE:
            raise ApiKeysExhausted(account.name, MAX_ACTIVE, "are accepted; revoke some first")
        await transaction.api_keys.add(key)
        return key


async def _check_may_act_as(transaction: Transaction, account: ServiceAccount, caller: Principal) -> None:
    """Checks that a caller could give everything that an account's own bindings give.

    Raises:
        RoleNotHeld: there is something that it could not.
    """
    policy = await transaction.policy_of(caller)
    bindings = await transaction.bindings.of_member(account.name)
    grants = await grants_of(transaction, [binding.role for binding in bindings])
    check_may_give(policy, caller, (), "")  # also of an account that may do nothing yet
    for binding in bindings:
        check_may_give(policy, caller, grants.get(binding.role, ()), binding.resource)


async def _found(transaction: Transaction, account: str, key: str) -> ApiKey:
    present = await transaction.api_keys.get(key)
    if present is None or present.account != account:
        raise ApiKeyNotFound(api_key_name(account, key))
    return present
