"""An identity provider, as the file of providers describes it.

The file is JSON: `{"providers": [{"id": "corp", "issuer": "https://id.example.org", "client_id": "kea", ...}]}`.
"""

from __future__ import annotations

import dataclasses
import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from kea_core.settings import Secret, SettingsError

from kea_auth.login.settings import check_url

ID = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
RESERVED = ("end", "local", "renew")
"""Paths under `/login` that are no provider's."""
LOGIN, EXCHANGE = "login", "exchange"
GROUP = re.compile(r"[!-~]([ -~]{0,198}[!-~])?")
MAX_PROVIDERS = 50
MAX_FILE_BYTES = 1 << 20
FILES = ("jwks_file", "ca_file", "token_file")
"""Fields that name files: from the folder of the file of providers on."""
NO_SECRET = Secret("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One of the providers that stand side by side."""

    id: str
    """In addresses: `/login/{id}`, and `/login/{id}/callback`, which the provider must know as a redirect URI."""
    title: str = ""
    """What people read. Empty: the id."""
    issuer: str
    """As its tokens say (claim `iss`)."""
    client_id: str = ""
    """What KEA is called there. Needed for logging in."""
    client_secret: Secret = NO_SECRET
    """From `client_secret_file`. Empty: a public client, which PKCE alone protects."""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    """What is asked for. With `offline_access` among them sessions can ask for groups again as long as they last."""
    user_claim: str = "sub"
    """Which claim becomes the user's id: `sub` never changes hands, names do. An e-mail address must be verified."""
    user_prefix: str = ""
    """Put before it, so that users of several providers differ."""
    groups_claim: str = "groups"
    groups_prefix: str = ""
    """Put before each group, so that groups of several providers differ."""
    groups_pattern: str = ".*"
    """Groups that do not match as a whole are left out."""
    audiences: tuple[str, ...] = ()
    """Which audiences of its tokens are meant for KEA, where they are exchanged. None: none."""
    service_accounts: Mapping[str, str] = field(default_factory=dict[str, str])
    """Which service account the tokens of a subject are exchanged for."""
    exchange_users: bool = False
    """Whether all other tokens are exchanged for users'. Not of a Kubernetes: its subjects are programs."""
    trusted_for: tuple[str, ...] = (LOGIN,)
    """`login`, `exchange`, or both."""
    jwks_file: str = ""
    """File with its keys. Empty: they are fetched."""
    jwks_url: str = ""
    """Where its keys are. Empty: where its discovery document says."""
    ca_file: str = ""
    """File with the certificates that its own must be signed by. Empty: those that this machine trusts."""
    token_file: str = ""
    """File with a token that is sent when keys are fetched, as a Kubernetes API asks for. Empty: none."""
    allow_http: bool = False
    """Whether it may be reached in plaintext elsewhere than on this machine: for tests only."""

    def __post_init__(self) -> None:
        if not ID.fullmatch(self.id) or self.id in RESERVED:
            problem = f"provider id {self.id!r} is not usable; expected letters, digits and hyphens"
            raise SettingsError(problem)
        if not self.title:
            object.__setattr__(self, "title", self.id)
        for name in ("issuer", "jwks_url"):
            if getattr(self, name):
                check_url(f"{name} of provider {self.id}", getattr(self, name), plain=self.allow_http)
        if set(self.trusted_for) - {LOGIN, EXCHANGE} or not self.trusted_for:
            problem = f"trusted_for of provider {self.id} is {self.trusted_for}; expected login, exchange or both"
            raise SettingsError(problem)
        if self.may(LOGIN) and (not self.client_id or "openid" not in self.scopes):
            problem = f"provider {self.id} has no client_id, or no scope openid; expected both for login"
            raise SettingsError(problem)
        if self.may(EXCHANGE) and not self.audiences:
            problem = f"provider {self.id} has no audiences; expected some for exchange"
            raise SettingsError(problem)
        try:
            re.compile(self.groups_pattern)
        except re.error as error:
            problem = f"groups_pattern of provider {self.id} is no regular expression: {error}"
            raise SettingsError(problem) from error

    def may(self, use: str) -> bool:
        """Whether it is trusted for a use."""
        return use in self.trusted_for

    def tells(self, group: str) -> bool:
        """Whether one of its groups is one here."""
        matches = re.fullmatch(self.groups_pattern, group) is not None
        return matches and GROUP.fullmatch(self.groups_prefix + group) is not None


def read_providers(file: str) -> dict[str, Provider]:
    """Returns the providers of a file, by id, with their secrets.

    Raises:
        SettingsError: the file, or one that it names, is wrong.
    """
    if not file:
        return {}
    path = Path(file)
    try:
        text = path.read_bytes()[: MAX_FILE_BYTES + 1]
        entries: Any = json.loads(text)["providers"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = f'providers_file {file} is not readable: {error!r}; expected {{"providers": [...]}}'
        raise SettingsError(problem) from error
    if not isinstance(entries, list) or len(cast("list[Any]", entries)) > MAX_PROVIDERS:
        problem = f"providers_file {file} is wrong; expected a list of at most {MAX_PROVIDERS} providers"
        raise SettingsError(problem)
    found: dict[str, Provider] = {}
    issuers: set[str] = set()
    for entry in cast("list[Any]", entries):
        provider = _provider(entry, path.parent)
        if provider.id in found or provider.issuer in issuers:
            problem = f"providers_file {file} has provider {provider.id}, or its issuer, twice"
            raise SettingsError(problem)
        found[provider.id] = provider
        issuers.add(provider.issuer)
    return found


def _provider(entry: Any, directory: Path) -> Provider:
    if not isinstance(entry, dict):
        problem = "an entry of providers_file is no object"
        raise SettingsError(problem)
    values = cast("dict[str, Any]", dict(entry))
    secret_file = values.pop("client_secret_file", "")
    kinds = {one.name: str(one.type) for one in dataclasses.fields(Provider) if one.name != "client_secret"}
    for name, value in values.items():
        if name not in kinds or not _fits(kinds[name], value):
            problem = f"{name} of a provider is not known, or of another kind; known are {', '.join(sorted(kinds))}"
            raise SettingsError(problem)
        if isinstance(value, list):
            values[name] = tuple(cast("list[str]", value))
    values |= {name: str(directory / values[name]) for name in FILES if values.get(name)}
    if secret_file:
        try:
            values["client_secret"] = Secret((directory / str(secret_file)).read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError) as error:
            problem = f"client_secret_file {secret_file} is not readable: {error!r}"
            raise SettingsError(problem) from error
    try:
        provider = Provider(**values)
    except TypeError as error:
        problem = f"a provider lacks something: {error}"
        raise SettingsError(problem) from error
    try:
        ssl.create_default_context(cafile=provider.ca_file or None)
    except OSError as error:
        problem = f"ca_file {provider.ca_file} of provider {provider.id} has no certificates: {error!r}"
        raise SettingsError(problem) from error
    return provider


def _fits(kind: str, value: Any) -> bool:
    """Whether a JSON value is of the kind that a field is declared with."""
    if kind.startswith("tuple"):
        return isinstance(value, list) and all(isinstance(part, str) for part in cast("list[Any]", value))
    if kind.startswith("Mapping"):
        return isinstance(value, dict) and all(isinstance(part, str) for part in cast("dict[Any, Any]", value).values())
    return isinstance(value, bool if kind == "bool" else str)
