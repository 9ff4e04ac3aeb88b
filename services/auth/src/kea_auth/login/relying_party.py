"""KEA at one identity provider: OpenID Connect's authorization code flow with PKCE, refreshes, and logout."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import quote, urlencode

from kea_auth.login.discovery import Discovery
from kea_auth.login.errors import LoginRefused, TryLater
from kea_auth.login.fetching import Fetcher, ProviderRefused
from kea_auth.login.flow import Flow
from kea_auth.login.grant import ProviderGrant
from kea_auth.login.identity import identity_of
from kea_auth.login.ports import GrantEnded, Renewed
from kea_auth.login.provider import Provider

OFFLINE = "offline_access"


class RelyingParty:
    """Speaks with one provider.

    Args:
        provider: which.
        public_url: where browsers reach the gateway.
        now: seconds that never go back.
    """

    def __init__(self, provider: Provider, public_url: str, now: Callable[[], float]) -> None:
        self.provider = provider
        self._redirect_uri = f"{public_url}/login/{provider.id}/callback"
        self._fetcher = Fetcher(provider.title, provider.issuer, provider.ca_file)
        self.discovery = Discovery(provider, self._fetcher, now)

    async def close(self) -> None:
        """Closes the connections."""
        await self._fetcher.close()

    async def authorization_url(self, flow: Flow) -> str:
        """Returns where a browser is sent to.

        Raises:
            TryLater: the provider does not answer.
        """
        metadata = await self.discovery.metadata()
        asked = {
            "response_type": "code",
            "client_id": self.provider.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": " ".join(self.provider.scopes),
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": flow.challenge,
            "code_challenge_method": "S256",
        }
        if OFFLINE in self.provider.scopes:
            asked["prompt"] = "consent"  # OpenID Connect Core, section 11
        url = self._endpoint(metadata, "authorization_endpoint")
        return f"{url}{'&' if '?' in url else '?'}{urlencode(asked)}"

    async def redeem(self, flow: Flow, answer: Mapping[str, str]) -> Renewed:
        """Returns who has come back from the provider with an answer to this flow.

        Raises:
            LoginRefused: it is no answer to it, or the provider says no.
            TryLater: the provider does not answer.
        """
        metadata = await self.discovery.metadata()
        told = answer.get("iss")
        # RFC 9207: else one provider's answer could be passed off as another's.
        if told is not None or metadata.get("authorization_response_iss_parameter_supported") is True:
            self._check(told == self.provider.issuer, "the answer is another provider's", "issuer")
        state = answer.get("state", "")
        self._check(hmac.compare_digest(state.encode(), flow.state.encode()), "the answer is old", "state")
        if "error" in answer:
            problem = f"{self.provider.title} says {answer['error'][:100]!r}"
            raise LoginRefused(problem, "said no")
        self._check(bool(answer.get("code")), "the answer has no code", "code")
        form = {
            "grant_type": "authorization_code",
            "code": answer["code"],
            "redirect_uri": self._redirect_uri,
            "code_verifier": flow.verifier,
        }
        try:
            tokens = await self._token(metadata, form)
        except ProviderRefused as error:
            problem = f"{self.provider.title} does not take the answer: {error.error}"
            raise LoginRefused(problem, "code") from error
        id_token = _text(tokens, "id_token")
        claims = await self._verified(id_token)
        nonce = _text(claims, "nonce")
        self._check(hmac.compare_digest(nonce.encode(), flow.nonce.encode()), "the answer is old", "nonce")
        return await self._known(claims, tokens, metadata, ProviderGrant(id_token=id_token))

    async def renew(self, grant: ProviderGrant) -> Renewed:
        """Returns what the provider says now of somebody it has told of.

        Raises:
            GrantEnded: it says nothing of them any more.
            LoginRefused: it says what makes nobody.
            TryLater: it does not answer.
        """
        metadata = await self.discovery.metadata()
        try:
            if not grant.refresh_token:
                claims = await self._userinfo(metadata, grant.access_token)
                return Renewed(identity_of(self.provider, claims), grant)
            form = {"grant_type": "refresh_token", "refresh_token": grant.refresh_token}
            tokens = await self._token(metadata, form)
            id_token = _text(tokens, "id_token")
            claims = await self._verified(id_token) if id_token else {}
            return await self._known(claims, tokens, metadata, grant)
        except ProviderRefused as error:
            problem = f"{self.provider.title} has ended the session; log in again"
            raise GrantEnded(problem) from error

    async def logout_url(self, grant: ProviderGrant, back: str) -> str:
        """Returns where a browser logs out of the provider, too; empty where it offers no such thing, or is away."""
        try:
            metadata = await self.discovery.metadata()
            url = self._endpoint(metadata, "end_session_endpoint")
        except TryLater:
            return ""
        asked = {"client_id": self.provider.client_id, "post_logout_redirect_uri": back}
        if grant.id_token:
            asked["id_token_hint"] = grant.id_token
        return f"{url}{'&' if '?' in url else '?'}{urlencode(asked)}"

    async def _known(
        self, claims: dict[str, Any], tokens: dict[str, Any], metadata: Mapping[str, Any], before: ProviderGrant
    ) -> Renewed:
        """Returns whom an answer tells of, with what its ID token leaves out asked for."""
        access = _text(tokens, "access_token")
        wanted = {"sub", self.provider.user_claim, self.provider.groups_claim}
        if not wanted <= claims.keys() and metadata.get("userinfo_endpoint") and access:
            told = await self._userinfo(metadata, access)
            # OpenID Connect Core, section 5.3.2: another's must not be taken.
            self._check("sub" not in claims or told.get("sub") == claims["sub"], "it tells of somebody else", "subject")
            claims = {**told, **claims}
        grant = ProviderGrant(
            refresh_token=_text(tokens, "refresh_token") or before.refresh_token,
            access_token=access,
            id_token=_text(tokens, "id_token") or before.id_token,
        )
        return Renewed(identity_of(self.provider, claims), grant)

    async def _verified(self, id_token: str) -> dict[str, Any]:
        claims = await self.discovery.verify(id_token, (self.provider.client_id,))
        audience = claims.get("aud")
        several = isinstance(audience, list) and len(cast("list[Any]", audience)) > 1
        presenter = claims.get("azp", "" if several else self.provider.client_id)
        self._check(presenter == self.provider.client_id, "the token is for another", "audience")
        return claims

    async def _userinfo(self, metadata: Mapping[str, Any], access_token: str) -> dict[str, Any]:
        found = await self._fetcher.get(self._endpoint(metadata, "userinfo_endpoint"), access_token)
        if not isinstance(found, dict):
            problem = f"{self.provider.title} tells nothing of who you are"
            raise LoginRefused(problem, "claims")
        return cast("dict[str, Any]", found)

    async def _token(self, metadata: Mapping[str, Any], form: dict[str, str]) -> dict[str, Any]:
        url, client_id = self._endpoint(metadata, "token_endpoint"), self.provider.client_id
        secret = self.provider.client_secret.reveal()
        if not secret:
            return await self._fetcher.post(url, form | {"client_id": client_id})
        methods = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if "client_secret_basic" not in methods and "client_secret_post" in methods:
            return await self._fetcher.post(url, form | {"client_id": client_id, "client_secret": secret})
        # RFC 6749, section 2.3.1: both are form-encoded before.
        return await self._fetcher.post(url, form, (quote(client_id, safe=""), quote(secret, safe="")))

    def _endpoint(self, metadata: Mapping[str, Any], name: str) -> str:
        url = metadata.get(name)
        if not isinstance(url, str):
            problem = f"{self.provider.title} has no {name}"
            raise TryLater(problem)
        return url

    def _check(self, good: bool, problem: str, rule: str) -> None:  # noqa: FBT001 - what is checked comes first
        if not good:
            text = f"{self.provider.title}: {problem}; log in again"
            raise LoginRefused(text, rule)


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name, "")
    return value if isinstance(value, str) else json.dumps(value)
