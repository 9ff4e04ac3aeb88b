from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from google.protobuf import duration_pb2
from kea.auth.v1 import signing_key_service_pb2, token_service_pb2
from kea_core import status
from kea_core.tokens import TokenVerifier

CREATE = token_service_pb2.CreateTokenRequest
EXCHANGE = token_service_pb2.ExchangeServiceCredentialRequest
SECRET = "s" * 40


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    info = status.error_info(caught.value)
    assert info is not None
    return caught.value.code(), info.reason


async def test_the_bootstrap_token_is_an_admins_and_private(start_auth: Any) -> None:
    async with start_auth() as auth:
        claims = jwt.decode(auth.admin_token(), options={"verify_signature": False})
        assert (claims["sub"], claims["roles"], claims["iss"], claims["aud"]) == (
            "users/admin",
            ["admin"],
            "kea",
            "kea",
        )
        assert claims["exp"] - claims["iat"] == 86_400
        file = Path(auth.settings.bootstrap_token_file)
        assert file.stat().st_mode & 0o777 == 0o600  # noqa: ASYNC240 - nobody else is in this loop


async def test_the_bootstrap_token_is_renewed_before_it_expires(start_auth: Any) -> None:
    async with start_auth() as auth:
        before = auth.admin_token()
        auth.clock.advance(hours=12, seconds=1)
        deadline = time.monotonic() + 10
        while auth.admin_token() == before:
            assert time.monotonic() < deadline
            await auth.tokens.CreateToken(CREATE(), metadata=bearer(before))


async def test_a_token_is_made_for_the_caller_with_fewer_roles(start_auth: Any) -> None:
    async with start_auth() as auth:
        made = await auth.tokens.CreateToken(CREATE(ttl=duration_pb2.Duration(seconds=60)), metadata=auth.as_admin())
        assert (made.subject, list(made.roles)) == ("users/admin", ["admin"])
        assert made.expire_time.seconds - made.create_time.seconds == 60
        claims = jwt.decode(made.access_token, options={"verify_signature": False})
        assert claims["jti"] == made.uid
        assert claims["exp"] == made.expire_time.seconds
        again = await auth.tokens.CreateToken(CREATE(roles=["admin"]), metadata=bearer(made.access_token))
        # It asked for an hour and got what was left of the token it came with.
        assert again.expire_time == made.expire_time


async def test_the_default_is_an_hour(start_auth: Any) -> None:
    async with start_auth() as auth:
        made = await auth.tokens.CreateToken(CREATE(), metadata=auth.as_admin())
        assert made.expire_time.seconds - made.create_time.seconds == 3600


@pytest.mark.parametrize("ttl", [0, 59, 86_401, -1, 315_576_000_000])
async def test_a_time_to_live_out_of_bounds_is_refused(start_auth: Any, ttl: int) -> None:
    async with start_auth() as auth:
        call = auth.tokens.CreateToken(CREATE(ttl=duration_pb2.Duration(seconds=ttl)), metadata=auth.as_admin())
        assert await refused(call) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_OUT_OF_BOUNDS")


async def test_a_role_that_may_do_no_more_than_the_callers_is_given(start_auth: Any) -> None:
    async with start_auth() as auth:
        made = await auth.tokens.CreateToken(CREATE(roles=["invoker", "viewer"]), metadata=auth.as_admin())
        assert list(made.roles) == ["invoker", "viewer"]


@pytest.mark.parametrize(("held", "wanted"), [("admin", "teacher"), ("viewer", "invoker"), ("invoker", "admin")])
async def test_a_role_that_may_do_more_than_the_callers_is_refused(start_auth: Any, held: str, wanted: str) -> None:
    async with start_auth() as auth:
        made = await auth.tokens.CreateToken(CREATE(roles=[held]), metadata=auth.as_admin())
        call = auth.tokens.CreateToken(CREATE(roles=[held, wanted]), metadata=bearer(made.access_token))
        assert await refused(call) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_NOT_HELD")


async def test_who_brings_no_token_gets_none(start_auth: Any) -> None:
    async with start_auth() as auth:
        assert await refused(auth.tokens.CreateToken(CREATE())) == (
            grpc.StatusCode.UNAUTHENTICATED,
            "TOKEN_MISSING",
        )


async def test_a_service_gets_a_token_of_its_role_for_its_secret(start_auth: Any) -> None:
    async with start_auth() as auth:
        made = await auth.tokens.ExchangeServiceCredential(EXCHANGE(service_account_id="deployer", secret=SECRET))
        assert (made.subject, list(made.roles)) == ("serviceAccounts/deployer", ["service-deployer"])
        assert made.expire_time.seconds - made.create_time.seconds == 3600
        call = auth.tokens.CreateToken(CREATE(), metadata=bearer(made.access_token))
        assert await refused(call) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")


@pytest.mark.parametrize(
    ("account", "secret"),
    [
        ("deployer", "x" * 40),
        ("deployer", SECRET + "x"),
        ("deployer", "ü" * 40),
        ("router", SECRET),  # has no file
        ("portal", SECRET),  # its file is readable by all
        ("stranger", SECRET),  # has a file, but is no service account
    ],
)
async def test_all_bad_credentials_are_refused_alike(start_auth: Any, account: str, secret: str) -> None:
    async with start_auth() as auth:
        call = auth.tokens.ExchangeServiceCredential(EXCHANGE(service_account_id=account, secret=secret))
        assert await refused(call) == (grpc.StatusCode.UNAUTHENTICATED, "SERVICE_CREDENTIAL_INVALID")


async def test_tokens_pass_a_verifier_that_follows_the_keys(start_auth: Any) -> None:
    async with start_auth() as auth:
        verifier = TokenVerifier()
        watch = auth.keys.WatchSigningKeys(signing_key_service_pb2.WatchSigningKeysRequest())
        async for message in watch:
            assert (message.issuer, message.audience) == ("kea", "kea")
            verifier.use(message.jwks)
            break
        watch.cancel()
        assert verifier.verify(auth.admin_token()).roles == ("admin",)
