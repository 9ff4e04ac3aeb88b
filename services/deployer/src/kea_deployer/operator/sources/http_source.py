"""Web servers and S3 stores, read over HTTP with bounds on everything."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import aiohttp
from kea_core.clock import Clock
from yarl import URL

from kea_deployer.operator.errors import Problem
from kea_deployer.operator.reasons import Reason
from kea_deployer.operator.settings import SourceSettings
from kea_deployer.operator.sources.address import S3Address, check_url
from kea_deployer.operator.sources.credentials import S3Credentials
from kea_deployer.operator.sources.download import Download, SourceFile
from kea_deployer.operator.sources.networks import AddressRefused, CheckedResolver
from kea_deployer.operator.sources.signing import object_url, signed_headers

CONNECT_SECONDS = 10.0
MOST_REDIRECTS = 5
CHUNK_BYTES = 1024 * 1024
MOST_TOLD = 300
REDIRECTS = {301, 302, 303, 307, 308}
UNTOLD = {HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.FORBIDDEN}
"""Answers to HEAD of servers that only know GET: addresses signed for GET are of that kind."""

Headers = Callable[[str, str], Mapping[str, str]]
"""Returns a request's headers, by its method and URL."""


class HttpSource:
    """Fetches what addresses lead to; addresses, names and redirects of users are checked before they are followed."""

    def __init__(self, settings: SourceSettings, *, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._allowed = [ipaddress.ip_network(network) for network in settings.allowed_networks]

    async def stamp(self, url: str) -> str:
        """Returns what changes with the content of a URL; empty where the server does not tell.

        Raises:
            Problem: it cannot be reached, or is not there.
        """
        return await self._stamp(URL(url), lambda *_: {}, trusted=False)

    async def fetch(self, url: str, to: Path) -> SourceFile:
        """Writes the content of a URL to a file.

        Raises:
            Problem: it cannot be had, or is too large.
        """
        return await self._fetch(URL(url), to, lambda *_: {}, trusted=False)

    async def stamp_object(self, address: S3Address, credentials: S3Credentials) -> str:
        """Returns what changes with the content of an object.

        Raises:
            Problem: it cannot be reached, or is not there.
        """
        url = self._object(address, credentials)
        return await self._stamp(url, self._signing(credentials), trusted=credentials.trusted)

    async def fetch_object(self, address: S3Address, credentials: S3Credentials, to: Path) -> SourceFile:
        """Writes the content of an object to a file.

        Raises:
            Problem: it cannot be had, or is too large.
        """
        url = self._object(address, credentials)
        return await self._fetch(url, to, self._signing(credentials), trusted=credentials.trusted)

    def _object(self, address: S3Address, credentials: S3Credentials) -> URL:
        url = object_url(credentials, address.bucket, address.key)
        if not credentials.trusted:
            parts = urlsplit(url)
            if parts.scheme not in ("https", "http") or parts.query or parts.username:
                raise Problem(
                    Reason.CREDENTIALS_INVALID, f"AWS_ENDPOINT_URL is {credentials.endpoint!r}; expected http(s)://HOST"
                )
            check_url(url, parts.hostname, parts.port, self._settings)
        return URL(url, encoded=True)  # as it is signed, to the letter

    def _signing(self, credentials: S3Credentials) -> Headers:
        return lambda method, url: signed_headers(credentials, method, url, self._clock())

    async def _stamp(self, url: URL, headers: Headers, *, trusted: bool) -> str:
        async with self._open("HEAD", url, headers, trusted=trusted) as response:
            if response.status in UNTOLD:
                return ""
            _check(response, url)
            told = [response.headers.get(name, "") for name in ("ETag", "Last-Modified", "Content-Length")]
            return " ".join(filter(None, told)) if told[0] or told[1] else ""

    async def _fetch(self, url: URL, to: Path, headers: Headers, *, trusted: bool) -> SourceFile:
        async with self._open("GET", url, headers, trusted=trusted) as response:
            _check(response, url)
            download = Download(to, self._settings.max_bytes, _shown(url))
            download.expect(response.content_length)
            async with download:
                async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                    await download.write(chunk)
            return download.finished()

    @asynccontextmanager
    async def _open(
        self, method: str, url: URL, headers: Headers, *, trusted: bool
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        settings = self._settings
        timeout = aiohttp.ClientTimeout(
            total=settings.fetch_seconds if method == "GET" else settings.quiet_seconds,
            sock_connect=CONNECT_SECONDS,
            sock_read=settings.quiet_seconds,
        )
        resolver = None if trusted else CheckedResolver(self._allowed)
        connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False)
        # No proxy of the environment: it would resolve names by itself, past the check.
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
        ) as session:
            try:
                for _ in range(MOST_REDIRECTS + 1):
                    request = {"accept-encoding": "identity", **headers(method, str(url))}
                    async with session.request(method, url, headers=request, allow_redirects=False) as response:
                        if response.status not in REDIRECTS:
                            yield response
                            return
                        url = self._followed(url, response.headers.get("Location", ""), trusted=trusted)
            except AddressRefused as error:
                raise Problem(Reason.SOURCE_REFUSED, str(error)) from error
            except aiohttp.ClientConnectorError as error:
                cause = error.os_error
                if isinstance(cause, AddressRefused):
                    raise Problem(Reason.SOURCE_REFUSED, str(cause)) from error
                raise _unreachable(url, error) from error
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                raise _unreachable(url, error) from error
        raise Problem(Reason.SOURCE_UNREACHABLE, f"{_shown(url)}: redirects lead nowhere", passing=True)

    def _followed(self, url: URL, location: str, *, trusted: bool) -> URL:
        target = urljoin(str(url), location)
        parts = urlsplit(target)
        if parts.scheme not in {"https", url.scheme}:
            raise Problem(Reason.SOURCE_REFUSED, f"{_shown(url)} redirects to {_shown(target)}; expected https://")
        if trusted and parts.netloc != url.raw_authority:
            # The trust is in the host that was set, and no signature must reach another.
            raise Problem(Reason.SOURCE_REFUSED, f"{_shown(url)} redirects to another host, {_shown(target)}")
        if not trusted:
            check_url(target, parts.hostname, parts.port, self._settings)
        return URL(target, encoded=True)


def _check(response: aiohttp.ClientResponse, url: URL) -> None:
    status = response.status
    if status == HTTPStatus.OK:
        return
    what = f"{_shown(url)} answers {status} {response.reason or ''}".rstrip()
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        raise Problem(Reason.SOURCE_NOT_FOUND, f"{what}; expected an artifact", passing=True)
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        problem = f"{what}; expected credentials, in spec.credentialsSecret, that may read it"
        raise Problem(Reason.SOURCE_FORBIDDEN, problem, passing=True)
    raise Problem(Reason.SOURCE_UNREACHABLE, what, passing=True)


def _unreachable(url: URL, error: Exception) -> Problem:
    told = " ".join(str(error).split())[:MOST_TOLD] or type(error).__name__
    return Problem(Reason.SOURCE_UNREACHABLE, f"{_shown(url)} cannot be reached: {told}", passing=True)


def _shown(url: URL | str) -> str:
    """Returns a URL without what may be a secret in it: addresses signed for a while carry theirs in the query."""
    return urlsplit(str(url))._replace(query="", fragment="").geturl()[:MOST_TOLD]
