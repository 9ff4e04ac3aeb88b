"""Who calls."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whose token was accepted."""

    subject: str
    """`users/{user}` or `serviceAccounts/{service_account}`."""
    roles: tuple[str, ...]
    """Role ids, sorted."""
    expires_at: float
    """When the token stops being accepted, in seconds since 1970."""


ANONYMOUS = Principal(subject="anonymous", roles=(), expires_at=0.0)
"""The caller of a public method who sent no token."""

_current: ContextVar[Principal] = ContextVar("kea_principal", default=ANONYMOUS)


def current_principal() -> Principal:
    """Returns the caller of the method that runs."""
    return _current.get()


def set_principal(principal: Principal) -> None:
    """Makes `principal` the caller for the rest of this call; only the authentication interceptor does this."""
    _current.set(principal)
