"""Tokens of a Kubernetes' service accounts, exchanged: its keys come from a file."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from kea_auth.login.settings import LoginSettings

ISSUER = "https://kubernetes.default.svc"
ROBOT = "system:serviceaccount:ci:robot"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def token_of(key: Any = KEY, headers: dict[str, Any] | None = None, algorithm: str = "RS256", **changes: Any) -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "sub": ROBOT, "aud": ["kea"], "iat": now, "exp": now + 300} | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": "k1"} | (headers or {}))


Ask = Callable[..., Any]


@pytest.fixture
async def ask(start_auth: Any, socket_directory: Path) -> AsyncGenerator[Ask, None]:
    jwks = {"keys": [RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True) | {"kid": "k1", "use": "sig"}]}
    (socket_directory / "jwks.json").write_text(json.dumps(jwks))
    provider = {
        "id": "cluster",
        "issuer": ISSUER,
        "trusted_for": ["exchange"],
        "audiences": ["kea"],
        "jwks_file": str(socket_directory / "jwks.json"),
        "service_accounts": {ROBOT: "robot", "system:serviceaccount:ci:gone": "gone"},
    }
    (socket_directory / "providers.json").write_text(json.dumps({"providers": [provider]}))
    settings = LoginSettings(
        http_address=f"unix:{socket_directory}/login.sock",
        public_url="https://kea.example.org",
        providers_file=f"{socket_directory}/providers.json",
    )
    async with start_auth(login=settings) as auth, opened(settings) as client:
        await auth.make_account("robot")

        async def exchange(theirs: str, **form: str) -> httpx.Response:
            told = {
                "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
                "subject_token": theirs,
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            }
            return await client.post("/oauth/token", data=told | form)

        yield exchange


@asynccontextmanager
async def opened(settings: LoginSettings) -> AsyncGenerator[httpx.AsyncClient, None]:
    transport = httpx.AsyncHTTPTransport(uds=settings.http_address.removeprefix("unix:"))
    async with httpx.AsyncClient(transport=transport, base_url="http://kea") as client:
        yield client


async def test_a_pod_becomes_its_service_account_no_longer_than_its_token_lasts(ask: Ask) -> None:
    made = (await ask(token_of(exp=int(time.time()) + 120))).json()
    assert made["expires_in"] <= 120
    claims = jwt.decode(made["access_token"], options={"verify_signature": False})
    assert claims["sub"] == "serviceAccounts/robot"
    assert claims["uid"]


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["other"]},
        {"aud": None},
        {"iss": "https://evil.example"},
        {"sub": "system:serviceaccount:default:default"},
        {"sub": "system:serviceaccount:ci:gone"},
        {"exp": 1},
        {"exp": None},
        {"key": OTHER},
        {"headers": {"kid": "k2"}},
        {"key": "0" * 64, "algorithm": "HS256"},
        {"key": "", "algorithm": "none"},
    ],
    ids="-".join,
)
async def test_whatever_else_is_refused(ask: Ask, changes: dict[str, Any]) -> None:
    answer = await ask(token_of(**changes))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "form",
    [
        {"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"actor_token": "x"},
        {"subject_token": ""},
    ],
    ids=lambda form: next(iter(form)),
)
async def test_what_is_not_offered_is_said_so(ask: Ask, form: dict[str, str]) -> None:
    assert (await ask(token_of(), **form)).json()["error"] == "invalid_request"
