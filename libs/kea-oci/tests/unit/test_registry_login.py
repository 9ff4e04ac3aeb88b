"""Being let in by a registry, as seen on the wire; a stand-in answers: a real token service cannot be told to fail."""

from __future__ import annotations

import asyncio
import base64
import logging
import traceback
from collections.abc import Callable, Mapping
from http import HTTPStatus
from urllib.parse import parse_qsl

import httpx
import pytest
from kea_core.errors import KeaError
from kea_core.settings import Secret
from kea_oci import registry as module
from kea_oci.credentials import Credentials
from kea_oci.documents import Descriptor
from kea_oci.errors import RegistryDenied, RegistryUnavailable
from kea_oci.registry import ATTEMPTS, Registry

BLOB = Descriptor("application/octet-stream", "sha256:" + "0" * 64, 4)
KEA = Credentials("kea", Secret("hunter2-password"))
BASIC = "Basic " + base64.b64encode(b"kea:hunter2-password").decode()
SCOPE = "repository:team/iris:pull,push"
REALM = "https://token.example/token?account=kea"
UNAUTHORIZED = HTTPStatus.UNAUTHORIZED
Handler = Callable[[httpx.Request], httpx.Response]


def bearer(realm: str = REALM) -> str:
    return f'Bearer realm="{realm}",service="r.example",scope="repository:team/iris:pull"'


def given(**document: object) -> Handler:
    return lambda _request: httpx.Response(HTTPStatus.OK, json=document)


def status(code: HTTPStatus, headers: Mapping[str, str] | None = None) -> Handler:
    return lambda _request: httpx.Response(code, headers=headers)


def in_turn(*handlers: Handler) -> Handler:
    left = iter(handlers)

    def handle(request: httpx.Request) -> httpx.Response:
        return next(left)(request)

    return handle


class Guarded:
    """A registry that wants a certain `Authorization`, and its token service."""

    def __init__(self, challenge: str, wanted: str = "Bearer opens", token: Handler | None = None) -> None:
        self.challenge, self.wanted, self.token = challenge, wanted, token or given(token="opens", expires_in=300)
        self.calls: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(request)
        if request.url.host != "r.example" or not request.url.path.startswith("/v2/"):
            return self.token(request)
        if request.headers.get("authorization") == self.wanted:
            return httpx.Response(HTTPStatus.OK)
        return httpx.Response(UNAUTHORIZED, headers={"www-authenticate": self.challenge})

    @property
    def hosts(self) -> list[str]:
        return [request.url.host for request in self.calls]

    def sent(self, host: str) -> list[str | None]:
        return [request.headers.get("authorization") for request in self.calls if request.url.host == host]


async def ask(handler: Handler, credentials: Credentials | None, *, plain_http: bool = False, times: int = 1) -> None:
    registry = Registry("r.example", credentials, plain_http=plain_http, transport=httpx.MockTransport(handler))
    try:
        for _ in range(times):
            assert await registry.has_blob("team/iris", BLOB)
    finally:
        await registry.close()


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.0)


@pytest.mark.parametrize(("credentials", "sent"), [(None, None), (KEA, BASIC), (Credentials(), None)])
async def test_the_token_service_is_asked_once_and_the_token_used(
    credentials: Credentials | None, sent: str | None
) -> None:
    guarded = Guarded(bearer())
    await ask(guarded, credentials, times=3)
    assert guarded.hosts == ["r.example", "token.example", "r.example", "r.example", "r.example"]
    asked = guarded.calls[1]
    assert asked.method == "GET"
    assert dict(asked.url.params) == {"account": "kea", "service": "r.example", "scope": SCOPE}
    assert guarded.sent("token.example") == [sent]
    assert guarded.sent("r.example") == [None, *["Bearer opens"] * 3]


