"""The token endpoint: which grant leads to which tokens. Requests and answers are dictionaries here."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote_plus

from kea_core.authority import Authority
from kea_core.clock import Clock
from kea_core.errors import KeaError, TokenInvalid

from kea_auth.domain.errors import ScopeNotHeld, ScopeUnknown
from kea_auth.domain.tokens import Tokens
from kea_auth.login import oauth
from kea_auth.login.device import Poll
from kea_auth.login.devices import Devices
from kea_auth.login.errors import LoginRefused
from kea_auth.login.exchange import Exchange
from kea_auth.login.login_call import CREATE_SESSION, doing, known, known_as, made_token, shown_by
from kea_auth.login.oauth import invalid_client, invalid_grant, required
from kea_auth.login.session import CLI
from kea_auth.login.sessions import Issued, Sessions

POLLS = {
    Poll.PENDING: "nobody has answered yet",
    Poll.SLOW_DOWN: "asked too soon; wait five seconds longer from now on",
    Poll.DENIED: "somebody has said no",
    Poll.EXPIRED: "the code has expired, or never was one",
}
BASIC = "basic "
ACCOUNT_ID = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")


class TokenEndpoint:
    """Answers requests for tokens."""

    def __init__(
        self,
        sessions: Sessions,
        devices: Devices,
        exchange: Exchange,
        tokens: Tokens,
        authority: Authority,
        *,
        access_ttl: timedelta,
        clock: Clock,
    ) -> None:
        self._sessions = sessions
        self._devices = devices
        self._exchange = exchange
        self._tokens = tokens
        self._authority = authority
        self._access_ttl = access_ttl
        self._clock = clock

    async def answer(self, form: dict[str, str], authorization: str) -> dict[str, Any]:
        """Returns the answer to a request.

        Args:
            form: its parameters.
            authorization: its header of that name.

        Raises:
            OAuthError: it gets no token.
            TryLater: it may get one later.
        """
        kind = required(form, "grant_type")
        if kind == oauth.CLIENT_CREDENTIALS:
            return await self._client_credentials(form, authorization)
        if kind == oauth.TOKEN_EXCHANGE:
            made = await self._exchange.exchange(form)
            made_token(made.id)
            return self._bearer(made.text, made.expire_time) | {"issued_token_type": oauth.ACCESS_TOKEN_TYPE}
        if kind not in {oauth.REFRESH_TOKEN, oauth.DEVICE_CODE}:
            raise oauth.unsupported_grant_type()
        client = public_client(form)
        if kind == oauth.REFRESH_TOKEN:
            try:
                return self._issued(await self._sessions.refresh(required(form, "refresh_token"), client))
            except LoginRefused as error:
                raise invalid_grant(str(error)) from error
        doing(CREATE_SESSION)
        told = await self._devices.poll(required(form, "device_code"), client)
        if isinstance(told, Poll):
            raise oauth.poll_error(told.value, POLLS[told])
        return self._issued(told)

    async def _client_credentials(self, form: dict[str, str], authorization: str) -> dict[str, Any]:
        """The client is a service account, its secret an API key: what is made of it is revoked with it."""
        shown_by("API key")
        client, secret = _credentials(form, authorization)
        if ACCOUNT_ID.fullmatch(client):
            known(f"serviceAccounts/{client}")
        problem = "client_id is no service account, or client_secret no API key of it"
        try:
            caller = self._authority.admit(secret)
        except TokenInvalid as error:
            raise invalid_client(problem) from error
        if not hmac.compare_digest(caller.subject.encode(), f"serviceAccounts/{client}".encode()):
            raise invalid_client(problem)
        known_as(caller)
        scopes = form.get("scope", "").split()
        try:
            made = await self._tokens.create(caller, scopes, self._access_ttl)
        except (ScopeUnknown, ScopeNotHeld) as error:
            raise oauth.invalid_scope(str(error)) from error
        except KeaError as error:
            raise oauth.unavailable(str(error)) from error
        made_token(made.uid)
        answer = self._bearer(made.access_token, made.expire_time)
        return answer | ({"scope": " ".join(made.scopes)} if made.scopes else {})

    def _issued(self, issued: Issued) -> dict[str, Any]:
        answer = self._bearer(issued.access_token, issued.expire_time)
        return answer | ({"refresh_token": issued.refresh_token} if issued.refresh_token else {})

    def _bearer(self, token: str, expires: datetime) -> dict[str, Any]:
        left = int((expires - self._clock()).total_seconds())
        return {"access_token": token, "token_type": "Bearer", "expires_in": max(0, left)}


def public_client(form: dict[str, str]) -> str:
    """Returns the client that a request comes from: the `kea` command is the only one.

    Raises:
        OAuthError: it is another.
    """
    client = required(form, "client_id")
    if client != CLI:
        problem = f"client_id is not known; expected {CLI}"
        raise invalid_client(problem)
    return client


def _credentials(form: dict[str, str], authorization: str) -> tuple[str, str]:
    """Returns a client's id and secret, from the header or the form (RFC 6749, section 2.3.1).

    Raises:
        OAuthError: they are in neither, or in both.
    """
    if authorization[: len(BASIC)].lower() != BASIC:
        return required(form, "client_id"), required(form, "client_secret")
    if form.get("client_secret"):
        problem = "client_secret is in the form and in the header; expected one"
        raise oauth.invalid_request(problem)
    try:
        decoded = base64.b64decode(authorization[len(BASIC) :], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        problem = "the header Authorization is malformed"
        raise invalid_client(problem) from error
    client, _, secret = decoded.partition(":")
    return unquote_plus(client), unquote_plus(secret)
