from __future__ import annotations

import asyncio
import uuid
from typing import Any

import grpc
import jwt
import pytest
import sqlalchemy as sa
from google.protobuf import duration_pb2
from kea.auth.v1 import access_service_pb2, service_account_pb2, service_account_service_pb2, token_service_pb2
from kea_auth.domain import revocations
from kea_auth.store.tables import REVOCATIONS
from kea_core.clock import as_utc
from kea_core.database import open_database

CREATE = token_service_pb2.CreateTokenRequest
OWN = token_service_pb2.RevokeOwnTokenRequest()
REVOKE = token_service_pb2.RevokeTokenRequest
CALLER = access_service_pb2.GetCallerRequest()
WATCH = access_service_pb2.WatchPolicyRequest
INVALID = (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")
MARGIN = 60


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


async def accepted(auth: Any, metadata: Any) -> bool:
    try:
        await auth.access.GetCaller(CALLER, metadata=metadata)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAUTHENTICATED:
            raise
        return False
    return True


async def kept(auth: Any) -> dict[str, float | None]:
    """Returns when revocations expire, in seconds since 1970, by id."""
    async with open_database(auth.settings.database) as sessions, sessions.reading() as session:
        rows = (await session.execute(sa.select(REVOCATIONS))).all()
    return {row.id: None if row.expire_time is None else as_utc(row.expire_time).timestamp() for row in rows}


async def test_who_revokes_their_token_can_use_neither_it_nor_what_was_made_with_it(start_auth: Any) -> None:
    async with start_auth() as auth:
        root, other = await auth.as_user("users/ada"), await auth.as_user("users/ada")
        first = bearer((await auth.tokens.CreateToken(CREATE(), metadata=root)).access_token)
        second = bearer((await auth.tokens.CreateToken(CREATE(), metadata=first)).access_token)
        elsewhere = bearer((await auth.tokens.CreateToken(CREATE(), metadata=other)).access_token)
        await auth.tokens.RevokeOwnToken(OWN, metadata=root)
        assert [await accepted(auth, token) for token in (root, first, second)] == [False] * 3
        assert [await accepted(auth, token) for token in (other, elsewhere)] == [True] * 2
        assert await auth.refused(auth.tokens.RevokeOwnToken(OWN, metadata=root)) == INVALID


async def test_a_token_that_was_made_with_another_is_revoked_alone(start_auth: Any) -> None:
    async with start_auth() as auth:
        root = await auth.as_user("users/ada")
        made = [bearer((await auth.tokens.CreateToken(CREATE(), metadata=root)).access_token) for _ in range(2)]
        await auth.tokens.RevokeOwnToken(OWN, metadata=made[0])
        assert [await accepted(auth, token) for token in (root, *made)] == [True, False, True]


async def test_a_session_is_revoked_with_all_of_its_tokens(start_auth: Any) -> None:
    async with start_auth() as auth:
        root = await auth.as_user("users/ada", session="session-1")
        made = bearer((await auth.tokens.CreateToken(CREATE(), metadata=root)).access_token)
        await auth.tokens.RevokeToken(REVOKE(uid="session-1"), metadata=auth.as_admin())
        assert [await accepted(auth, token) for token in (root, made)] == [False] * 2


async def test_any_token_can_be_revoked_by_its_id_alone_and_twice(start_auth: Any) -> None:
    async with start_auth() as auth:
        made = await auth.tokens.CreateToken(CREATE(), metadata=await auth.as_user("users/ada"))
        for _ in range(2):
            await auth.tokens.RevokeToken(REVOKE(uid=made.uid), metadata=auth.as_admin())
        assert not await accepted(auth, bearer(made.access_token))
        unknown = str(uuid.uuid4())
        await auth.tokens.RevokeToken(REVOKE(uid=unknown), metadata=auth.as_admin())
        assert set(await kept(auth)) == {made.uid, unknown}
        call = auth.tokens.RevokeToken(REVOKE(uid=unknown), metadata=await auth.as_user("users/ada"))
        assert await auth.refused(call) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")
        for malformed in ("", "short", "with spaces", "x" * 65):
            call = auth.tokens.RevokeToken(REVOKE(uid=malformed), metadata=auth.as_admin())
            assert await auth.refused(call) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_OUT_OF_BOUNDS")


async def test_a_revocation_lasts_as_long_as_a_token_could(start_auth: Any) -> None:
    async with start_auth() as auth:
        await auth.make_account("bot")
        key = await auth.make_key("bot")
        now = auth.clock().timestamp()
        ttl = duration_pb2.Duration(seconds=60)
        own = await auth.tokens.CreateToken(CREATE(ttl=ttl), metadata=auth.as_admin())
        await auth.tokens.RevokeOwnToken(OWN, metadata=bearer(own.access_token))
        await auth.tokens.RevokeToken(REVOKE(uid="somebodys-token"), metadata=auth.as_admin())
        revoke = service_account_service_pb2.RevokeApiKeyRequest(name=key.name)
        await auth.accounts.RevokeApiKey(revoke, metadata=auth.as_admin())
        assert await kept(auth) == {
            own.uid: own.expire_time.seconds + MARGIN,
            "somebodys-token": pytest.approx(now + 86_400 + MARGIN, abs=0.001),
            key.name.rpartition("/")[2]: key.expire_time.seconds + MARGIN,
        }


async def test_a_later_revocation_never_shortens_one_that_is_there(start_auth: Any) -> None:
    async with start_auth() as auth:
        account = await auth.make_account("bot")
        disable = service_account_pb2.ServiceAccount(name=account.name, disabled=True)
        request = service_account_service_pb2.UpdateServiceAccountRequest(service_account=disable)
        await auth.accounts.UpdateServiceAccount(request, metadata=auth.as_admin())
        await auth.tokens.RevokeToken(REVOKE(uid=account.uid), metadata=auth.as_admin())
        assert await kept(auth) == {account.uid: None}
        long = await auth.tokens.CreateToken(
            CREATE(ttl=duration_pb2.Duration(seconds=60)), metadata=await auth.as_user("users/ada")
        )
        await auth.tokens.RevokeToken(REVOKE(uid=long.uid), metadata=auth.as_admin())
        before = await kept(auth)
        auth.clock.advance(hours=-1)
        await auth.tokens.RevokeToken(REVOKE(uid=long.uid), metadata=auth.as_admin())
        assert await kept(auth) == before


async def test_what_has_expired_is_forgotten_and_told(start_auth: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocations, "BATCH", 2)
    async with start_auth() as auth:
        ids = {f"token-{number:03}" for number in range(5)}
        for revoked in sorted(ids):
            await auth.tokens.RevokeToken(REVOKE(uid=revoked), metadata=auth.as_admin())
        auth.clock.advance(hours=1)
        await auth.tokens.RevokeToken(REVOKE(uid="token-later"), metadata=auth.as_admin())
        watch = auth.access.WatchPolicy(WATCH(), metadata=auth.as_admin())
        told: set[str] = set()
        async with asyncio.timeout(10):
            while (message := await watch.read()).WhichOneof("change") is not None:
                told.add(message.revocation.name)
            assert told == {f"revocations/{revoked}" for revoked in {*ids, "token-later"}}
            auth.clock.advance(hours=23, minutes=1)
            gone: set[str] = set()
            while gone != {f"revocations/{revoked}" for revoked in ids}:
                message = await watch.read()
                gone |= {message.deleted} - {""}
        watch.cancel()
        assert set(await kept(auth)) == {"token-later"}


async def test_nobody_burdens_all_who_check_tokens(start_auth: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocations, "MAX_OWN", 2)
    monkeypatch.setattr(revocations, "MAX_OF_OTHERS", 3)
    async with start_auth() as auth:
        exhausted = (grpc.StatusCode.RESOURCE_EXHAUSTED, "REVOCATIONS_EXHAUSTED")
        for _ in range(2):
            await auth.tokens.RevokeOwnToken(OWN, metadata=await auth.as_user("users/ada"))
        ada = await auth.as_user("users/ada")
        assert await auth.refused(auth.tokens.RevokeOwnToken(OWN, metadata=ada)) == exhausted
        await auth.tokens.RevokeOwnToken(OWN, metadata=await auth.as_user("users/bob"))
        for number in range(3):
            await auth.tokens.RevokeToken(REVOKE(uid=f"token-{number:03}"), metadata=auth.as_admin())
        call = auth.tokens.RevokeToken(REVOKE(uid="one-more-token"), metadata=auth.as_admin())
        assert await auth.refused(call) == exhausted
        # What is revoked already needs no room.
        await auth.tokens.RevokeToken(REVOKE(uid="token-000"), metadata=auth.as_admin())


async def test_a_stream_tells_nothing_more_once_the_token_it_was_opened_with_is_revoked(start_auth: Any) -> None:
    async with start_auth() as auth, asyncio.timeout(10):
        await auth.bind("users/ada", "admin")
        ada = await auth.as_user("users/ada")
        watch = auth.access.WatchPolicy(WATCH(), metadata=ada)
        while (await watch.read()).WhichOneof("change") is not None:
            pass
        token = jwt.decode(ada[0][1].partition(" ")[2], options={"verify_signature": False})["jti"]
        await auth.tokens.RevokeToken(REVOKE(uid=token), metadata=auth.as_admin())
        secret = await auth.bind("users/bob", "viewer")
        told: list[str] = []

        async def read() -> None:
            async for message in watch:
                told.append(message.binding.name)  # noqa: PERF401 - what came before the end is wanted too

        assert await auth.refused(read()) == INVALID
        assert secret.name not in told
