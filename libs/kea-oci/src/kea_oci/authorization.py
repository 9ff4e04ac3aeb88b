"""Being let in by a registry: basic credentials, or tokens of its token service (distribution, spec/auth/token.md)."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

import httpx

from kea_oci.credentials import Credentials
from kea_oci.errors import RegistryDenied, RegistryUnavailable

DEFAULT_TOKEN_SECONDS = 60.0
"""What the specification bids to assume where the service does not say how long a token is good."""
EARLY_SECONDS = 10.0
"""A token is renewed that long before it ends."""
LONGEST_TOKEN_SECONDS = 24 * 3600
"""A token is renewed after that, however long the service says that it is good."""
MAX_TOKENS = 256
MAX_ANSWER_BYTES = 256 * 1024
_SCHEMES = frozenset({"basic", "bearer"})
_WORD = r'[^\s,="]++'
_PART = re.compile(
    rf"""
    [\s,]*+
    (?:(?P<scheme>{_WORD})(?=[\s,]|\Z)(?!\s*=)\s*)?
    (?:(?P<name>{_WORD})\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*+)"|(?P<bare>[^\s,"]++)))?
    (?:[^",]|"(?:[^"\\]|\\.)*+"?)*+  # what is not understood, up to a comma that is not in quotes
    """,
    re.VERBOSE,
)
"""One part of a header, between commas. It never goes back (`++`): whoever sends the header chooses its length."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a registry asks for (RFC 7235 §4.1)."""

    scheme: str
    """`bearer` or `basic`."""
    parameters: Mapping[str, str]


def challenges_of(header: str) -> list[Challenge]:
    """Reads a `WWW-Authenticate` header; what is not understood is left out."""
    found: list[tuple[str, dict[str, str]]] = []
    for part in _PART.finditer(header):
        if part["scheme"]:
            found.append((part["scheme"].lower(), {}))
        if part["name"] and found:
            found[-1][1][part["name"].lower()] = part["bare"] or re.sub(r"\\(.)", r"\1", part["quoted"])
    return [Challenge(scheme, parameters) for scheme, parameters in found if scheme in _SCHEMES]


class Authorization:
    """Finds the `Authorization` header of calls to one registry, and remembers tokens as long as they are good.

    Args:
        registry: `HOST` or `HOST:PORT`.
        client: for the token service.
        credentials: None: nobody's.
        plain_http: whether the registry, and thus its token service, may be spoken to without TLS.
        now: seconds of a clock that never goes back.
    """

    def __init__(
        self,
        registry: str,
        client: httpx.AsyncClient,
        credentials: Credentials | None,
        *,
        plain_http: bool,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._client = client
        self._credentials = credentials
        self._plain_http = plain_http
        self._now = now
        self._known: dict[str, tuple[str, float]] = {}

    def header(self, scope: str) -> str | None:
        """Returns what was good for a scope, which may be several with spaces between, the last time."""
        value, end = self._known.get(scope, ("", 0.0))
        return value if value and self._now() < end else None

    async def answer(self, header: str, scope: str) -> str:
        """Returns the header that answers a challenge; it is good for one call at least.

        Raises:
            RegistryDenied: there is nothing to answer with, or it was not enough.
            RegistryUnavailable: the token service does not answer.
        """
        self._known.pop(scope, None)
        for challenge in challenges_of(header):
            if challenge.scheme == "bearer" and challenge.parameters.get("realm"):
                value, seconds = await self._token(challenge.parameters, scope)
            elif challenge.scheme == "basic" and self._credentials and self._credentials.user:
                basic = httpx.BasicAuth(self._credentials.user, self._credentials.password.reveal())
                value = next(basic.auth_flow(httpx.Request("GET", "http://registry"))).headers["authorization"]
                seconds = float("inf")
            else:
                continue
            while len(self._known) >= MAX_TOKENS:
                self._known.pop(next(iter(self._known)))
            self._known[scope] = (value, self._now() + seconds)
            return value
        raise RegistryDenied(self._registry, "it wants credentials, and none are known for it")

    async def _token(self, challenge: Mapping[str, str], scope: str) -> tuple[str, float]:
        try:
            realm = httpx.URL(challenge["realm"])
            request = self._request(realm, challenge.get("service", ""), scope)
        except httpx.InvalidURL as error:
            raise RegistryDenied(self._registry, f"its token service has no address: {error}") from error
        if realm.scheme != "https" and not (self._plain_http and realm.scheme == "http"):
            raise RegistryDenied(self._registry, f"expected https for its token service, got {realm}")
        document = await self._ask(request)
        token = document.get("token") or document.get("access_token")
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
            raise RegistryDenied(self._registry, "its token service gave no token")
        expires = document.get("expires_in")
        seconds = expires if isinstance(expires, int | float) and expires > 0 else DEFAULT_TOKEN_SECONDS
        return f"Bearer {token}", max(min(seconds, LONGEST_TOKEN_SECONDS) - EARLY_SECONDS, 0.0)

    def _request(self, realm: httpx.URL, service: str, scope: str) -> httpx.Request:
        if self._credentials and self._credentials.identity_token:
            form = {"service": service, "scope": scope, "grant_type": "refresh_token", "client_id": "kea"}
            form["refresh_token"] = self._credentials.identity_token.reveal()
            return self._client.build_request("POST", realm, data=form)
        # OAuth joins scopes (RFC 6749 §3.3); here each is given for itself (token.md).
        asked = {"service": service, "scope": scope.split(" ")}
        return self._client.build_request("GET", realm.copy_merge_params(asked))

    async def _ask(self, request: httpx.Request) -> Mapping[str, Any]:
        credentials = self._credentials
        basic = credentials is not None and credentials.user and not credentials.identity_token
        auth = httpx.BasicAuth(credentials.user, credentials.password.reveal()) if credentials and basic else None
        try:
            response = await self._client.send(request, auth=auth, stream=True)
            try:
                content = await read_bounded(response, MAX_ANSWER_BYTES)
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            problem = f"its token service {request.url.host} does not answer: {type(error).__name__}"
            raise RegistryUnavailable(self._registry, problem, retry_after="") from error
        problem = f"its token service answers {response.status_code}"
        if response.is_server_error or response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            pause = response.headers.get("retry-after", "")
            raise RegistryUnavailable(self._registry, problem, retry_after=pause)
        if not response.is_success:
            raise RegistryDenied(self._registry, problem)
        return _object(content)


async def read_bounded(response: httpx.Response, most: int) -> bytes:
    """Returns the first bytes of an answer, one more than asked at most where there are more."""
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > most:
            return bytes(content[: most + 1])
    return bytes(content)


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", document) if isinstance(document, dict) else {}
