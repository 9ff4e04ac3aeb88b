"""Logins and their refusals in the audit log."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from kea.auth.v1 import audit_event_pb2, audit_service_pb2, audit_service_pb2_grpc, user_pb2, user_service_pb2
from kea_auth.audit.settings import AuditSettings
from kea_auth.login import serving
from kea_auth.login.refusals import OF_ADDRESS_A_MINUTE
from kea_auth.store.tables import AUDIT_EVENTS, SESSIONS
from kea_core.database import open_database
from login_client import PASSWORD, log_in, make, users, web, with_login

ISSUER = "https://kubernetes.default.svc"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CALLER = {"x-request-id": "r-1", "x-kea-client-address": "192.0.2.7"}
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture
def settings(socket_directory: Path) -> dict[str, Any]:
    directory = str(socket_directory / "audit")
    return with_login(socket_directory) | {"audit": AuditSettings(directory=directory)}


def trusting(directory: Path) -> dict[str, Any]:
    """Returns the settings of an auth that exchanges the tokens of a Kubernetes."""
    jwks = {"keys": [RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True) | {"kid": "k1", "use": "sig"}]}
    (directory / "jwks.json").write_text(json.dumps(jwks))
    provider = {
        "id": "cluster",
        "issuer": ISSUER,
        "client_id": "kea",
        "trusted_for": ["login", "exchange"],
        "audiences": ["kea"],
        "jwks_file": str(directory / "jwks.json"),
        "service_accounts": {"robot": "robot"},
        "exchange_users": True,
    }
    (directory / "providers.json").write_text(json.dumps({"providers": [provider]}))
    login = with_login(
        directory, public_url="https://kea.example.org", providers_file=str(directory / "providers.json")
    )
    return login | {"audit": AuditSettings(directory=str(directory / "audit"))}


def theirs(**changes: Any) -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "sub": "robot", "aud": ["kea"], "iat": now, "exp": now + 300} | changes
    return jwt.encode(claims, KEY, algorithm="RS256", headers={"kid": "k1"})


async def told(auth: Any, count: int, *, beside: bool = False, **wanted: Any) -> list[audit_event_pb2.AuditEvent]:
    """Returns what was told of requests to auth's pages and endpoints, or `beside` them, once there is so much."""
    stub = audit_service_pb2_grpc.AuditServiceStub(auth.channel)
    request = audit_service_pb2.SearchAuditEventsRequest(
        filter=audit_event_pb2.AuditEventFilter(**wanted), oldest_first=True, page_size=1000
    )
    async with asyncio.timeout(20):
        while True:
            found = await stub.SearchAuditEvents(request, metadata=auth.as_admin())
            events = [event for event in found.events if ("kea.auth.v1" in event.request) == beside]
            if len(events) >= count:
                return sorted(events, key=lambda event: (event.time.ToNanoseconds(), event.resource))
            await asyncio.sleep(0.02)


def decision(event: audit_event_pb2.AuditEvent) -> str:
    return audit_event_pb2.AuditEvent.Decision.Name(event.decision).removeprefix("DECISION_").lower()


def short(event: audit_event_pb2.AuditEvent) -> tuple[str, ...]:
    kind = event.resource.partition("/")[0]
    return (event.subject, event.action, kind, decision(event), event.rule, event.outcome)


def access_token(client: httpx.AsyncClient) -> dict[str, str]:
    """Returns what Envoy makes of a browser's cookie."""
    return {"authorization": f"Bearer {client.cookies['kea_session']}"}


async def test_a_login_its_renewal_and_the_logout_are_told(start_auth: Any, settings: dict[str, Any]) -> None:
    async with start_auth(**settings) as auth, web(auth) as client:
        user = await make(auth, "ada")
        client.headers.update(CALLER)
        await log_in(client, "ada")
        await client.get("/login?return_to=/docs")
        await client.post("/login/renew")
        await client.post("/login/end", headers=access_token(client))
        await client.post("/login/end")  # nobody is logged in any more, so nothing happens
        events = await told(auth, 5)
        session = "users/ada", "auth.sessions.create", "sessions", "allowed", "password", "OK"
        refresh = "users/ada", "auth.tokens.create", "sessions", "allowed", "refresh token", "OK"
        end = "users/ada", "auth.sessions.delete"
        assert [short(event) for event in events] == [
            session,
            refresh,
            refresh,
            (*end, "revocations", "allowed", "refresh token", "OK"),
            (*end, "sessions", "allowed", "refresh token", "DELETED"),
        ]
        assert {event.request_id for event in events} == {"r-1"}
        assert {event.source_address for event in events} == {"192.0.2.7"}
        assert {event.source for event in events} == {"auth"}
        (named,) = {event.authentication.session_id for event in events}
        assert {event.resource for event in events} == {f"sessions/{named}", f"revocations/{named}"}
        assert {event.authentication.account_id for event in events[:3]} == {user.uid}
        assert [event.request for event in events[:3]] == ["POST /login/local", "GET /login", "POST /login/renew"]


