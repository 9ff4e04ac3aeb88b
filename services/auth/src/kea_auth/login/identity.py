"""What an identity provider says of somebody, taken from claims that were verified. Nothing here asks anybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from kea_auth.login.errors import LoginRefused
from kea_auth.login.provider import Provider

MAX_SUBJECT = 255
"""OpenID Connect Core, section 2."""
MAX_GROUPS_LENGTH = 2_000


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody whom a provider knows."""

    issuer: str
    subject: str
    user: str
    """Id that the user has, or would have, here."""
    email: str
    groups: tuple[str, ...]
    """Sorted."""


def identity_of(provider: Provider, claims: Mapping[str, Any]) -> Identity:
    """Returns whom verified claims tell of.

    Raises:
        LoginRefused: they do not tell enough, or of too much.
    """
    subject = _text(claims, "sub")
    if not subject or len(subject) > MAX_SUBJECT:
        problem = f"{provider.title} does not say who you are"
        raise LoginRefused(problem, "claims")
    name = _text(claims, provider.user_claim)
    if not name:
        problem = f"{provider.title} does not say your {provider.user_claim}"
        raise LoginRefused(problem, "claims")
    # Whoever may write any address into their profile would be whoever they like.
    is_address = provider.user_claim == "email" or (provider.user_claim != "sub" and "@" in name)
    if is_address and claims.get("email_verified") is not True:
        problem = f"{provider.title} has not verified your e-mail address"
        raise LoginRefused(problem, "address not verified")
    email = _text(claims, "email") if claims.get("email_verified") is True else ""
    return Identity(provider.issuer, subject, provider.user_prefix + name, email[:254], groups_of(provider, claims))


def groups_of(provider: Provider, claims: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the groups that claims say, those that the provider's settings leave out left out.

    Raises:
        LoginRefused: they are too many for a token.
    """
    said = claims.get(provider.groups_claim, [])
    if isinstance(said, str):
        said = [said]
    if not isinstance(said, list):
        said = []
    groups = {
        provider.groups_prefix + group
        for group in cast("list[Any]", said)
        if isinstance(group, str) and provider.tells(group)
    }
    if sum(len(group) + 3 for group in groups) > MAX_GROUPS_LENGTH:
        problem = f"you are in more groups than fit into a token; groups_pattern of {provider.id} can leave some out"
        raise LoginRefused(problem, "too many groups")
    return tuple(sorted(groups))


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name, "")
    return value if isinstance(value, str) else ""
