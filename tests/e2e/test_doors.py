"""Every method of the management API and every way to a model, for every kind of token: the exact answer."""

from __future__ import annotations

import importlib
import json
import re
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import grpc
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from kea_core.access import FOREIGN, declared
from kea_gateway.inference_messages import message_class
from kea_openapi import proto_options
from kea_openapi.api_resource import MANAGEMENT_SERVICES, descriptor_set
from platforms import RunningPlatform

NAMES = {"projects": "default", "versions": "1"}
"""What stands for a resource's id in a path, by its collection; for others it is `nothing`."""
INFERENCE = (
    ("POST", "/models/iris/predict"),
    ("POST", "/models/iris/predict:validate"),
    ("POST", "/projects/default/models/iris/predict"),
    ("GET", "/v2/models/iris"),
    ("GET", "/v2/models/iris/ready"),
    ("POST", "/v2/models/iris/infer"),
    ("POST", "/v1/models/iris:predict"),
)
INFERENCE_CALLS = {"ModelInfer": "model_name", "ModelMetadata": "name", "ModelReady": "name"}
SECONDS = 1.5
"""Longest wait for a stream that has nothing to say."""


class SigningKey(NamedTuple):
    kid: str
    private: Ed25519PrivateKey

    def token(self, *, key: Any = None, algorithm: str = "EdDSA", kid: str | None = None, **changes: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": "kea",
            "aud": "kea",
            "sub": "users/admin",
            "jti": uuid.uuid4().hex,
            "iat": now,
            "exp": now + 60,
        }
        headers = {"kid": self.kid if kid is None else kid}
        return jwt.encode(claims | changes, self.private if key is None else key, algorithm=algorithm, headers=headers)


@pytest.fixture(scope="module")
def signing_key(iris: RunningPlatform) -> SigningKey:
    """Auth's own key: whoever reads auth's database can make any token, as these tests do."""
    with sqlite3.connect(iris.data / "databases" / "auth.db") as database:
        kid, private = database.execute("SELECT kid, private_bytes FROM signing_keys ORDER BY number").fetchone()
    return SigningKey(kid, Ed25519PrivateKey.from_private_bytes(private))


def with_the_public_key(signing: SigningKey) -> str:
    """Returns a token signed by HS256, the public key taken for a shared secret."""
    secret = signing.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return signing.token(key=secret, algorithm="HS256")


class Kind(NamedTuple):
    """A kind of token, and what is said of it."""

    make: Callable[[SigningKey], str | None]
    text: str


NO_TOKEN = "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"
BAD = {
    "none": Kind(lambda _signing: None, "Jwt is missing"),
    "malformed": Kind(lambda _signing: "nonsense", NO_TOKEN),
    "expired": Kind(lambda signing: signing.token(exp=1_700_000_000), "Jwt is expired"),
    "wrong audience": Kind(lambda signing: signing.token(aud="others"), "the token is for another audience"),
    "wrong issuer": Kind(lambda signing: signing.token(iss="others"), "Jwt issuer is not configured"),
    "alg none": Kind(lambda signing: signing.token(key="", algorithm="none"), NO_TOKEN),
    "HS256 with the public key": Kind(with_the_public_key, "Jwks doesn't have key to match kid or alg from Jwt"),
    "unknown kid": Kind(
        lambda signing: signing.token(kid="unknown"), "Jwks doesn't have key to match kid or alg from Jwt"
    ),
    "another's key": Kind(lambda signing: signing.token(key=Ed25519PrivateKey.generate()), "Jwt verification fails"),
    "revoked": Kind(lambda signing: signing.token(jti="revoked-everywhere"), "the token has been revoked"),
}


@pytest.fixture(scope="module", autouse=True)
def revoked(iris: RunningPlatform, signing_key: SigningKey) -> None:
    """Has one token revoked, and waits until the gateway knows."""
    iris.kea("auth", "revoke", "revoked-everywhere")
    token = signing_key.token(jti="revoked-everywhere")
    deadline = time.monotonic() + 2
    while ask(iris, "GET", "/v2/models/iris", token).status_code != 401:
        assert time.monotonic() < deadline, "a revocation takes effect within two seconds"
        time.sleep(0.02)


def ask(platform: RunningPlatform, verb: str, path: str, token: str | None) -> httpx.Response:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    body = {} if verb in {"POST", "PATCH"} else None
    with httpx.Client(base_url=platform.url, trust_env=False, timeout=30) as client:
        return client.request(verb, path, headers=headers, json=body)


def methods() -> Iterator[tuple[str, Any]]:
    for file in descriptor_set().file:
        for service in file.service:
            if f"{file.package}.{service.name}" in MANAGEMENT_SERVICES:
                for method in service.method:
                    yield f"/{file.package}.{service.name}/{method.name}", method


def filled(pattern: str) -> str:
    """Returns a path of what is not there."""

    def variable(match: re.Match[str]) -> str:
        segments = match.group(1).partition("=")[2].split("/")
        for index, segment in enumerate(segments):
            if segment == "*":
                segments[index] = (
                    "default" if segments[index - 1] == "projects" else NAMES.get(segments[index - 1], "nothing")
                )
        return "/".join(segments)

    return re.sub(r"\{([^}]+)\}", variable, pattern)


