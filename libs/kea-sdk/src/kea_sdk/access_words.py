"""How people say what somebody does: `call iris`, `push models/iris`, as the permissions that services ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from kea_core.permission import INVOKE

from kea_sdk.access_names import BINDABLE, Kind, Resource
from kea_sdk.errors import InvalidArgument

VERBS: Mapping[str, Mapping[Kind, str]] = {
    "call": dict.fromkeys((Kind.PLATFORM, Kind.PROJECT, Kind.ENDPOINT, Kind.METHOD), INVOKE),
    "get": {
        Kind.MODEL: "registry.models.get",
        Kind.VERSION: "registry.modelVersions.get",
        Kind.DEPLOYMENT: "deployer.deployments.get",
        Kind.ENDPOINT: "router.endpoints.get",
        Kind.BUILD: "deployer.builds.get",
        Kind.ACCOUNT: "auth.serviceAccounts.get",
        Kind.BINDING: "auth.bindings.get",
    },
    "list": {
        Kind.MODEL: "registry.models.list",
        Kind.DEPLOYMENT: "deployer.deployments.list",
        Kind.ENDPOINT: "router.endpoints.list",
        Kind.BUILD: "deployer.builds.list",
        Kind.ACCOUNT: "auth.serviceAccounts.list",
        Kind.BINDING: "auth.bindings.list",
    },
    "push": {Kind.MODEL: "registry.modelVersions.create"},
    "download": dict.fromkeys((Kind.MODEL, Kind.VERSION), "registry.modelVersions.download"),
    "create": {
        Kind.MODEL: "registry.models.create",
        Kind.DEPLOYMENT: "deployer.deployments.create",
        Kind.ENDPOINT: "router.endpoints.create",
        Kind.BUILD: "deployer.builds.create",
        Kind.ROLE: "auth.roles.create",
        Kind.ACCOUNT: "auth.serviceAccounts.create",
    },
    "update": {
        Kind.MODEL: "registry.models.update",
        Kind.DEPLOYMENT: "deployer.deployments.update",
        Kind.ENDPOINT: "router.endpoints.update",
        Kind.ROLE: "auth.roles.update",
        Kind.ACCOUNT: "auth.serviceAccounts.update",
    },
    "delete": {
        Kind.MODEL: "registry.models.delete",
        Kind.VERSION: "registry.modelVersions.delete",
        Kind.DEPLOYMENT: "deployer.deployments.delete",
        Kind.ENDPOINT: "router.endpoints.delete",
        Kind.BUILD: "deployer.builds.delete",
        Kind.ROLE: "auth.roles.delete",
        Kind.ACCOUNT: "auth.serviceAccounts.delete",
    },
    "logs": {Kind.DEPLOYMENT: "deployer.deployments.logs", Kind.BUILD: "deployer.builds.logs"},
    "cancel": {Kind.BUILD: "deployer.builds.cancel"},
    "bind": dict.fromkeys(BINDABLE, "auth.bindings.create"),
    "unbind": dict.fromkeys(BINDABLE, "auth.bindings.delete"),
}
"""Permissions by verb and by what it is done to."""

ALL_OF: Mapping[str, tuple[Kind, str]] = {
    "models": (Kind.MODEL, "project"),
    "deployments": (Kind.DEPLOYMENT, "project"),
    "endpoints": (Kind.ENDPOINT, "project"),
    "builds": (Kind.BUILD, "project"),
    "bindings": (Kind.BINDING, "project"),
    "roles": (Kind.ROLE, "platform"),
    "accounts": (Kind.ACCOUNT, "platform"),
}
"""Words for all there are of a kind, and where those are: `list models`, `delete endpoints`."""

_PERMISSION = re.compile(r"[a-z][a-zA-Z]{0,63}(\.[a-z][a-zA-Z]{0,63}){2}")


@dataclass(frozen=True, slots=True)
class Question:
    """Whether somebody has a permission on a resource."""

    permission: str
    """`service.resource.verb`."""
    resource: str
    """The full name; empty for the whole platform."""


def question(verb: str, on: str, project: str) -> Question:
    """Returns what a service asks before it does that.

    Args:
        verb: a permission, or one of `VERBS`.
        on: a resource, as `Resource.parse` reads it, or one of `ALL_OF`.
        project: the one that short names are within.

    Raises:
        InvalidArgument: they mean nothing, or nothing together.
    """
    kind, resource = _meant(on, project)
    if "." in verb:
        if not _PERMISSION.fullmatch(verb):
            problem = f"{verb!r} is no permission; expected service.resource.verb, for example {INVOKE}"
            raise InvalidArgument(problem)
        return Question(verb, resource.name)
    if verb not in VERBS:
        problem = f"{verb!r} is neither a verb ({', '.join(VERBS)}) nor a permission such as {INVOKE}"
        raise InvalidArgument(problem)
    permission = VERBS[verb].get(kind)
    if permission is None or (verb == "list" and on not in ALL_OF):
        problem = f"{verb} does not go with {on!r} ({kind}); {verb_help(verb)}"
        raise InvalidArgument(problem)
    if verb == "create" and on not in ALL_OF:  # what there is not yet is made in what it will lie under
        return Question(permission, "/".join(resource.name.split("/")[:-2]))
    return Question(permission, resource.name)


def verb_help(verb: str) -> str:
    """Returns what a verb goes with, in one line."""
    kinds = VERBS[verb]
    if verb == "list":
        return f"{verb}: {', '.join(word for word, (kind, _) in ALL_OF.items() if kind in kinds)}"
    return f"{verb}: {', '.join(kinds)}"


def _meant(on: str, project: str) -> tuple[Kind, Resource]:
    if on in ALL_OF:
        kind, place = ALL_OF[on]
        return kind, Resource.parse(place, project)
    found = Resource.parse(on, project)
    return found.kind, found
