"""Logging in and out at a gateway: OAuth's device grant (RFC 8628), refreshes, and the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from kea_sdk import address
from kea_sdk.errors import KeaClientError, PermissionDenied, Unauthenticated, Unavailable
from kea_sdk.http_error_mapping import from_transport
from kea_sdk.login_store import Tokens

if TYPE_CHECKING:
    import httpx

CLIENT = "kea-cli"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
SECONDS = 30.0
MAX_INTERVAL = 60.0


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What a person is shown, and what is asked with meanwhile."""

    user_code: str
    verification_uri: str
    verification_uri_complete: str
    """The same, with the code in it."""
    device_code: str = field(repr=False)
    interval_seconds: float
    expires_in_seconds: float


class LoginCalls:
    """Calls of one gateway.

    Args:
        url: its address.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def begin(self) -> DeviceCode:
        """Asks for a code that somebody can say yes to in a browser.

        Raises:
            KeaClientError: there is none to be had.
        """
        answer = self._post("/oauth/device_authorization", {})
        if "device_code" not in answer:
            raise _failure(answer)
        return DeviceCode(
            user_code=str(answer["user_code"]),
            verification_uri=str(answer["verification_uri"]),
            verification_uri_complete=str(answer.get("verification_uri_complete", answer["verification_uri"])),
            device_code=str(answer["device_code"]),
            interval_seconds=float(answer.get("interval", 5)),
            expires_in_seconds=float(answer["expires_in"]),
        )

    def wait(self, code: DeviceCode, sleep: Callable[[float], None] = time.sleep) -> Tokens:
        """Waits until somebody has answered.

        Raises:
            PermissionDenied: with no.
            Unauthenticated: nobody has, as long as the code was good.
        """
        interval, deadline = code.interval_seconds, time.monotonic() + code.expires_in_seconds
        while time.monotonic() < deadline:
            sleep(interval)
            try:
                answer = self._post("/oauth/token", {"grant_type": DEVICE, "device_code": code.device_code})
            except Unavailable:
                continue
            if answer.get("error") == "slow_down":
                interval = min(interval + 5, MAX_INTERVAL)
            elif answer.get("error") != "authorization_pending":
                return _tokens(answer)
        problem = "nobody has said yes in time"
        raise Unauthenticated(problem)

    def refresh(self, tokens: Tokens) -> Tokens:
        """Returns new tokens.

        Raises:
            Unauthenticated: the session has ended.
            Unavailable: nobody can say so now.
        """
        form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token}
        return _tokens(self._post("/oauth/token", form), tokens.refresh_token)

    def end(self, tokens: Tokens) -> None:
        """Ends the session.

        Raises:
            KeaClientError: it is not known whether it has ended.
        """
        answer = self._post("/oauth/revoke", {"token": tokens.refresh_token})
        if "error" in answer:
            raise _failure(answer)

    def _post(self, path: str, form: Mapping[str, str]) -> dict[str, Any]:
        import httpx

        try:
            answer = httpx.post(
                f"{self._url}{path}",
                data={"client_id": CLIENT, **form},
                timeout=SECONDS,
                trust_env=not address.is_loopback(self._url),
            )
        except httpx.RequestError as error:
            raise from_transport(error, self._url) from error
        return _document(answer)


def _document(answer: httpx.Response) -> dict[str, Any]:
    try:
        document: Any = answer.json()
    except ValueError:
        document = None
    known = isinstance(document, dict) and (answer.is_success or "error" in document)
    if answer.status_code == HTTPStatus.NOT_FOUND:
        problem = "nobody can log in there: its auth has no address for that"
        raise KeaClientError(problem, reason="LOGIN_NOT_OFFERED")
    if not known or answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        problem = f"nobody can log in now ({answer.status_code}); try again"
        raise Unavailable(problem)
    return cast("dict[str, Any]", document)


def _tokens(answer: Mapping[str, Any], refresh_token: str = "") -> Tokens:
    if "access_token" not in answer:
        raise _failure(answer)
    expires = time.time() + float(answer.get("expires_in", 0))
    return Tokens(str(answer["access_token"]), str(answer.get("refresh_token", refresh_token)), expires)


def _failure(answer: Mapping[str, Any]) -> KeaClientError:
    text = str(answer.get("error_description") or answer.get("error") or "nobody can log in")
    if answer.get("error") == "access_denied":
        return PermissionDenied(text, reason="LOGIN_DENIED")
    return Unauthenticated(f"{text}; kea login", reason="LOGIN_ENDED")
