from __future__ import annotations

from typing import Any

import grpc
import pytest
from kea.auth.v1 import (
    binding_pb2,
    binding_service_pb2,
    role_pb2,
    role_service_pb2,
    service_account_service_pb2,
    token_service_pb2,
)

BIND = binding_service_pb2.CreateBindingRequest
CREATE_ROLE = role_service_pb2.CreateRoleRequest
UPDATE_ROLE = role_service_pb2.UpdateRoleRequest
CREATE_KEY = service_account_service_pb2.CreateApiKeyRequest
NOT_HELD = (grpc.StatusCode.PERMISSION_DENIED, "ROLE_NOT_HELD")


def binding(role: str, resource: str, member: str = "users/ada") -> binding_service_pb2.CreateBindingRequest:
    return BIND(binding=binding_pb2.Binding(member=member, role=f"roles/{role}", resource=resource))


@pytest.fixture
def powers() -> tuple[str, ...]:
    """All that lets ada try; nothing of what she tries to give."""
    return ("auth.bindings.create", "auth.roles.create", "auth.roles.update", "auth.apiKeys.create")


async def test_nobody_gives_what_they_do_not_have_on_that_resource(start_auth: Any, powers: Any) -> None:
    async with start_auth() as auth:
        await auth.make_role("manager", *powers)
        await auth.bind("groups/managers", "manager")
        await auth.bind("users/ada", "engineer", "projects/p")
        ada = await auth.as_user("users/ada", "managers")
        # Also not to herself, and not more than she has herself.
        for role, resource in (("admin", ""), ("viewer", ""), ("engineer", "projects/q"), ("admin", "projects/p")):
            call = auth.bindings.CreateBinding(binding(role, resource), metadata=ada)
            assert await auth.refused(call) == NOT_HELD, (role, resource)
        for role, resource in (
            ("manager", ""),
            ("manager", "projects/q"),
            ("engineer", "projects/p/models/m"),
            ("viewer", "projects/p"),
            ("operator", "projects/p"),
        ):
            await auth.bindings.CreateBinding(binding(role, resource, "users/bob"), metadata=ada)


async def test_what_somebody_else_was_given_is_not_ones_own_to_give(start_auth: Any, powers: Any) -> None:
    async with start_auth() as auth:
        await auth.make_role("manager", *powers)
        await auth.bind("users/ada", "manager")
        await auth.bind("users/bob", "viewer")
        await auth.bind("groups/students", "viewer")
        ada, student = await auth.as_user("users/ada"), await auth.as_user("users/ada", "students")
        assert await auth.refused(auth.bindings.CreateBinding(binding("viewer", ""), metadata=ada)) == NOT_HELD
        await auth.bindings.CreateBinding(binding("viewer", ""), metadata=student)


async def test_a_tokens_scopes_limit_what_it_gives(start_auth: Any) -> None:
    async with start_auth() as auth:
        await auth.make_role("binder", "auth.bindings.create", "router.endpoints.get")
        request = token_service_pb2.CreateTokenRequest(scopes=["binder"])
        made = await auth.tokens.CreateToken(request, metadata=auth.as_admin())
        scoped = (("authorization", f"Bearer {made.access_token}"),)
        await auth.bindings.CreateBinding(binding("binder", ""), metadata=scoped)
        assert await auth.refused(auth.bindings.CreateBinding(binding("viewer", ""), metadata=scoped)) == NOT_HELD


async def test_nobody_puts_into_a_role_what_they_do_not_have_everywhere(start_auth: Any, powers: Any) -> None:
    async with start_auth() as auth:
        await auth.make_role("manager", *powers, "router.*.get")
        await auth.make_role("grown", "a.b.c", "router.endpoints.get")
        await auth.bind("users/ada", "manager")
        await auth.bind("users/ada", "viewer", "projects/p")
        ada = await auth.as_user("users/ada")

        def create(*permissions: str) -> Any:
            request = CREATE_ROLE(role_id="new", role=role_pb2.Role(permissions=permissions), validate_only=True)
            return auth.roles.CreateRole(request, metadata=ada)

        def update(*permissions: str) -> Any:
            request = UPDATE_ROLE(role=role_pb2.Role(name="roles/grown", permissions=permissions))
            return auth.roles.UpdateRole(request, metadata=ada)

        await create("router.endpoints.get", "router.*.get", "auth.roles.create")
        for permission in ("*.*.*", "*.*.get", "router.*.*", "registry.models.get", "auth.roles.delete"):
            assert await auth.refused(create("router.*.get", permission)) == NOT_HELD, permission
            assert await auth.refused(update("a.b.c", permission)) == NOT_HELD, permission
        await update("a.b.c", "router.*.get")  # what it has stays, though it is not hers
        await update("router.*.get")
        assert await auth.refused(update("a.b.c")) == NOT_HELD  # once gone it is not hers to bring back


async def test_nobody_makes_a_key_of_an_account_that_may_do_what_they_may_not(start_auth: Any, powers: Any) -> None:
    async with start_auth() as auth:
        await auth.make_role("manager", *powers)
        await auth.bind("users/ada", "manager")
        await auth.bind("users/ada", "viewer", "projects/p")
        await auth.make_account("bot")
        ada = await auth.as_user("users/ada")
        request = CREATE_KEY(parent="serviceAccounts/bot")
        await auth.accounts.CreateApiKey(request, metadata=ada)
        await auth.bind("serviceAccounts/bot", "viewer", "projects/p/models/m")
        await auth.accounts.CreateApiKey(request, metadata=ada)
        for role, resource in (("viewer", ""), ("consumer", "projects/p"), ("viewer", "projects/q")):
            await auth.bind("serviceAccounts/bot", role, resource)
            assert await auth.refused(auth.accounts.CreateApiKey(request, metadata=ada)) == NOT_HELD
            await auth.unbind("serviceAccounts/bot", role, resource)
        await auth.accounts.CreateApiKey(request, metadata=ada)


async def test_what_was_taken_away_in_another_process_a_moment_ago_is_not_given(
    start_auth: Any, powers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kea_auth.own_policy import OwnPolicy

    async def stands_still(_self: OwnPolicy) -> None:
        """As in a process that has not heard of anything since it began."""

    async with start_auth() as auth:
        await auth.make_role("manager", *powers, "auth.bindings.delete")
        await auth.bind("users/ada", "manager")
        await auth.bind("users/ada", "viewer")
        ada = await auth.as_user("users/ada")
        await auth.bindings.CreateBinding(binding("viewer", "projects/p", "users/bob"), metadata=ada)
        monkeypatch.setattr(OwnPolicy, "catch_up", stands_still)
        await auth.unbind("users/ada", "viewer")
        call = auth.bindings.CreateBinding(binding("viewer", "projects/q", "users/bob"), metadata=ada)
        assert await auth.refused(call) == NOT_HELD
        await auth.tokens.RevokeOwnToken(token_service_pb2.RevokeOwnTokenRequest(), metadata=ada)
        call = auth.bindings.CreateBinding(binding("manager", "projects/q", "users/bob"), metadata=ada)
        assert await auth.refused(call) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")