async def test_an_identity_token_is_exchanged_and_no_password_sent() -> None:
    guarded = Guarded(bearer(), token=given(access_token="opens"))
    await ask(guarded, Credentials("kea", Secret("hunter2-password"), Secret("identity-token")))
    asked = guarded.calls[1]
    assert (asked.method, asked.headers.get("authorization")) == ("POST", None)
    assert dict(parse_qsl(asked.content.decode())) == {
        "grant_type": "refresh_token",
        "refresh_token": "identity-token",
        "client_id": "kea",
        "service": "r.example",
        "scope": SCOPE,
    }
    assert "identity-token" not in str(asked.url)


async def test_each_repository_has_its_own_token() -> None:
    guarded = Guarded(bearer(), token=lambda request: given(token=request.url.params["scope"])(request))
    registry = Registry("r.example", transport=httpx.MockTransport(guarded))
    for repository in ("a", "b", "a"):
        guarded.wanted = f"Bearer repository:{repository}:pull,push"
        assert await registry.has_blob(repository, BLOB)
    await registry.close()
    assert guarded.hosts.count("token.example") == 2


async def test_a_token_that_is_no_longer_taken_is_renewed() -> None:
    guarded = Guarded(bearer(), "Bearer first", in_turn(given(token="first"), given(token="second")))
    registry = Registry("r.example", transport=httpx.MockTransport(guarded))
    assert await registry.has_blob("a", BLOB)
    guarded.wanted = "Bearer second"
    assert await registry.has_blob("a", BLOB)
    await registry.close()
    assert guarded.sent("r.example") == [None, "Bearer first", "Bearer first", "Bearer second"]


async def test_calls_at_the_same_time_are_all_let_in() -> None:
    guarded = Guarded(bearer())
    registry = Registry("r.example", transport=httpx.MockTransport(guarded))
    assert all(await asyncio.gather(*(registry.has_blob("a", BLOB) for _ in range(8))))
    await registry.close()


async def test_basic_credentials_are_sent_where_they_are_asked_for() -> None:
    guarded = Guarded('Basic realm="kea"', BASIC)
    await ask(guarded, KEA, times=2)
    assert guarded.sent("r.example") == [None, BASIC, BASIC]


@pytest.mark.parametrize("credentials", [None, Credentials(), Credentials(identity_token=Secret("t"))])
@pytest.mark.parametrize("challenge", ['Basic realm="kea"', "", "Negotiate", "Bearer", 'Bearer realm=""', "Basicrealm"])
async def test_without_credentials_nothing_is_sent(credentials: Credentials | None, challenge: str) -> None:
    guarded = Guarded(challenge)
    with pytest.raises(RegistryDenied, match="it wants credentials, and none are known for it"):
        await ask(guarded, credentials)
    assert guarded.sent("r.example") == [None]


@pytest.mark.parametrize("challenge", ['Basic realm="kea"', bearer()])
async def test_credentials_that_are_not_taken_are_tried_once(challenge: str) -> None:
    guarded = Guarded(challenge, "something else")
    with pytest.raises(RegistryDenied, match="401"):
        await ask(guarded, KEA)
    assert guarded.hosts.count("r.example") == 2
    assert guarded.hosts.count("token.example") <= 1


@pytest.mark.parametrize("code", [UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST])
async def test_a_token_service_that_denies_is_believed(code: HTTPStatus) -> None:
    guarded = Guarded(bearer(), token=status(code))
    with pytest.raises(RegistryDenied, match=f"its token service answers {code.value}"):
        await ask(guarded, KEA)
    assert guarded.hosts == ["r.example", "token.example"]


async def test_a_token_service_is_not_followed_elsewhere() -> None:
    guarded = Guarded(bearer(), token=status(HTTPStatus.TEMPORARY_REDIRECT, {"location": "https://evil.example/"}))
    with pytest.raises(RegistryDenied, match="its token service answers 307"):
        await ask(guarded, KEA)
    assert "evil.example" not in guarded.hosts


@pytest.mark.parametrize("code", [HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE])
async def test_a_token_service_that_fails_is_told(code: HTTPStatus) -> None:
    with pytest.raises(RegistryUnavailable, match=rf"^registry r\.example: its token service answers {code.value}$"):
        await ask(Guarded(bearer(), token=status(code)), KEA)


