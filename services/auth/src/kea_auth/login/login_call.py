"""The request that somebody logs in or out with, as the audit log will tell of it.

Use cases say here what they find out: who it is, and how that was shown. Beside such a request all of it does nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from kea_core.audit_call import AuditCall, current_call
from kea_core.principal import Principal, current_principal, set_principal

from kea_auth.login.user import USER_ID, user_name

CREATE_SESSION, DELETE_SESSION = "auth.sessions.create", "auth.sessions.delete"
CREATE_TOKEN = "auth.tokens.create"  # noqa: S105 - an action's name
CREATE_DEVICE = "auth.deviceGrants.create"
APPROVE_DEVICE, DENY_DEVICE = "auth.deviceGrants.approve", "auth.deviceGrants.deny"


@dataclass(slots=True)
class LoginCall(AuditCall):
    """A request to auth's pages and endpoints."""

    refusal: Exception | None = None
    """What was answered with a page, and not raised."""
    made: str = ""
    """Id of a token that was made, of which no change in the database tells."""


def doing(action: str) -> None:
    """Notes what is to be done, where a request's address does not say it."""
    call = _current()
    if call is not None:
        call.action = action


def shown_by(rule: str) -> None:
    """Notes how somebody shows who they are."""
    call = _current()
    if call is not None:
        call.rule = rule


def known(subject: str, *, account: str = "", session: str = "") -> None:
    """Notes who it is, or with what session."""
    if _current() is not None:
        told = {"subject": subject, "account": account, "session": session}
        set_principal(replace(current_principal(), **{name: value for name, value in told.items() if value}))


def known_as(caller: Principal) -> None:
    """Notes whose token a request came with."""
    if _current() is not None:
        set_principal(caller)


def claimed(user: str) -> None:
    """Notes who an identity provider says that it is, though that may be refused; not what cannot be a user's id."""
    if USER_ID.fullmatch(user):
        known(user_name(user))


def made_token(token: str) -> None:
    """Notes a token that was made, of which no change in the database tells."""
    call = _current()
    if call is not None:
        call.made = token


def refused(error: Exception) -> None:
    """Notes a refusal that is answered with a page."""
    call = _current()
    if call is not None:
        call.refusal = error


def _current() -> LoginCall | None:
    call = current_call()
    return call if isinstance(call, LoginCall) else None
