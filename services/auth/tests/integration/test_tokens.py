from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from google.protobuf import duration_pb2
from kea.auth.v1 import access_service_pb2, role_pb2, role_service_pb2, signing_key_service_pb2, token_service_pb2
from kea_core import status
from kea_core.claim_list import unpack
from kea_core.tokens import TokenVerifier

CREATE = token_service_pb2.CreateTokenRequest
EXCHANGE = token_service_pb2.ExchangeServiceCredentialRequest
WATCH = access_service_pb2.WatchPolicyRequest()
CREATE_ROLE = role_service_pb2.CreateRoleRequest(role_id="x", role=role_pb2.Role(permissions=["a.b.get"]))
SECRET = "s" * 40


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    info = status.error_info(caught.value)
    assert info is not None
    return caught.value.code(), info.reason


def claims_of(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


async def test_the_bootstrap_token_is_an_admins_and_private(start_auth: Any) -> None:
    async with start_auth() as auth:
        claims = claims_of(auth.admin_token())
        assert claims.keys() == {"iss", "aud", "sub", "jti", "iat", "exp"}
        assert (claims["sub"], claims["iss"], claims["aud"]) == ("users/admin", "kea", "kea")
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


async def test_a_token_is_made_for_the_caller_and_never_outlives_the_one_it_was_made_with(start_auth: Any) -> None:
    async with start_auth() as auth:
        made = await auth.tokens.CreateToken(CREATE(ttl=duration_pb2.Duration(seconds=60)), metadata=auth.as_admin())
        assert (made.subject, list(made.scopes)) == ("users/admin", [])
        assert made.expire_time.seconds - made.create_time.seconds == 60
        claims = claims_of(made.access_token)
        assert claims["jti"] == made.uid
        assert claims["exp"] == made.expire_time.seconds
        again = await auth.tokens.CreateToken(CREATE(), metadata=bearer(made.access_token))
        # It asked for an hour and got what was left of the token it came with.
        assert again.expire_time == made.expire_time


async def test_a_token_says_of_its_caller_what_the_callers_own_says(start_auth: Any) -> None:
    async with start_auth() as auth:
        ada = await auth.as_user("users/ada", "students", "a group", token="root", scopes=("viewer",), account="uid-1")
        first = claims_of((await auth.tokens.CreateToken(CREATE(), metadata=ada)).access_token)
        assert first["groups"] == ",a group,students,"
        assert (first["sub"], first["scopes"], first["sid"], first["uid"]) == ("users/ada", ",viewer,", "root", "uid-1")
        assert first["jti"] != "root"


async def test_all_tokens_say_which_token_or_session_they_go_back_to(start_auth: Any) -> None:
    async with start_auth() as auth:
        root = claims_of(auth.admin_token())["jti"]
        first = await auth.tokens.CreateToken(CREATE(), metadata=auth.as_admin())
        second = await auth.tokens.CreateToken(CREATE(), metadata=bearer(first.access_token))
        assert [claims_of(one.access_token)["sid"] for one in (first, second)] == [root, root]
        session = await auth.as_user("users/ada", session="session-1")
        third = await auth.tokens.CreateToken(CREATE(), metadata=session)
        assert claims_of(third.access_token)["sid"] == "session-1"


async def test_the_default_is_an_hour(start_auth: Any) -> None:
    async with start_auth() as auth:
        made = await auth.tokens.CreateToken(CREATE(), metadata=auth.as_admin())
        assert made.expire_time.seconds - made.create_time.seconds == 3600


@pytest.mark.parametrize("ttl", [0, 59, 86_401, -1, 315_576_000_000])
async def test_a_time_to_live_out_of_bounds_is_refused(start_auth: Any, ttl: int) -> None:
    async with start_auth() as auth:
        call = auth.tokens.CreateToken(CREATE(ttl=duration_pb2.Duration(seconds=ttl)), metadata=auth.as_admin())
        assert await refused(call) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_OUT_OF_BOUNDS")


async def test_a_token_without_scopes_may_make_one_with_any_that_there_are(start_auth: Any) -> None:
    async with start_auth() as auth:
        await auth.make_role("caller", "router.endpoints.invoke")
        request = CREATE(scopes=["viewer", "caller", "viewer"])
        made = await auth.tokens.CreateToken(request, metadata=auth.as_admin())
        assert list(made.scopes) == unpack(claims_of(made.access_token)["scopes"]) == ["caller", "viewer"]
        call = auth.roles.CreateRole(CREATE_ROLE, metadata=bearer(made.access_token))
        assert await refused(call) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")


@pytest.mark.parametrize("unknown", ["nothing", "service-router"])
async def test_a_scope_that_is_no_role_is_refused(start_auth: Any, unknown: str) -> None:
    async with start_auth() as auth:
        call = auth.tokens.CreateToken(CREATE(scopes=["viewer", unknown]), metadata=auth.as_admin())
        assert await refused(call) == (grpc.StatusCode.INVALID_ARGUMENT, "SCOPE_UNKNOWN")


@pytest.mark.parametrize(
    ("held", "wanted"),
    [("viewer", "viewer"), ("engineer", "viewer"), ("engineer", "consumer"), ("admin", "auditor"), ("wide", "narrow")],
)
async def test_a_scope_within_those_of_the_callers_token_is_given(start_auth: Any, held: str, wanted: str) -> None:
    async with start_auth() as auth:
        await auth.make_role("wide", "router.*.get")
        await auth.make_role("narrow", "router.endpoints.get")
        made = await auth.tokens.CreateToken(CREATE(scopes=[held]), metadata=auth.as_admin())
        again = await auth.tokens.CreateToken(CREATE(scopes=[wanted]), metadata=bearer(made.access_token))
        assert list(again.scopes) == [wanted]
        as_before = await auth.tokens.CreateToken(CREATE(), metadata=bearer(made.access_token))
        assert list(as_before.scopes) == [held]


@pytest.mark.parametrize(
    ("held", "wanted"),
    [("viewer", "admin"), ("viewer", "consumer"), ("consumer", "viewer"), ("narrow", "wide"), ("gone", "narrow")],
)
async def test_a_scope_beyond_those_of_the_callers_token_is_refused(start_auth: Any, held: str, wanted: str) -> None:
    async with start_auth() as auth:
        await auth.make_role("wide", "router.*.get")
        await auth.make_role("narrow", "router.endpoints.get")
        scoped = await auth.as_user("users/ada", scopes=(held,))
        call = auth.tokens.CreateToken(CREATE(scopes=[held, wanted] if held != "gone" else [wanted]), metadata=scoped)
        assert await refused(call) == (grpc.StatusCode.PERMISSION_DENIED, "SCOPE_NOT_HELD")


async def test_who_brings_no_token_gets_none(start_auth: Any) -> None:
    async with start_auth() as auth:
        assert await refused(auth.tokens.CreateToken(CREATE())) == (
            grpc.StatusCode.UNAUTHENTICATED,
            "TOKEN_MISSING",
        )


async def test_a_service_gets_a_token_of_its_account_for_its_secret(start_auth: Any) -> None:
    async with start_auth() as auth:
        made = await auth.tokens.ExchangeServiceCredential(EXCHANGE(service_account_id="deployer", secret=SECRET))
        assert (made.subject, list(made.scopes)) == ("serviceAccounts/deployer", [])
        assert made.expire_time.seconds - made.create_time.seconds == 3600
        assert claims_of(made.access_token).keys() == {"iss", "aud", "sub", "jti", "iat", "exp"}
        watch = auth.access.WatchPolicy(WATCH, metadata=bearer(made.access_token))
        assert (await watch.read()).WhichOneof("change") is None
        watch.cancel()
        call = auth.roles.CreateRole(CREATE_ROLE, metadata=bearer(made.access_token))
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
        assert verifier.verify(auth.admin_token()).subject == "users/admin"