def unreachable(_request: httpx.Request) -> httpx.Response:
    problem = "refused"
    raise httpx.ConnectError(problem)


async def test_a_token_service_that_cannot_be_reached_is_tried_again_and_told() -> None:
    guarded = Guarded(bearer(), token=unreachable)
    with pytest.raises(RegistryUnavailable, match=r"its token service token\.example does not answer: ConnectError"):
        await ask(guarded, KEA)
    assert guarded.hosts.count("token.example") == ATTEMPTS


async def test_a_token_service_at_a_port_that_is_none_is_told() -> None:
    guarded = Guarded(bearer("https://token.example:99999/"))
    with pytest.raises(RegistryUnavailable, match="token service"):
        await ask(guarded, KEA)
    assert set(guarded.hosts) == {"r.example"}


async def test_a_token_service_that_fails_in_passing_is_asked_again() -> None:
    token = in_turn(status(HTTPStatus.SERVICE_UNAVAILABLE), given(token="opens"))
    await ask(Guarded(bearer(), token=token), KEA)


@pytest.mark.parametrize(
    "realm",
    [
        "http://token.example/token",
        "HTTP://r.example/token",
        "ftp://token.example/",
        "//token.example/token",
        "/token",
        "token",
        "file:///etc/passwd",
        "javascript:1",
    ],
)
async def test_credentials_leave_only_by_https(realm: str) -> None:
    guarded = Guarded(bearer(realm))
    with pytest.raises(RegistryDenied, match="expected https"):
        await ask(guarded, KEA)
    assert guarded.hosts == ["r.example"]
    assert guarded.sent("r.example") == [None]


async def test_a_registry_of_a_test_cluster_may_have_a_token_service_without_tls() -> None:
    guarded = Guarded(bearer("http://token.example/token"))
    await ask(guarded, KEA, plain_http=True)
    assert guarded.sent("token.example") == [BASIC]
    with pytest.raises(RegistryDenied, match="expected https"):
        await ask(Guarded(bearer("ftp://token.example/token")), KEA, plain_http=True)


@pytest.mark.parametrize("realm", ["https://[::::]/", "https://token.example:x/", "https://token.example/\x7f"])
async def test_an_address_that_is_none_is_told(realm: str) -> None:
    with pytest.raises(RegistryDenied, match="token service"):
        await ask(Guarded(bearer(realm)), KEA)


async def test_a_long_address_is_told_in_a_bounded_line() -> None:
    with pytest.raises(RegistryDenied) as caught:
        await ask(Guarded(bearer("http://token.example/" + "x" * 60_000)), KEA)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("seconds", [1, 10])
async def test_a_token_that_ends_at_once_is_good_for_one_call(seconds: int) -> None:
    await ask(Guarded(bearer(), token=given(token="opens", expires_in=seconds)), None)


async def test_a_mount_asks_for_both_repositories() -> None:
    guarded = Guarded(bearer())
    registry = Registry("r.example", transport=httpx.MockTransport(guarded))
    with pytest.raises(RegistryUnavailable):  # the stand-in says not where to upload to
        await registry.mount_blob("team/iris", BLOB, "library/debian")
    await registry.close()
    assert guarded.calls[1].url.params.get_list("scope") == [SCOPE, "repository:library/debian:pull"]


FAULTS = {
    "denied": status(HTTPStatus.FORBIDDEN),
    "down": status(HTTPStatus.BAD_GATEWAY),
    "unreachable": unreachable,
    "nothing": given(),
    "useless": given(token="token-of-others"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("credentials", [KEA, Credentials("kea", Secret(""), Secret("hunter2-identity"))])
async def test_no_secret_is_told(fault: str, credentials: Credentials, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(KeaError) as caught:
        await ask(Guarded(bearer(), token=FAULTS[fault]), credentials)
    error = caught.value
    told = [str(error), repr(error), repr(error.metadata), repr(credentials), caplog.text]
    told += traceback.format_exception(error)
    secrets = ("hunter2", "token-of-others", BASIC.removeprefix("Basic "))
    assert not [secret for secret in secrets if any(secret in text for text in told)]
