"""All identity providers, side by side."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager

from kea_auth.login.grant import ProviderGrant
from kea_auth.login.ports import GrantEnded, Renewed
from kea_auth.login.provider import LOGIN, Provider
from kea_auth.login.relying_party import RelyingParty


class Providers:
    """`Renewal` by whichever of them it is about.

    Args:
        parties: KEA at each of them, by id.
    """

    def __init__(self, parties: Mapping[str, RelyingParty]) -> None:
        self._parties = parties

    @property
    def for_login(self) -> list[Provider]:
        """Those that people can log in at, in the order of the settings."""
        return [party.provider for party in self._parties.values() if party.provider.may(LOGIN)]

    def get(self, provider: str) -> RelyingParty | None:
        """Returns KEA at a provider; None where there is none of that id."""
        return self._parties.get(provider)

    def by_issuer(self, issuer: str) -> RelyingParty | None:
        """Returns KEA at the provider that issues such tokens; None where there is none."""
        return next((party for party in self._parties.values() if party.provider.issuer == issuer), None)

    async def renew(self, provider: str, grant: ProviderGrant) -> Renewed:
        """Returns what a provider says now."""
        party = self._parties.get(provider)
        if party is None or not party.provider.may(LOGIN):
            problem = "nobody can log in there any more"
            raise GrantEnded(problem)
        return await party.renew(grant)


@asynccontextmanager
async def open_providers(
    providers: Mapping[str, Provider], public_url: str, now: Callable[[], float] = time.monotonic
) -> AsyncGenerator[Providers, None]:
    """Opens what speaks with them, and closes it at the end. Nobody is asked anything yet."""
    parties = {name: RelyingParty(provider, public_url, now) for name, provider in providers.items()}
    try:
        yield Providers(parties)
    finally:
        for party in parties.values():
            await party.close()
