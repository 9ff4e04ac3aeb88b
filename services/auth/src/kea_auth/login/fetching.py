"""Asking identity providers: every call has a time-out, and every answer a bound."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
from kea_core.address import is_loopback_host

from kea_auth.login.errors import TryLater

SECONDS = 5.0
MAX_ANSWER_BYTES = 256 * 1024
ACCEPTED = "application/json, application/jwk-set+json"
"""Kubernetes calls its keys by the second name (RFC 7517, section 8.5); who does not ask for it is answered 406."""


class ProviderRefused(Exception):
    """The provider understood, and said no.

    Args:
        error: its word for why, such as `invalid_grant`.
    """

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class Fetcher:
    """Calls one provider. Redirects are not followed: all its addresses come from settings and from itself.

    Args:
        title: what people call it.
        issuer: where it is.
        ca_file: certificates that its own must be signed by; empty: those this machine trusts.
    """

    def __init__(self, title: str, issuer: str, ca_file: str = "") -> None:
        self._title = title
        context = ssl.create_default_context(cafile=ca_file or None)
        loopback = is_loopback_host(urlsplit(issuer).hostname or "")
        self._http = httpx.AsyncClient(
            timeout=SECONDS,
            verify=context,
            follow_redirects=False,
            trust_env=not loopback,
            headers={"user-agent": "kea"},
        )

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def get(self, url: str, bearer: str = "") -> Any:
        """Returns a JSON document.

        Raises:
            TryLater: there is no answer, or one that makes no sense.
            ProviderRefused: it refuses.
        """
        headers = {"accept": ACCEPTED} | ({"authorization": f"Bearer {bearer}"} if bearer else {})
        return await self._ask(self._http.build_request("GET", url, headers=headers))

    async def post(self, url: str, form: Mapping[str, str], client: tuple[str, str] | None = None) -> dict[str, Any]:
        """Posts a form, as a client with a secret where one is given; returns the JSON object that answers.

        Raises:
            TryLater: there is no answer, or one that makes no sense.
            ProviderRefused: it refuses.
        """
        request = self._http.build_request("POST", url, data=dict(form), headers={"accept": "application/json"})
        if client is not None:
            request = next(httpx.BasicAuth(*client).auth_flow(request))
        answer = await self._ask(request)
        if not isinstance(answer, dict):
            problem = f"{self._title} answers what makes no sense"
            raise TryLater(problem)
        return cast("dict[str, Any]", answer)

    async def _ask(self, request: httpx.Request) -> Any:
        try:
            answer = await self._http.send(request, stream=True)
            try:
                body = b""
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > MAX_ANSWER_BYTES:
                        problem = f"{self._title} answers more than {MAX_ANSWER_BYTES} bytes"
                        raise TryLater(problem)
            finally:
                await answer.aclose()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            problem = f"{self._title} does not answer"
            raise TryLater(problem) from error
        document = _document(body)
        if answer.status_code == HTTPStatus.OK and document is not None:
            return document
        refused = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
        if answer.status_code in refused:
            named = cast("dict[str, Any]", document).get("error") if isinstance(document, dict) else None
            raise ProviderRefused(str(named or answer.status_code)[:100])
        problem = f"{self._title} answers {answer.status_code}"
        raise TryLater(problem)


def _document(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
