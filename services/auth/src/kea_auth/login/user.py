"""A user: who a person is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from kea_core.errors import EtagMismatch, FieldOutOfBounds, FieldViolation
from kea_core.roles import ADMIN

from kea_auth.login.errors import LoginRefused, UserReserved
from kea_auth.login.identity import Identity

USER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,126}")
GROUP = re.compile(r"[!-~]([ -~]{0,198}[!-~])?")
MAX_USERS = 100_000
MAX_GROUPS_LENGTH = 2_000
"""Characters of all of a user's groups: they are in the token, the token is in a cookie, and browsers keep 4096."""
MIN_PASSWORD = 12
MAX_PASSWORD = 256
CHANGEABLE = ("disabled", "email", "groups", "password")


@dataclass(frozen=True, slots=True)
class User:
    """A user as it is between two changes."""

    id: str
    uid: str
    """Unique for ever; all of the user's tokens carry it."""
    issuer: str
    """The identity provider that knows the user; empty for one who has a password here."""
    subject: str
    """What the identity provider calls the user, for ever."""
    email: str
    groups: tuple[str, ...]
    """Sorted: as the identity provider has told last, or as an administrator has set them."""
    disabled: bool
    password_hash: str = field(repr=False)
    """Empty: there is no password that would fit."""
    create_time: datetime
    update_time: datetime
    revision: int = 1

    @property
    def name(self) -> str:
        """Resource name, and the subject of tokens."""
        return user_name(self.id)

    @property
    def etag(self) -> str:
        """Changes with every change, and is another after the user was deleted and made anew."""
        return f"{int(self.create_time.timestamp() * 1_000_000):x}-{self.revision:x}"

    def check_etag(self, etag: str) -> None:
        """Checks that the caller knows this user as it is; the empty etag always fits.

        Raises:
            EtagMismatch: the caller knows an older one.
        """
        if etag and etag != self.etag:
            raise EtagMismatch(self.name)

    def changed(self, now: datetime, **changes: Any) -> User:
        """Returns the user after a change."""
        return replace(self, revision=self.revision + 1, update_time=max(now, self.update_time), **changes)


def user_name(user: str) -> str:
    """Returns a user's resource name."""
    return f"users/{user}"


def local_user(user: str, uid: str, now: datetime, *, email: str, groups: Iterable[str], disabled: bool) -> User:
    """Returns a user who logs in with a password, and has none yet.

    Raises:
        UserReserved: KEA comes with the user of that id.
        FieldOutOfBounds: the groups are too many.
    """
    if user_name(user) == ADMIN:
        raise UserReserved(user)
    return User(user, uid, "", "", email, checked_groups(groups), disabled, "", now, now)


def federated_user(identity: Identity, uid: str, now: datetime) -> User:
    """Returns the user that an identity provider tells of for the first time.

    Raises:
        LoginRefused: it can be none of KEA's.
    """
    if user_name(identity.user) == ADMIN:
        problem = f"{user_name(identity.user)} is not to be had from an identity provider"
        raise LoginRefused(problem, "reserved name")
    if not USER_ID.fullmatch(identity.user):
        problem = f"the identity provider calls you {identity.user[:100]!r}, which cannot be the name of a user"
        raise LoginRefused(problem, "claims")
    return User(
        identity.user, uid, identity.issuer, identity.subject, identity.email, identity.groups, False, "", now, now
    )


def checked_groups(groups: Iterable[str]) -> tuple[str, ...]:
    """Returns groups, sorted, as they go into a token.

    Raises:
        FieldOutOfBounds: they would not fit.
    """
    found = tuple(sorted(set(groups)))
    if sum(len(group) + 3 for group in found) > MAX_GROUPS_LENGTH:
        description = f"are together longer than {MAX_GROUPS_LENGTH} characters"
        raise FieldOutOfBounds([FieldViolation("user.groups", description)])
    return found


def checked_password(password: str) -> str:
    """Returns a password that is long enough.

    Raises:
        FieldOutOfBounds: it is too short or too long.
    """
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        description = f"has {len(password)} characters; expected {MIN_PASSWORD} to {MAX_PASSWORD}"
        raise FieldOutOfBounds([FieldViolation("password", description)])
    return password
