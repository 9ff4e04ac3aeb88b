from __future__ import annotations

import re

import pytest
from api_protos import methods
from kea_core.access import FOREIGN
from kea_core.permission import INVOKE, grants
from kea_core.roles import BUILT_IN
from kea_openapi import proto_options

SERVICES = ("auth", "core", "deployer", "registry", "router")
ACCESS = {path: proto_options.access(method) for path, method in methods().items()}
PERMISSIONS = (
    {access.permission for access in ACCESS.values() if access.permission}
    | {access.permission for access in FOREIGN.values() if access.permission}
    | {INVOKE}
)


def matches(grant: str) -> set[str]:
    """Returns the permissions that a grant gives."""
    pattern = re.compile(re.escape(grant).replace(r"\*", "[^.]+"))
    return {permission for permission in PERMISSIONS if pattern.fullmatch(permission)}


@pytest.mark.parametrize("permission", sorted(PERMISSIONS))
def test_a_permission_is_service_resource_verb(permission: str) -> None:
    assert re.fullmatch(rf"({'|'.join(SERVICES)})\.[a-z][a-zA-Z]*\.[a-z][a-zA-Z]*", permission)


@pytest.mark.parametrize("path", [path for path in ACCESS if path.startswith("/kea.")])
def test_a_method_asks_for_a_permission_of_its_own_service(path: str) -> None:
    access = ACCESS[path]
    assert access.public or access.authenticated or access.permission.partition(".")[0] == path.split(".")[1]


@pytest.mark.parametrize(("role", "grant"), [(role, grant) for role in BUILT_IN for grant in BUILT_IN[role]])
def test_a_grant_gives_something_that_there_is(role: str, grant: str) -> None:
    assert matches(grant), f"{role} has {grant}, which no method asks for"


@pytest.mark.parametrize("permission", sorted(PERMISSIONS))
def test_a_grant_and_the_check_of_it_agree(permission: str) -> None:
    for given in BUILT_IN.values():
        assert grants(given, permission) == any(permission in matches(grant) for grant in given)


def test_everything_may_be_done_by_someone_but_only_the_admin_may_do_everything() -> None:
    assert all(grants(BUILT_IN["admin"], permission) for permission in PERMISSIONS)
    for role in set(BUILT_IN) - {"admin"}:
        assert not all(grants(BUILT_IN[role], permission) for permission in PERMISSIONS), role


SERVICES_THAT_CHANGE_NOTHING = [role for role in BUILT_IN if role.startswith("service-") and role != "service-operator"]


@pytest.mark.parametrize("role", ["viewer", "consumer", *SERVICES_THAT_CHANGE_NOTHING])
def test_who_only_looks_or_calls_changes_nothing(role: str) -> None:
    verbs = {permission.rpartition(".")[2] for permission in PERMISSIONS if grants(BUILT_IN[role], permission)}
    assert verbs <= {"get", "list", "watch", "download", "invoke"}


def test_only_an_admin_says_who_may_do_what() -> None:
    changing = {
        permission
        for permission in PERMISSIONS
        if permission.startswith("auth.") and permission.rpartition(".")[2] not in {"get", "list"}
    }
    for role in set(BUILT_IN) - {"admin", "auditor"}:
        assert not {permission for permission in changing if grants(BUILT_IN[role], permission)} - {"auth.policy.watch"}


def test_the_operator_changes_models_deployments_and_endpoints_and_nothing_else() -> None:
    changing = {
        permission
        for permission in PERMISSIONS
        if grants(BUILT_IN["service-operator"], permission)
        and permission.rpartition(".")[2] not in {"get", "list", "watch"}
    }
    assert changing == {
        *(f"registry.models.{verb}" for verb in ("create", "update", "delete")),
        "registry.modelVersions.create",
        *(f"deployer.deployments.{verb}" for verb in ("create", "update", "delete")),
        *(f"router.endpoints.{verb}" for verb in ("create", "update", "delete")),
    }


def test_methods_that_any_token_opens_are_these() -> None:
    assert {path for path, access in ACCESS.items() if access.authenticated} == {
        "/kea.auth.v1.AccessService/CheckAccess",
        "/kea.auth.v1.AccessService/GetCaller",
        "/kea.auth.v1.RoleService/GetRole",
        "/kea.auth.v1.RoleService/ListRoles",
        "/kea.auth.v1.TokenService/CreateToken",
        "/kea.auth.v1.TokenService/RevokeOwnToken",
    }


def test_methods_without_a_token_are_these() -> None:
    assert {path for path, access in ACCESS.items() if access.public} == {
        "/kea.auth.v1.SigningKeyService/WatchSigningKeys",
        "/kea.auth.v1.TokenService/ExchangeServiceCredential",
    }
    assert {path.split("/")[1] for path, access in FOREIGN.items() if access.public} == {
        "grpc.health.v1.Health",
        "inference.GRPCInferenceService",
    }
