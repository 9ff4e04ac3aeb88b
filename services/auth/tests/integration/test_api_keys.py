from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import jwt
import pytest
import sqlalchemy as sa
from google.protobuf import timestamp_pb2
from kea.auth.v1 import (
    access_service_pb2,
    binding_service_pb2,
    role_service_pb2,
    service_account_pb2,
    service_account_service_pb2,
    signing_key_pb2,
    signing_key_service_pb2,
    token_service_pb2,
)
from kea_auth.domain import api_keys
from kea_auth.store.tables import API_KEYS
from kea_core.database import open_database

CREATE = service_account_service_pb2.CreateApiKeyRequest
LIST = service_account_service_pb2.ListApiKeysRequest
REVOKE = service_account_service_pb2.RevokeApiKeyRequest
LIST_KEYS = signing_key_service_pb2.ListSigningKeysRequest()
CALLER = access_service_pb2.GetCallerRequest()
ApiKey = service_account_pb2.ApiKey
INVALID = (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")
OUT_OF_BOUNDS = (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_OUT_OF_BOUNDS")
BOT = "serviceAccounts/bot"
DAY = 86_400


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


def at(time: datetime) -> timestamp_pb2.Timestamp:
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(time)
    return message


async def listed(auth: Any) -> list[service_account_pb2.ApiKey]:
    return list((await auth.accounts.ListApiKeys(LIST(parent=BOT), metadata=auth.as_admin())).api_keys)


async def revoke(auth: Any, name: str) -> service_account_pb2.ApiKey:
    return await auth.accounts.RevokeApiKey(REVOKE(name=name), metadata=auth.as_admin())


async def test_a_key_is_a_token_of_its_account_for_ninety_days(start_auth: Any) -> None:
    async with start_auth() as auth:
        account = await auth.make_account("bot")
        key = await auth.make_key("bot", description="Nightly.", scopes=["viewer", "consumer", "viewer"])
        assert (key.description, list(key.scopes), key.state) == (
            "Nightly.",
            ["consumer", "viewer"],
            ApiKey.STATE_ACTIVE,
        )
        assert key.expire_time.seconds - key.create_time.seconds == 90 * DAY
        assert not key.HasField("revoke_time")
        assert jwt.decode(key.token, options={"verify_signature": False}) == {
            "iss": "kea",
            "aud": "kea",
            "sub": BOT,
            "jti": key.name.rpartition("/")[2],
            "uid": account.uid,
            "scopes": ",consumer,viewer,",
            "iat": key.create_time.seconds,
            "exp": key.expire_time.seconds,
        }
        (shown,) = await listed(auth)
        assert shown.token == ""
        shown.token = key.token
        assert shown == key


async def test_a_key_may_do_what_both_a_binding_and_one_of_its_scopes_gives(start_auth: Any) -> None:
    async with start_auth() as auth:
        await auth.make_account("bot")
        await auth.bind(BOT, "viewer")
        await auth.make_role("accounts", "auth.serviceAccounts.*")
        key = await auth.make_key("bot", scopes=["accounts"])
        accounts = service_account_service_pb2.ListServiceAccountsRequest()
        await auth.accounts.ListServiceAccounts(accounts, metadata=bearer(key.token))
        bindings = auth.bindings.ListBindings(binding_service_pb2.ListBindingsRequest(), metadata=bearer(key.token))
        denied = (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")
        assert await auth.refused(bindings) == denied
        create = service_account_service_pb2.CreateServiceAccountRequest(service_account_id="x")
        assert await auth.refused(auth.accounts.CreateServiceAccount(create, metadata=bearer(key.token))) == denied
        role = role_service_pb2.DeleteRoleRequest(name="roles/accounts")
        await auth.roles.DeleteRole(role, metadata=auth.as_admin())
        assert await auth.refused(auth.accounts.ListServiceAccounts(accounts, metadata=bearer(key.token))) == denied


@pytest.mark.parametrize("days", [-1, 0, 400.01, 1000])
async def test_a_life_out_of_bounds_is_refused(start_auth: Any, days: float) -> None:
    async with start_auth() as auth:
        await auth.make_account("bot")
        expires = at(auth.clock() + timedelta(days=days))
        assert await auth.refused(auth.make_key("bot", expire_time=expires)) == OUT_OF_BOUNDS


async def test_a_life_at_its_bounds_is_given(start_auth: Any) -> None:
    async with start_auth() as auth:
        await auth.make_account("bot")
        for life in (timedelta(minutes=1), timedelta(days=400)):
            expires = (auth.clock() + life).replace(microsecond=0)
            key = await auth.make_key("bot", expire_time=at(expires))
            assert key.expire_time == at(expires)
        never = timestamp_pb2.Timestamp(seconds=-(10**12))
        assert await auth.refused(auth.make_key("bot", expire_time=never)) == OUT_OF_BOUNDS


async def test_a_scope_that_is_no_role_is_refused(start_auth: Any) -> None:
    async with start_auth() as auth:
        await auth.make_account("bot")
        unknown = (grpc.StatusCode.INVALID_ARGUMENT, "SCOPE_UNKNOWN")
        assert await auth.refused(auth.make_key("bot", scopes=["viewer", "nothing"])) == unknown
        not_there = (grpc.StatusCode.NOT_FOUND, "SERVICE_ACCOUNT_NOT_FOUND")
        assert await auth.refused(auth.make_key("nobody")) == not_there


async def test_the_same_request_again_gives_the_same_key_again(start_auth: Any) -> None:
    async with start_auth() as auth:
        await auth.make_account("bot")
        expires = at(auth.clock() + timedelta(seconds=61))
        request = CREATE(parent=BOT, api_key=ApiKey(expire_time=expires), request_id=str(uuid.uuid4()))
        answers = await asyncio.gather(
            *(auth.accounts.CreateApiKey(request, metadata=auth.as_admin()) for _ in range(4))
        )
        assert answers == [answers[0]] * 4
        assert answers[0].token
        assert len(await listed(auth)) == 1
        # Another key signs by now, and the request would be refused were it new.
        rotate = signing_key_service_pb2.RotateSigningKeyRequest()
        await auth.keys.RotateSigningKey(rotate, metadata=auth.as_admin())
        auth.clock.advance(seconds=10)
        assert (await auth.accounts.CreateApiKey(request, metadata=auth.as_admin())).token == answers[0].token
        request.api_key.description = "Another."
        reused = auth.accounts.CreateApiKey(request, metadata=auth.as_admin())
        assert await auth.refused(reused) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")


async def test_a_dry_run_makes_no_key(start_auth: Any) -> None:
    async with start_auth() as auth:
        await auth.make_account("bot")
        request = CREATE(parent=BOT, validate_only=True, request_id=str(uuid.uuid4()))
        shown = await auth.accounts.CreateApiKey(request, metadata=auth.as_admin())
        assert (shown.state, shown.token) == (ApiKey.STATE_ACTIVE, "")
        assert await listed(auth) == []


async def test_a_revoked_key_is_refused_at_once_with_all_that_was_made_with_it(start_auth: Any) -> None:
    async with start_auth() as auth:
        await auth.make_account("bot")
        key, other = await auth.make_key("bot"), await auth.make_key("bot")
        request = token_service_pb2.CreateTokenRequest()
        made = await auth.tokens.CreateToken(request, metadata=bearer(key.token))
        again = await auth.tokens.CreateToken(request, metadata=bearer(made.access_token))
        auth.clock.advance(seconds=1)
        revoked = await revoke(auth, key.name)
        assert (revoked.state, revoked.token) == (ApiKey.STATE_REVOKED, "")
        for token in (key.token, made.access_token, again.access_token):
            assert await auth.refused(auth.access.GetCaller(CALLER, metadata=bearer(token))) == INVALID
        await auth.access.GetCaller(CALLER, metadata=bearer(other.token))
        auth.clock.advance(seconds=1)
        assert await revoke(auth, key.name) == revoked
        assert [one.state for one in await listed(auth)].count(ApiKey.STATE_REVOKED) == 1


async def test_a_key_is_found_under_its_own_account_only(start_auth: Any) -> None:
    async with start_auth() as auth:
        await auth.make_account("bot")
        await auth.make_account("other")
        key = await auth.make_key("bot")
        for name in (key.name.replace("bot", "other"), f"{BOT}/apiKeys/k123"):
            assert await auth.refused(revoke(auth, name)) == (grpc.StatusCode.NOT_FOUND, "API_KEY_NOT_FOUND")
        await auth.access.GetCaller(CALLER, metadata=bearer(key.token))


async def test_a_token_id_that_is_a_keys_revokes_the_key(start_auth: Any) -> None:
    async with start_auth() as auth:
        await auth.make_account("bot")
        key, other = await auth.make_key("bot"), await auth.make_key("bot")
        by_id = token_service_pb2.RevokeTokenRequest(uid=key.name.rpartition("/")[2])
        await auth.tokens.RevokeToken(by_id, metadata=auth.as_admin())
        await auth.tokens.RevokeOwnToken(token_service_pb2.RevokeOwnTokenRequest(), metadata=bearer(other.token))
        assert [one.state for one in await listed(auth)] == [ApiKey.STATE_REVOKED] * 2
        for token in (key.token, other.token):
            assert await auth.refused(auth.access.GetCaller(CALLER, metadata=bearer(token))) == INVALID


async def test_keys_are_listed_until_a_day_after_they_have_expired(start_auth: Any) -> None:
    async with start_auth(bootstrap_token_ttl_seconds=86_400.0) as auth:
        await auth.make_account("bot")
        first = await auth.make_key("bot", expire_time=at(auth.clock() + timedelta(days=2)))
        auth.clock.advance(seconds=1)
        second = await auth.make_key("bot", expire_time=at(auth.clock() + timedelta(days=9)))
        assert [one.name for one in await listed(auth)] == [second.name, first.name]
        # By the real clock, which verifiers have, nothing expires: only auth's own time goes on.
        admin = await auth.as_user("users/admin", expire_time=datetime.now(UTC) + timedelta(days=20))

        async def states() -> list[int]:
            found = await auth.accounts.ListApiKeys(LIST(parent=BOT), metadata=admin)
            return [one.state for one in found.api_keys]

        auth.clock.advance(days=2)
        assert await states() == [ApiKey.STATE_ACTIVE, ApiKey.STATE_EXPIRED]
        auth.clock.advance(days=1, seconds=1)
        async with asyncio.timeout(10):
            while await states() != [ApiKey.STATE_ACTIVE]:  # noqa: ASYNC110 - upkeep brings it about
                await asyncio.sleep(0.02)


async def test_an_account_has_so_many_keys_and_no_more(start_auth: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "MAX_ACTIVE", 2)
    monkeypatch.setattr(api_keys, "MAX_KEPT", 3)
    async with start_auth() as auth:
        await auth.make_account("bot")
        await auth.make_account("other")
        exhausted = (grpc.StatusCode.RESOURCE_EXHAUSTED, "API_KEYS_EXHAUSTED")
        one, _ = await auth.make_key("bot"), await auth.make_key("bot")
        assert await auth.refused(auth.make_key("bot")) == exhausted
        await auth.make_key("other")
        await revoke(auth, one.name)
        third = await auth.make_key("bot")
        await revoke(auth, third.name)
        assert await auth.refused(auth.make_key("bot")) == exhausted  # revoked ones are kept, and count as well


async def test_nothing_of_a_key_is_kept_that_it_could_be_made_from(start_auth: Any) -> None:
    async with start_auth() as auth:
        await auth.make_account("bot")
        key = await auth.make_key("bot")
        async with open_database(auth.settings.database) as sessions, sessions.reading() as session:
            (row,) = (await session.execute(sa.select(API_KEYS))).mappings()
        signature = key.token.rpartition(".")[2]
        assert not any(signature in str(value) for value in row.values())


async def test_a_key_outlives_the_signing_keys_that_come_after_its_own(start_auth: Any) -> None:
    async with start_auth() as auth:
        await auth.make_account("bot")
        key = await auth.make_key("bot", expire_time=at(auth.clock() + timedelta(days=75)))
        kid = jwt.get_unverified_header(key.token)["kid"]
        admin = await auth.as_user("users/admin", expire_time=datetime.now(UTC) + timedelta(days=100))

        async def kept() -> list[signing_key_pb2.SigningKey]:
            return list((await auth.keys.ListSigningKeys(LIST_KEYS, metadata=admin)).signing_keys)

        for count in (2, 3):  # each is made by upkeep when the one before is old; the first one outlives the second
            auth.clock.advance(days=30, seconds=6)
            async with asyncio.timeout(10):
                while len(await kept()) < count:  # noqa: ASYNC110 - upkeep brings it about
                    await asyncio.sleep(0.02)
            auth.clock.advance(seconds=6)
        retired = (await kept())[-1]
        assert retired.name == f"signingKeys/{kid}"
        assert retired.expire_time.seconds == key.expire_time.seconds + 60
        await auth.access.GetCaller(CALLER, metadata=bearer(key.token))
        auth.clock.advance(days=15, minutes=2)
        async with asyncio.timeout(10):
            while retired.name in [one.name for one in await kept()]:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)


async def test_a_signing_key_that_only_revoked_keys_need_goes(start_auth: Any) -> None:
    async with start_auth() as auth:
        await auth.make_account("bot")
        key = await auth.make_key("bot")
        await auth.keys.RotateSigningKey(signing_key_service_pb2.RotateSigningKeyRequest(), metadata=auth.as_admin())
        admin = await auth.as_user("users/admin", expire_time=datetime.now(UTC) + timedelta(days=20))
        auth.clock.advance(days=2)
        await asyncio.sleep(0.3)
        assert len((await auth.keys.ListSigningKeys(LIST_KEYS, metadata=admin)).signing_keys) == 2
        await auth.accounts.RevokeApiKey(REVOKE(name=key.name), metadata=admin)
        watch = auth.keys.WatchSigningKeys(signing_key_service_pb2.WatchSigningKeysRequest())
        async with asyncio.timeout(10):
            async for message in watch:
                if jwt.get_unverified_header(key.token)["kid"] not in message.jwks:
                    break
        watch.cancel()
