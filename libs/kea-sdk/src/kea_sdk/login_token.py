"""The token of whoever has logged in: refreshed by itself, before it expires and where it is refused."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kea_sdk.login_store import LoginStore, Tokens
from kea_sdk.tokens import BearerToken

if TYPE_CHECKING:
    from kea_sdk.settings import ClientSettings

EARLY_SECONDS = 30.0
"""How long before it expires a token is refreshed."""


class Token(Protocol):
    """What goes with calls."""

    def value(self) -> str:
        """Returns the token, or nothing where there is none."""
        ...

    def renew(self) -> bool:
        """Looks for another after a refusal; returns whether there was one."""
        ...


class LoginToken:
    """`Token` of a session.

    Args:
        url: of the gateway.
        file: where its tokens are kept.
    """

    def __init__(self, url: str, file: Path) -> None:
        self._url = url
        self._store = LoginStore(file)
        self._tokens: Tokens | None = None

    def value(self) -> str:
        """Returns the access token.

        Raises:
            Unauthenticated: the session has ended.
            Unavailable: the token has expired, and nobody gives another now.
        """
        if self._tokens is None:
            self._tokens = self._store.get(self._url)
        if self._tokens is None:
            return ""
        if self._tokens.expire_time < time.time() + EARLY_SECONDS:
            self._refresh(self._tokens)
        return self._tokens.access_token if self._tokens is not None else ""  # pyright: ignore[reportUnnecessaryComparison] - it may have ended

    def renew(self) -> bool:
        """Refreshes after a refusal; returns whether that gave another token."""
        before = self._tokens
        if before is None:
            return False
        self._refresh(before)
        return self._tokens is not None and self._tokens.access_token != before.access_token

    def _refresh(self, before: Tokens) -> None:
        from kea_sdk.errors import Unavailable
        from kea_sdk.login_calls import LoginCalls

        with self._store.locked():
            present = self._store.get(self._url)
            if present is not None and present.access_token != before.access_token:
                self._tokens = present  # another process has done it meanwhile
                return
            if present is None:
                self._tokens = None
                return
            try:
                self._tokens = LoginCalls(self._url).refresh(present)
            except Unavailable:
                if present.expire_time < time.time():
                    raise
                return  # it is good for some seconds more
            self._store.put(self._url, self._tokens)


def token_of(settings: ClientSettings) -> Token:
    """Returns the token that settings lead to."""
    if settings.login_file is not None:
        return LoginToken(settings.url, settings.login_file)
    return BearerToken(settings.token.reveal(), settings.token_file)