def rest_forms() -> Iterator[tuple[str, str, str]]:
    """Yields each method with a REST form, its verb and a path."""
    for path, method in methods():
        rule = proto_options.http_rule(method)
        if rule is not None:
            verb = rule.WhichOneof("pattern")
            yield path, str(verb).upper(), filled(str(getattr(rule, str(verb))))


def called(platform: RunningPlatform, path: str, token: str | None, message: bytes = b"") -> tuple[str, str]:
    """Calls a method over gRPC; returns code and message, of a stream that has nothing to say `OK`."""
    metadata = () if token is None else (("authorization", f"Bearer {token}"),)
    with grpc.insecure_channel(f"127.0.0.1:{platform.port}") as channel:
        try:
            next(channel.unary_stream(path)(message, metadata=metadata, timeout=SECONDS), None)
        except grpc.RpcError as error:
            code = error.code().name
            return ("OK", "") if code == "DEADLINE_EXCEEDED" else (code, error.details() or "")
    return "OK", ""


def infer_calls() -> Iterator[tuple[str, bytes]]:
    for name, field in INFERENCE_CALLS.items():
        request = message_class(f"{name}Request")(**{field: "iris"})
        yield f"/inference.GRPCInferenceService/{name}", request.SerializeToString()


def told(response: httpx.Response) -> tuple[int, str, str, bool]:
    """Returns status, reason (empty where the shape has none) and text of a refusal, and whether it challenges."""
    body = json.loads(response.content)
    challenges = response.headers.get("www-authenticate", "").startswith("Bearer")
    if "error" in body:
        return response.status_code, "", body["error"], challenges
    if "code" in body:
        assert body["code"] == {401: 16, 403: 7}[response.status_code]
        return response.status_code, body["details"][0]["reason"], body["message"], challenges
    assert (body["status"], body["type"]) == (response.status_code, "about:blank")
    return response.status_code, body["reason"], body["detail"], challenges


@pytest.mark.parametrize("kind", BAD)
def test_no_door_opens_without_a_good_token(iris: RunningPlatform, signing_key: SigningKey, kind: str) -> None:
    token, text = BAD[kind].make(signing_key), BAD[kind].text
    answers = {f"{verb} {path}": told(ask(iris, verb, path, token)) for _, verb, path in rest_forms()}
    answers |= {f"{verb} {path}": told(ask(iris, verb, path, token)) for verb, path in INFERENCE}
    answers["GET /models"] = told(ask(iris, "GET", "/models", token))
    bare = {door for door in answers if "/v2/" in door or "/v1/models/" in door}
    assert answers == {door: (401, "" if door in bare else "TOKEN_INVALID", text, True) for door in answers}
    calls = {path: called(iris, path, token) for path, _ in methods()}
    calls |= {path: called(iris, path, token, message) for path, message in infer_calls()}
    assert calls == dict.fromkeys(calls, ("UNAUTHENTICATED", text))


def test_who_has_no_role_gets_what_any_token_opens_and_nothing_else(
    iris: RunningPlatform, signing_key: SigningKey
) -> None:
    def token() -> str:  # each its own: one of the doors revokes it
        return signing_key.token(sub="users/nobody")

    for file in descriptor_set().file:
        if file.name.startswith("kea/") and "inference" not in file.name:  # those have a pool of their own (ADR 0008)
            importlib.import_module(file.name.removesuffix(".proto").replace("/", ".") + "_pb2")
    access = {**declared(service for service in MANAGEMENT_SERVICES if service.startswith("kea.")), **FOREIGN}
    for path, verb, address in rest_forms():
        answer = ask(iris, verb, address, token())
        if access[path].permission:
            refused = f"users/nobody lacks permission {access[path].permission}"
            assert told(answer)[:3] == (403, "PERMISSION_MISSING", refused), path
        else:
            assert answer.status_code not in {401, 403} or path.endswith("ExchangeServiceCredential"), path
    for path, _ in methods():
        code, text = called(iris, path, token())
        if access[path].permission:
            assert (code, text) == ("PERMISSION_DENIED", f"users/nobody lacks permission {access[path].permission}"), (
                path
            )
        else:
            assert code != "PERMISSION_DENIED", path
    text = "no binding lets the caller do this"
    for verb, path in INFERENCE:
        assert told(ask(iris, verb, path, token()))[::2] == (403, text), path
    for path, message in infer_calls():
        assert called(iris, path, token(), message) == ("PERMISSION_DENIED", text)
    assert ask(iris, "GET", "/models", token()).json() == {"models": []}


def test_who_may_gets_through_every_door(iris: RunningPlatform, signing_key: SigningKey) -> None:
    for _, verb, path in rest_forms():
        answer = ask(iris, verb, path, signing_key.token())
        assert answer.status_code not in {403, 500}, (path, answer.text)
        assert answer.status_code != 401 or "ServiceCredential" in path, (path, answer.text)
    for path, _ in methods():
        assert called(iris, path, signing_key.token())[0] not in {"PERMISSION_DENIED", "INTERNAL", "UNKNOWN"}, path
    for verb, path in INFERENCE:
        assert ask(iris, verb, path, signing_key.token()).status_code in {200, 400, 422}, path
    assert [model["name"] for model in ask(iris, "GET", "/models", signing_key.token()).json()["models"]].count(
        "iris"
    ) == 1
