"""What a provider says of itself, and its keys: asked for seldom, kept for a while."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import jwt

from kea_auth.login.errors import LoginRefused, TryLater
from kea_auth.login.fetching import Fetcher, ProviderRefused
from kea_auth.login.provider import Provider
from kea_auth.login.settings import check_url

KEPT_SECONDS = 3600.0
"""After so long it is asked for again; while that fails the old one holds."""
REFETCH_SECONDS = 10.0
"""A key that is not known is looked for at most so often: anybody can name one."""
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
"""Those with two halves: with all others whoever can check could sign."""
LEEWAY_SECONDS = 30
MAX_TOKEN = 16_384


class Discovery:
    """Of one provider.

    Args:
        provider: which.
        fetcher: asks it.
        now: seconds that never go back.
    """

    def __init__(self, provider: Provider, fetcher: Fetcher, now: Callable[[], float]) -> None:
        self._provider = provider
        self._fetcher = fetcher
        self._now = now
        self._metadata: dict[str, Any] = {}
        self._metadata_time = 0.0
        self._keys: list[dict[str, Any]] = []
        self._keys_time = float("-inf")
        self._asking, self._asking_keys = asyncio.Lock(), asyncio.Lock()

    async def metadata(self) -> Mapping[str, Any]:
        """Returns the provider's metadata (OpenID Connect Discovery, section 3).

        Raises:
            TryLater: it does not answer, or with another's.
        """
        async with self._asking:
            if self._metadata and self._now() < self._metadata_time + KEPT_SECONDS:
                return self._metadata
            try:
                found = await self._fetch_metadata()
            except TryLater:
                if not self._metadata:
                    raise
                return self._metadata
            self._metadata, self._metadata_time = found, self._now()
            return found

    async def verify(self, token: str, audiences: tuple[str, ...]) -> dict[str, Any]:
        """Returns the claims of a token that the provider has signed for one of the audiences.

        Raises:
            LoginRefused: it is none, or has expired.
            TryLater: the provider's keys cannot be had.
        """
        try:
            header = _header(token)
            key = await self._key(str(header.get("kid", "")))
            return jwt.decode(
                token,
                jwt.PyJWK(key, algorithm=header["alg"]),
                algorithms=[header["alg"]],
                audience=audiences,
                issuer=self._provider.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "sub", "iss", "aud"]},
            )
        except (jwt.InvalidTokenError, jwt.PyJWKError, jwt.InvalidKeyError, ValueError) as error:
            problem = f"a token of {self._provider.title} is not good: {error}"
            raise LoginRefused(problem, "token") from error

    async def _fetch_metadata(self) -> dict[str, Any]:
        url = self._provider.issuer.rstrip("/") + "/.well-known/openid-configuration"
        try:
            found = await self._fetcher.get(url)
        except ProviderRefused as error:
            problem = f"{self._provider.title} does not say where it logs people in"
            raise TryLater(problem) from error
        if not isinstance(found, dict) or cast("dict[str, Any]", found).get("issuer") != self._provider.issuer:
            problem = f"{self._provider.title} says that it is another"
            raise TryLater(problem)
        metadata = cast("dict[str, Any]", found)
        for name, value in metadata.items():
            if name.endswith(("_endpoint", "jwks_uri")):
                try:
                    check_url(name, str(value), plain=self._provider.allow_http)
                except ValueError as error:
                    problem = f"{self._provider.title} names an address that is not safe"
                    raise TryLater(problem) from error
        return metadata

    async def _key(self, kid: str) -> dict[str, Any]:
        """Returns the key of an id.

        Raises:
            InvalidTokenError: there is none.
        """
        age = self._now() - self._keys_time
        found = self._known(kid)
        if age > KEPT_SECONDS or (found is None and age > REFETCH_SECONDS):
            async with self._asking_keys:
                if self._now() - self._keys_time > REFETCH_SECONDS:
                    await self._refetch(keep=found is not None)
            found = self._known(kid)
        if found is None:
            problem = "it is signed by a key that is not known"
            raise jwt.InvalidTokenError(problem)
        return found

    async def _refetch(self, *, keep: bool) -> None:
        self._keys_time = self._now()
        try:
            self._keys = await self._fetch_keys()
        except TryLater:
            if not keep:
                raise

    async def _fetch_keys(self) -> list[dict[str, Any]]:
        provider = self._provider
        try:
            if provider.jwks_file:
                document = json.loads(await asyncio.to_thread(Path(provider.jwks_file).read_bytes))
            else:
                url = provider.jwks_url or str((await self.metadata())["jwks_uri"])
                bearer = ""
                if provider.token_file:
                    bearer = (await asyncio.to_thread(Path(provider.token_file).read_text, "utf-8")).strip()
                document = await self._fetcher.get(url, bearer)
            keys = cast("list[Any]", document["keys"])
            return [key for key in keys if isinstance(key, dict) and key.get("use", "sig") == "sig"]
        except (OSError, ValueError, KeyError, TypeError, ProviderRefused) as error:
            problem = f"the keys of {provider.title} cannot be had"
            raise TryLater(problem) from error

    def _known(self, kid: str) -> dict[str, Any] | None:
        if not kid:  # allowed where there is no choice (OpenID Connect Core, section 10.1)
            return self._keys[0] if len(self._keys) == 1 else None
        return next((key for key in self._keys if key.get("kid") == kid), None)


def _header(token: str) -> dict[str, Any]:
    """Returns the header of a token that may be checked.

    Raises:
        InvalidTokenError: it is too long, malformed, or signed in a way that is not allowed.
    """
    if len(token) > MAX_TOKEN:
        problem = "it is too long"
        raise jwt.InvalidTokenError(problem)
    header = jwt.get_unverified_header(token)
    if header.get("alg") not in ALGORITHMS:
        problem = "its algorithm is none of those allowed"
        raise jwt.InvalidTokenError(problem)
    return header