async def test_passwords_that_are_refused_are_told_and_names_only_of_users_that_there_are(
    start_auth: Any, settings: dict[str, Any]
) -> None:
    async with start_auth(**settings) as auth, web(auth) as client:
        await make(auth, "ada")
        await make(auth, "off")
        off = user_pb2.User(name="users/off", disabled=True)
        await users(auth).UpdateUser(user_service_pb2.UpdateUserRequest(user=off), metadata=auth.as_admin())
        client.headers.update(CALLER)
        await log_in(client, "ada", "wrong-word-of-ada")
        await log_in(client, "off")
        await log_in(client, "pass-in-the-wrong-field", "x")
        await client.post("/login/local", data={"user": "ada"}, headers={"origin": "http://evil"})
        refused = await told(auth, 4)
        action = "auth.sessions.create"
        assert [short(event) for event in refused] == [
            ("users/ada", action, "", "denied", "password: wrong", "UNAUTHENTICATED"),
            ("users/off", action, "", "denied", "password: user is disabled", "UNAUTHENTICATED"),
            ("", action, "", "denied", "password: no such user", "UNAUTHENTICATED"),
            ("", action, "", "denied", "password: another site", "UNAUTHENTICATED"),
        ]
        assert {event.source_address for event in refused} == {"192.0.2.7"}
        assert not any(secret in str(refused) for secret in ("wrong-word-of-ada", "wrong-field", PASSWORD))


async def test_a_stolen_refresh_token_is_told_with_the_end_of_its_session(
    start_auth: Any, settings: dict[str, Any]
) -> None:
    async with start_auth(**settings) as auth, web(auth) as client, web(auth) as thief:
        await make(auth, "ada")
        await log_in(client, "ada")
        stolen = client.cookies["kea_refresh"]
        await client.post("/login/renew")
        auth.clock.advance(seconds=11)
        thief.headers.update(CALLER)
        thief.cookies.set("kea_refresh", stolen, path="/login")
        await thief.post("/login/renew")
        thief.cookies.set("kea_refresh", stolen, path="/login")
        await thief.get("/login")
        events = await told(auth, 4, source_address="192.0.2.7")
        twice = "refresh token: used twice"
        assert sorted(short(event) for event in events) == sorted(
            [
                ("users/ada", "auth.tokens.create", "revocations", "allowed", twice, "OK"),
                ("users/ada", "auth.tokens.create", "sessions", "allowed", twice, "DELETED"),
                ("users/ada", "auth.tokens.create", "", "denied", twice, "UNAUTHENTICATED"),
                ("", "auth.tokens.create", "", "denied", "refresh token: no such session", "UNAUTHENTICATED"),
            ]
        )
        assert not any(part in str(events) for part in stolen.split(".")[1:])


