"""How people name who may do something, and on what: `user:ada`, `iris/get_grades`."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass

from kea_sdk.errors import InvalidArgument
from kea_sdk.reference import ID

EVERYONE = "everyone"
"""The member that whoever has a good token is."""

_ID = ID.pattern
_MEMBERS: Mapping[str, tuple[str, re.Pattern[str]]] = {
    "user": ("users", re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,126}")),
    "group": ("groups", re.compile(r"[^\x00-\x20\x7f](?:[^\x00-\x1f\x7f]{0,198}[^\x00-\x20\x7f])?")),
    "account": ("serviceAccounts", ID),
}
"""By the word that people use: the collection of the full name, and what ids are like."""


class Kind(enum.StrEnum):
    """What a resource is."""

    PLATFORM = "platform"
    PROJECT = "project"
    MODEL = "model"
    VERSION = "version"
    DEPLOYMENT = "deployment"
    ENDPOINT = "endpoint"
    METHOD = "method"
    BUILD = "build"
    ROLE = "role"
    ACCOUNT = "account"
    BINDING = "binding"


BINDABLE = (Kind.PLATFORM, Kind.PROJECT, Kind.MODEL, Kind.DEPLOYMENT, Kind.ENDPOINT, Kind.METHOD)
"""Kinds that a role can be given on."""

_FORMS: Mapping[Kind, re.Pattern[str]] = {
    Kind.PROJECT: re.compile(f"projects/{_ID}"),
    Kind.MODEL: re.compile(f"projects/{_ID}/models/{_ID}"),
    Kind.VERSION: re.compile(f"projects/{_ID}/models/{_ID}/versions/[1-9][0-9]{{0,17}}"),
    Kind.DEPLOYMENT: re.compile(f"projects/{_ID}/deployments/{_ID}"),
    Kind.ENDPOINT: re.compile(f"projects/{_ID}/endpoints/{_ID}"),
    Kind.METHOD: re.compile(f"projects/{_ID}/endpoints/{_ID}/methods/[A-Za-z_][A-Za-z0-9_]{{0,127}}"),
    Kind.BUILD: re.compile(f"projects/{_ID}/builds/{_ID}"),
    Kind.ROLE: re.compile(f"roles/{_ID}"),
    Kind.ACCOUNT: re.compile(f"serviceAccounts/{_ID}"),
    Kind.BINDING: re.compile(r"bindings/[A-Za-z0-9-]{1,64}"),
}

_OF_PROJECTS = ("models", "deployments", "endpoints", "builds")
_WHOLE = ("projects", "roles", "serviceAccounts", "bindings")
RESERVED = frozenset({*_OF_PROJECTS, *_WHOLE, "platform", "project", "accounts"})
"""Words that are no short name of an endpoint; `endpoints/models` is the one that is called so."""


@dataclass(frozen=True, slots=True)
class Resource:
    """What something may be done on."""

    kind: Kind
    name: str
    """The full name; empty for the whole platform."""

    @classmethod
    def parse(cls, text: str, project: str) -> Resource:
        """Reads `platform`, `project`, `models/iris`, `iris`, `iris/get_grades` or a full name.

        Args:
            text: what was written. A name alone is an endpoint's, with another behind a slash one of its methods.
            project: the one that short names are within.

        Raises:
            InvalidArgument: it is none of these.
        """
        if text == "platform":
            return cls(Kind.PLATFORM, "")
        name = _full(text, project)
        found = next((kind for kind, form in _FORMS.items() if form.fullmatch(name)), None)
        if found is None:
            problem = (
                f"{text!r} names no resource; expected platform, project, models/MODEL, ENDPOINT, ENDPOINT/METHOD "
                "or a full name"
            )
            raise InvalidArgument(problem)
        return cls(found, name)

    def text(self, project: str) -> str:
        """Returns the short name, which `parse` understands in the same project."""
        return resource_text(self.name, project)


def resource_text(name: str, project: str) -> str:
    """Returns how people write a resource of that full name; for one that has no short name, the full one."""
    if not name:
        return "platform"
    inside = name.removeprefix(f"projects/{project}/")
    if inside == name:
        return name
    match inside.split("/"):
        case ["endpoints", endpoint, "methods", method] if endpoint not in RESERVED:
            return f"{endpoint}/{method}"
        case _:
            return inside


def bindable(text: str, project: str) -> str:
    """Returns the full name of what a role can be given on; empty for the whole platform.

    Raises:
        InvalidArgument: it names no resource, or one that no role can be given on.
    """
    found = Resource.parse(text, project)
    if found.kind not in BINDABLE:
        problem = f"no role can be given on {text!r} ({found.kind}); expected one of {', '.join(BINDABLE)}"
        raise InvalidArgument(problem)
    return found.name


def member(text: str) -> str:
    """Returns the full name of `user:ada`, `group:Teachers`, `account:ci` or `everyone`; full names are fine too.

    Raises:
        InvalidArgument: it is none of these. A name alone is not: it does not say whose it is.
    """
    name = _member(text)
    if name is None:
        problem = f"{text!r} names no member; expected user:NAME, group:NAME, account:NAME or everyone"
        raise InvalidArgument(problem)
    return name


def subject(text: str) -> str:
    """Returns the full name of `user:ada` or `account:ci`; full names are fine too.

    Raises:
        InvalidArgument: it is neither.
    """
    name = _member(text)
    if name is None or not name.startswith(("users/", "serviceAccounts/")):
        problem = f"{text!r} names nobody; expected user:NAME or account:NAME"
        raise InvalidArgument(problem)
    return name


def member_text(name: str) -> str:
    """Returns how people write a member of that full name, which `member` understands."""
    collection, _, id_ = name.partition("/")
    word = next((word for word, (plural, _) in _MEMBERS.items() if plural == collection), None)
    return f"{word}:{id_}" if word else name


def account_id(text: str) -> str:
    """Returns the id of a service account, written as `ci`, `account:ci` or `serviceAccounts/ci`.

    Raises:
        InvalidArgument: it is none of these.
    """
    collection, _, id_ = (_member(text) or f"serviceAccounts/{text}").partition("/")
    return _checked(id_ if collection == "serviceAccounts" else "", text, "service account", "for example ci")


def user_id(text: str) -> str:
    """Returns the id of a user, written as `ada`, `user:ada` or `users/ada`.

    Raises:
        InvalidArgument: it is none of these.
    """
    collection, _, id_ = (_member(text) or f"users/{text}").partition("/")
    if collection != "users" or not _MEMBERS["user"][1].fullmatch(id_):
        problem = f"{text!r} names no user; expected letters, digits and ._@+-, for example ada@example.com"
        raise InvalidArgument(problem)
    return id_


def role_id(text: str) -> str:
    """Returns the id of a role, written as `consumer` or `roles/consumer`.

    Raises:
        InvalidArgument: it is neither.
    """
    return _checked(text.removeprefix("roles/"), text, "role", "for example consumer")


def _checked(id_: str, text: str, what: str, expected: str) -> str:
    if not ID.fullmatch(id_):
        problem = f"{text!r} names no {what}; expected {expected}"
        raise InvalidArgument(problem)
    return id_


def _member(text: str) -> str | None:
    if text == EVERYONE:
        return text
    for word, (collection, form) in _MEMBERS.items():
        for prefix in (f"{word}:", f"{collection}/"):
            if text.startswith(prefix) and form.fullmatch(text[len(prefix) :]):
                return f"{collection}/{text[len(prefix) :]}"
    return None


def _full(text: str, project: str) -> str:
    head, slash, rest = text.partition("/")
    if text == "project":
        return f"projects/{project}"
    if head in _OF_PROJECTS:
        return f"projects/{project}/{text}"
    if head in RESERVED:
        return text
    return f"projects/{project}/endpoints/{head}" + (f"/methods/{rest}" if slash else "")
