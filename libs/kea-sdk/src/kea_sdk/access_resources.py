"""What the client gives back about who may do what: plain values, free of protobuf."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A set of permissions."""

    name: str
    """The id, for example `consumer`."""
    description: str
    permissions: tuple[str, ...]
    """As `service.resource.verb`; `*` stands for any one part."""
    built_in: bool
    """Whether KEA comes with it."""
    create_time: datetime | None
    update_time: datetime | None
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Gives a role to a member, on a resource and on all under it."""

    name: str
    """The id."""
    member: str
    """`users/…`, `groups/…`, `serviceAccounts/…` or `everyone`."""
    role: str
    """The role's id."""
    resource: str
    """The full name; empty for the whole platform."""
    create_time: datetime | None
    creator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessDecision:
    """Whether somebody may do something. True where it is allowed."""

    permission: str
    resource: str
    """The full name; empty for the whole platform."""
    allowed: bool
    binding: Binding | None
    """One that allows it."""
    explanation: str

    def __bool__(self) -> bool:
        return self.allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, as KEA sees it."""

    subject: str
    """`users/…` or `serviceAccounts/…`."""
    groups: tuple[str, ...]
    """What the token says it is in."""
    scopes: tuple[str, ...]
    """Ids of roles that the token is limited to. Empty: it is not."""
    expire_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """An account of a program."""

    name: str
    """The id, for example `ci`."""
    uid: str
    """Another where it is made anew under the same id."""
    description: str
    disabled: bool
    """While true, all of its keys and tokens are refused."""
    create_time: datetime | None
    update_time: datetime | None
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person."""

    name: str
    """The id, for example `ada`."""
    uid: str
    """Another where the user is made anew under the same id."""
    issuer: str
    """The identity provider that knows the user; empty: the user has a password at KEA."""
    email: str
    groups: tuple[str, ...]
    """Of an identity provider's: as it has told last."""
    disabled: bool
    """While true, the user cannot log in, and all tokens are refused."""
    create_time: datetime | None
    update_time: datetime | None
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A token that a service account may use for long."""

    name: str
    """The id, which is the token's too."""
    account: str
    """The account's id."""
    description: str
    scopes: tuple[str, ...]
    """Ids of roles that it is limited to. Empty: it is not."""
    state: str
    """`ACTIVE`, `REVOKED` or `EXPIRED`."""
    create_time: datetime | None
    expire_time: datetime | None
    revoke_time: datetime | None
    token: str = field(repr=False)
    """The key itself. Empty but where it has just been made: it is not stored."""