async def test_devices_that_are_let_in_and_refused_are_told_without_their_codes(
    start_auth: Any, settings: dict[str, Any]
) -> None:
    async with start_auth(**settings) as auth, web(auth) as client, web(auth) as device:
        await make(auth, "ada")
        await log_in(client, "ada")
        device.headers.update(CALLER)
        client.headers.update(CALLER | access_token(client))
        codes: list[str] = []
        for answer in ("yes", "no"):
            begun = (await device.post("/oauth/device_authorization", data={"client_id": "kea-cli"})).json()
            codes += begun["device_code"], begun["user_code"], begun["user_code"].replace("-", "")
            form = {"client_id": "kea-cli", "device_code": begun["device_code"], "grant_type": DEVICE}
            assert (await device.post("/oauth/token", data=form)).json()["error"] == "authorization_pending"
            await client.post("/device", data={"user_code": begun["user_code"], "answer": answer})
            tokens = (await device.post("/oauth/token", data=form)).json()
            codes += [tokens[name] for name in ("access_token", "refresh_token") if name in tokens]
        await client.post("/device", data={"user_code": "BBBB-BBBB", "answer": "yes"})
        await device.post("/oauth/token", data=form | {"device_code": "unknown"})
        events = await told(auth, 6, source_address="192.0.2.7")
        approved, begun, denied = (event for event in events if decision(event) == "allowed")
        assert short(approved) == (
            *("users/ada", "auth.deviceGrants.approve", "deviceGrants", "allowed", "access token", "OK"),
        )
        assert short(begun) == ("users/ada", "auth.sessions.create", "sessions", "allowed", approved.resource, "OK")
        assert short(denied)[:5] == ("users/ada", "auth.deviceGrants.deny", "deviceGrants", "allowed", "access token")
        refused = [short(event)[:2] + short(event)[3:5] for event in events if decision(event) == "denied"]
        assert refused == [
            ("", "auth.sessions.create", "denied", f"{denied.resource}: access_denied"),
            ("users/ada", "auth.deviceGrants.approve", "denied", "access token: no such code"),
            ("", "auth.sessions.create", "denied", "expired_token"),
        ]
        assert not any(code in str(events) for code in codes)


async def test_programs_that_get_tokens_and_those_that_do_not_are_told(start_auth: Any, socket_directory: Path) -> None:
    async with start_auth(**trusting(socket_directory)) as auth, web(auth) as client:
        await auth.make_account("robot")
        key = await auth.make_key("robot")
        client.headers.update(CALLER)
        basic = {"grant_type": "client_credentials", "client_id": "robot"}
        made = (await client.post("/oauth/token", data=basic | {"client_secret": key.token})).json()
        await client.post("/oauth/token", data=basic | {"client_secret": key.token + "x"})
        await client.post("/oauth/token", data=basic | {"client_secret": key.token, "scope": "none-such"})
        await client.post("/oauth/token", data={"grant_type": "a-password"})
        exchange = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        }
        for theirs_ in (theirs(), theirs(sub="grace"), theirs(aud=["another"]), theirs(iss="https://evil.example")):
            await client.post("/oauth/token", data=exchange | {"subject_token": theirs_})
        events = await told(auth, 9, source_address="192.0.2.7")
        robot, token = "serviceAccounts/robot", ("auth.tokens.create", "tokens", "allowed")
        assert sorted(short(event) for event in events) == sorted(
            [
                (robot, *token, "API key", "OK"),
                (robot, "auth.tokens.create", "", "denied", "API key: invalid_client", "UNAUTHENTICATED"),
                (robot, "auth.tokens.create", "", "denied", "API key: invalid_scope", "PERMISSION_DENIED"),
                ("", "auth.tokens.create", "", "none", "unsupported_grant_type", "INVALID_ARGUMENT"),
                (robot, *token, "token of cluster", "OK"),
                ("users/grace", "auth.tokens.create", "users", "allowed", "token of cluster", "OK"),
                ("users/grace", *token, "token of cluster", "OK"),
                ("", "auth.tokens.create", "", "denied", "token of cluster: token", "UNAUTHENTICATED"),
                ("", "auth.tokens.create", "", "denied", "issuer is not trusted", "UNAUTHENTICATED"),
            ]
        )
        uid = jwt.decode(made["access_token"], options={"verify_signature": False})["jti"]
        assert f"tokens/{uid}" in {event.resource for event in events}
        assert not any(secret in str(events) for secret in (key.token, made["access_token"], "a-password"))


async def test_a_session_that_a_program_gives_back_is_told(start_auth: Any, settings: dict[str, Any]) -> None:
    async with start_auth(**settings) as auth, web(auth) as client, web(auth) as device:
        await make(auth, "ada")
        await log_in(client, "ada")
        begun = (await device.post("/oauth/device_authorization", data={"client_id": "kea-cli"})).json()
        answer = {"user_code": begun["user_code"], "answer": "yes"}
        await client.post("/device", data=answer, headers=access_token(client))
        form = {"client_id": "kea-cli", "device_code": begun["device_code"], "grant_type": DEVICE}
        token = (await device.post("/oauth/token", data=form)).json()["refresh_token"]
        for given in (token, "no-token", token):
            gone = await device.post("/oauth/revoke", data={"client_id": "kea-cli", "token": given})
            assert gone.status_code == 200
        events = await told(auth, 2, action="auth.sessions.delete")
        assert [(event.subject, event.outcome, event.request) for event in events] == [
            ("users/ada", "OK", "POST /oauth/revoke"),
            ("users/ada", "DELETED", "POST /oauth/revoke"),
        ]


