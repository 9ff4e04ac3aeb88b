"""Who calls."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whose token was accepted."""

    subject: str
    """`users/{user}` or `serviceAccounts/{service_account}`."""
    groups: frozenset[str] = frozenset()
    """What its token says it is in, without `groups/`."""
    scopes: tuple[str, ...] = ()
    """Ids of roles its token is limited to, sorted. Empty: it is not."""
    token: str = ""
    """Id of its token (claim `jti`)."""
    session: str = ""
    """Id of the token or session that its token was made with (claim `sid`)."""
    account: str = ""
    """Unique id of its account (claim `uid`); empty for those KEA comes with."""
    expires_at: float = 0.0
    """When the token stops being accepted, in seconds since 1970."""

    @property
    def token_ids(self) -> tuple[str, ...]:
        """Ids of which none may be revoked."""
        return tuple(filter(None, (self.token, self.session, self.account)))


ANONYMOUS = Principal(subject="anonymous")
"""The caller of a public method who sent no token."""

_current: ContextVar[Principal] = ContextVar("kea_principal", default=ANONYMOUS)


def current_principal() -> Principal:
    """Returns the caller of the method that runs."""
    return _current.get()


def set_principal(principal: Principal) -> None:
    """Makes `principal` the caller for the rest of this call; only the authentication interceptor does this."""
    _current.set(principal)
