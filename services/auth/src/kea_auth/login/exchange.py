"""Tokens of others, exchanged for ours (RFC 8693)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import jwt

from kea_auth.login.errors import LoginRefused
from kea_auth.login.identity import identity_of
from kea_auth.login.login_call import known, shown_by
from kea_auth.login.oauth import ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE, JWT_TYPE, invalid_request, required
from kea_auth.login.ports import LoginStorage
from kea_auth.login.provider import EXCHANGE, Provider
from kea_auth.login.providers import Providers
from kea_auth.login.relying_party import RelyingParty
from kea_auth.login.sessions import AccessToken, Sessions
from kea_auth.login.users import Users

MAX_TOKEN = 16_384


class Exchange:
    """Trusts the providers that are trusted for it, for the audiences and subjects that their settings name."""

    def __init__(self, storage: LoginStorage, providers: Providers, users: Users, sessions: Sessions) -> None:
        self._storage = storage
        self._providers = providers
        self._users = users
        self._sessions = sessions

    async def exchange(self, form: dict[str, str]) -> AccessToken:
        """Returns a token that does not outlive the one it is made of.

        Raises:
            OAuthError: nothing is given for it.
            TryLater: the provider's keys cannot be had.
        """
        subject_token = required(form, "subject_token")
        if required(form, "subject_token_type") not in {JWT_TYPE, ID_TOKEN_TYPE}:
            problem = "subject_token_type is not that of a JWT or an ID token"
            raise invalid_request(problem)
        if form.get("requested_token_type", ACCESS_TOKEN_TYPE) != ACCESS_TOKEN_TYPE:
            problem = "requested_token_type is not that of an access token"
            raise invalid_request(problem)
        if form.get("actor_token"):
            problem = "actor_token is not offered"
            raise invalid_request(problem)
        try:
            party = self._trusted(_issuer(subject_token))
            shown_by(f"token of {party.provider.id}")
            claims = await party.discovery.verify(subject_token, party.provider.audiences)
            return await self._of(party.provider, claims)
        except LoginRefused as error:
            raise invalid_request(str(error)) from error

    def _trusted(self, issuer: str) -> RelyingParty:
        party = self._providers.by_issuer(issuer)
        if party is None or not party.provider.may(EXCHANGE):
            problem = "subject_token is of an issuer that is not trusted for this"
            raise LoginRefused(problem, "issuer is not trusted")
        return party

    async def _of(self, provider: Provider, claims: dict[str, Any]) -> AccessToken:
        latest = datetime.fromtimestamp(float(claims["exp"]), UTC)
        account = provider.service_accounts.get(str(claims["sub"]))
        if account is not None:
            known(f"serviceAccounts/{account}")
            async with self._storage.reading() as transaction:
                present = await transaction.accounts.get(account)
            if present is None or present.disabled:
                problem = f"serviceAccounts/{account} is not there, or disabled"
                raise LoginRefused(problem, "not there, or disabled")
            known(present.name, account=present.uid)
            return await self._sessions.access_token(present.name, present.uid, (), latest=latest)
        if not provider.exchange_users:
            problem = f"no service account is exchanged for subject {str(claims['sub'])[:255]!r}"
            raise LoginRefused(problem, "subject is not trusted")
        user = await self._users.with_identity(identity_of(provider, claims))
        return await self._sessions.access_token(user.name, user.uid, user.groups, latest=latest)


def _issuer(token: str) -> str:
    """Returns who a token says it is of; whether that is so is checked with their keys.

    Raises:
        OAuthError: it is no token.
    """
    try:
        return str(jwt.decode(token[:MAX_TOKEN], options={"verify_signature": False}).get("iss", ""))
    except jwt.InvalidTokenError as error:
        problem = "subject_token is no JWT"
        raise invalid_request(problem) from error