async def test_an_answer_that_was_not_asked_for_is_told(start_auth: Any, socket_directory: Path) -> None:
    async with start_auth(**trusting(socket_directory)) as auth, web(auth) as client:
        client.headers.update(CALLER)
        await client.get("/login/cluster/callback?state=some-state&code=some-code")
        (event,) = await told(auth, 1)
        assert short(event) == (
            *("", "auth.sessions.create", "", "denied", "provider cluster: state", "UNAUTHENTICATED"),
        )
        assert event.request == "GET /login/{provider}/callback"
        assert "some-" not in str(event)


async def test_sessions_that_an_administrator_ends_are_told(start_auth: Any, settings: dict[str, Any]) -> None:
    async with start_auth(**settings) as auth, web(auth) as client:
        await make(auth, "ada")
        await log_in(client, "ada")
        new = user_pb2.User(name="users/ada", password="another horse battery")
        await users(auth).UpdateUser(user_service_pb2.UpdateUserRequest(user=new), metadata=auth.as_admin())
        (begun,) = await told(auth, 1, action="auth.sessions.create")
        ended = await told(auth, 1, beside=True, action="auth.users.update", resource=begun.resource)
        assert [(event.subject, event.outcome) for event in ended] == [("users/admin", "DELETED")]


async def test_whoever_floods_the_login_is_counted(
    start_auth: Any, socket_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "UPKEEP_SECONDS", 0.05)
    settings = with_login(socket_directory, attempts_per_minute=1)
    audit = AuditSettings(directory=str(socket_directory / "audit"))
    async with start_auth(**settings, audit=audit) as auth, web(auth) as client:
        client.headers.update(CALLER)
        form = {"grant_type": "client_credentials", "client_id": "robot", "client_secret": "guessed"}
        for _ in range(100):
            await client.post("/oauth/token", data=form)
        codes = [(await log_in(client, "ada", "wrong")).status_code for _ in range(10)]
        assert codes == [403, *[429] * 9]
        alone: list[str] = []
        counted = 0
        async with asyncio.timeout(20):
            while len(alone) + counted < 110:
                events = await told(auth, 1)
                alone = [decision(event) for event in events if event.source_address]
                words = [event.rule.split() for event in events if "more refusals" in event.rule]
                counted = sum(int(count) for count, *_ in words)
        assert len(alone) + counted == 110
        assert alone.count("limited") == 1
        assert alone.count("denied") >= OF_ADDRESS_A_MINUTE
        assert counted >= 8


async def test_an_event_is_written_with_its_session_and_none_is_for_what_is_refused(
    start_auth: Any, socket_directory: Path
) -> None:
    # Nothing is at this address, so what was written stays where it is.
    audit = AuditSettings(forward_address=f"unix:{socket_directory}/nobody.sock")
    async with (
        start_auth(**with_login(socket_directory), audit=audit) as auth,
        web(auth) as client,
        open_database(auth.settings.database) as database,
    ):
        await make(auth, "ada")

        async def contents() -> list[bytes]:
            async with database.reading() as session:
                return list((await session.execute(sa.select(AUDIT_EVENTS.c.content))).scalars())

        before = len(await contents())
        for _ in range(5):
            assert (await log_in(client, "ada", "wrong")).status_code == 403
        assert len(await contents()) == before
        await log_in(client, "ada")
        after = await contents()
        async with database.reading() as session:
            (begun,) = (await session.execute(sa.select(SESSIONS.c.session))).scalars()
        assert len(after) == before + 1
        assert sum(f"sessions/{begun}".encode() in content for content in after) == 1
        secrets = [PASSWORD, client.cookies["kea_session"], *client.cookies["kea_refresh"].split(".")[1:]]
        assert not any(secret.encode() in content for content in after for secret in secrets)
