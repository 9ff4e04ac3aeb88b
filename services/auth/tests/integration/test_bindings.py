from __future__ import annotations

from typing import Any

import grpc
import pytest
from kea.auth.v1 import binding_pb2, binding_service_pb2
from kea_auth.domain import bindings

CREATE = binding_service_pb2.CreateBindingRequest
GET = binding_service_pb2.GetBindingRequest
LIST = binding_service_pb2.ListBindingsRequest
DELETE = binding_service_pb2.DeleteBindingRequest
Binding = binding_pb2.Binding
NOT_FOUND = (grpc.StatusCode.NOT_FOUND, "BINDING_NOT_FOUND")


async def listed(auth: Any, **fields: Any) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    token = ""
    while True:
        request = LIST(page_size=2, page_token=token, **fields)
        page = await auth.bindings.ListBindings(request, metadata=auth.as_admin())
        found += [(one.member, one.role, one.resource) for one in page.bindings]
        token = page.next_page_token
        if not token:
            return sorted(found)


async def test_a_binding_is_read_as_it_was_made(start_auth: Any) -> None:
    async with start_auth() as auth:
        group = "groups/Élèves | 1/2"
        made = await auth.bind(group, "viewer", "projects/p")
        assert (made.member, made.role, made.resource) == (group, "roles/viewer", "projects/p")
        assert made.creator == "users/admin"
        assert made.HasField("create_time")
        assert await auth.bindings.GetBinding(GET(name=made.name), metadata=auth.as_admin()) == made
        gone = auth.bindings.GetBinding(GET(name="bindings/b0"), metadata=auth.as_admin())
        assert await auth.refused(gone) == NOT_FOUND


async def test_there_are_no_two_that_say_the_same(start_auth: Any) -> None:
    async with start_auth() as auth:
        one = await auth.bind("users/ada", "viewer", "projects/p")
        exists = (grpc.StatusCode.ALREADY_EXISTS, "BINDING_EXISTS")
        assert await auth.refused(auth.bind("users/ada", "viewer", "projects/p")) == exists
        others = [
            await auth.bind("users/ada", "viewer"),
            await auth.bind("users/ada", "consumer", "projects/p"),
            await auth.bind("groups/ada", "viewer", "projects/p"),
        ]
        assert len({one.name, *(other.name for other in others)}) == 4
        await auth.unbind("users/ada", "viewer", "projects/p")
        assert (await auth.bind("users/ada", "viewer", "projects/p")).name == one.name


async def test_a_member_that_kea_must_know_and_a_role_have_to_be_there(start_auth: Any) -> None:
    async with start_auth() as auth:
        no_role = (grpc.StatusCode.NOT_FOUND, "ROLE_NOT_FOUND")
        assert await auth.refused(auth.bind("users/ada", "nothing")) == no_role
        assert await auth.refused(auth.bind("users/ada", "service-router")) == no_role
        no_account = (grpc.StatusCode.NOT_FOUND, "SERVICE_ACCOUNT_NOT_FOUND")
        assert await auth.refused(auth.bind("serviceAccounts/bot", "viewer")) == no_account
        await auth.make_account("bot")
        await auth.bind("serviceAccounts/bot", "viewer")
        await auth.bind("serviceAccounts/operator", "viewer")  # one that KEA comes with
        await auth.bind("everyone", "viewer", "projects/p")


@pytest.mark.parametrize(
    ("member", "resource"),
    [
        ("ada", ""),
        ("users/", ""),
        ("groups/ a", ""),
        ("groups/a\tb", ""),
        ("serviceAccounts/Bot", ""),
        ("users/ada", "projects"),
        ("users/ada", "projects/p/endpoints"),
        ("users/ada", "projects/p/models/m/versions/1"),
        ("users/ada", "projects/p/deployments/d/methods/m"),
        ("users/ada", "bindings/b"),
    ],
)
async def test_what_no_binding_can_say_is_refused(start_auth: Any, member: str, resource: str) -> None:
    async with start_auth() as auth:
        out_of_bounds = (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_OUT_OF_BOUNDS")
        assert await auth.refused(auth.bind(member, "viewer", resource)) == out_of_bounds


async def test_bindings_are_listed_by_resource_and_member(start_auth: Any) -> None:
    async with start_auth() as auth:
        places = [
            "",
            "projects/p",
            "projects/p/endpoints/e",
            "projects/p/endpoints/e/methods/M_1",
            "projects/p/endpoints/e-2",
            "projects/p/models/e",
            "projects/p-2",
            "projects/p0",
            "projects/q",
        ]
        for place in places:
            await auth.bind("users/ada", "viewer", place)
        await auth.bind("users/bob", "viewer", "projects/p/endpoints/e")

        def of(*names: str) -> list[tuple[str, str, str]]:
            return sorted(("users/ada", "roles/viewer", name) for name in names)

        bob = ("users/bob", "roles/viewer", "projects/p/endpoints/e")
        assert await listed(auth) == sorted([*of(*places), bob])
        assert await listed(auth, member="users/ada") == of(*places)
        assert await listed(auth, member="users/ada", resource="projects/p") == of(*places[1:6])
        assert await listed(auth, resource="projects/p/endpoints/e") == sorted([*of(*places[2:4]), bob])
        assert await listed(auth, resource="projects/p/endpoints/e/methods/M_1") == of(places[3])
        assert await listed(auth, resource="projects/p/endpoints/e/methods/m_1") == []
        assert await listed(auth, member="users/a") == []


async def test_a_page_token_is_of_one_listing(start_auth: Any) -> None:
    async with start_auth() as auth:
        for user in ("ada", "bob"):
            await auth.bind(f"users/{user}", "viewer", "projects/p")
        page = await auth.bindings.ListBindings(LIST(page_size=1, resource="projects/p"), metadata=auth.as_admin())
        other = LIST(page_size=1, resource="projects/q", page_token=page.next_page_token)
        invalid = (grpc.StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")
        assert await auth.refused(auth.bindings.ListBindings(other, metadata=auth.as_admin())) == invalid


async def test_a_binding_is_deleted_by_what_it_says(start_auth: Any) -> None:
    async with start_auth() as auth:
        await auth.bind("users/ada", "viewer", "projects/p")
        assert await auth.refused(auth.unbind("users/ada", "viewer")) == NOT_FOUND
        assert await auth.refused(auth.unbind("users/ada", "consumer", "projects/p")) == NOT_FOUND
        await auth.unbind("users/ada", "viewer", "projects/p")
        assert await listed(auth) == []
        assert await auth.refused(auth.unbind("users/ada", "viewer", "projects/p")) == NOT_FOUND


async def test_a_dry_run_checks_everything_and_changes_nothing(start_auth: Any) -> None:
    async with start_auth() as auth:
        binding = Binding(member="users/ada", role="roles/viewer", resource="projects/p")
        create = CREATE(binding=binding, validate_only=True)
        shown = await auth.bindings.CreateBinding(create, metadata=auth.as_admin())
        assert await listed(auth) == []
        assert (await auth.bind("users/ada", "viewer", "projects/p")).name == shown.name
        exists = (grpc.StatusCode.ALREADY_EXISTS, "BINDING_EXISTS")
        assert await auth.refused(auth.bindings.CreateBinding(create, metadata=auth.as_admin())) == exists
        delete = DELETE(binding=binding, validate_only=True)
        await auth.bindings.DeleteBinding(delete, metadata=auth.as_admin())
        assert len(await listed(auth)) == 1


async def test_there_are_so_many_bindings_and_no_more(start_auth: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bindings, "MAX_BINDINGS", 2)
    async with start_auth() as auth:
        await auth.bind("users/ada", "viewer")
        await auth.bind("users/bob", "viewer")
        exhausted = (grpc.StatusCode.RESOURCE_EXHAUSTED, "BINDINGS_EXHAUSTED")
        assert await auth.refused(auth.bind("users/eve", "viewer")) == exhausted
        await auth.unbind("users/bob", "viewer")
        await auth.bind("users/eve", "viewer")


async def test_what_a_binding_gives_holds_at_once_and_is_gone_at_once(start_auth: Any) -> None:
    async with start_auth() as auth:
        ada = await auth.as_user("users/ada", "students")
        denied = (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")
        for _ in range(5):
            assert await auth.refused(auth.bindings.ListBindings(LIST(), metadata=ada)) == denied
            await auth.bind("groups/students", "viewer")
            await auth.bindings.ListBindings(LIST(), metadata=ada)
            await auth.unbind("groups/students", "viewer")


async def test_who_may_bind_on_a_project_may_do_so_within_it_and_nowhere_else(start_auth: Any) -> None:
    async with start_auth() as auth:
        await auth.bind("users/ada", "admin", "projects/p")
        ada = await auth.as_user("users/ada")
        denied = (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")

        def binding(resource: str) -> binding_pb2.Binding:
            return Binding(member="users/bob", role="roles/viewer", resource=resource)

        for resource in ("projects/p", "projects/p/endpoints/e/methods/m"):
            await auth.bindings.CreateBinding(CREATE(binding=binding(resource)), metadata=ada)
            await auth.bindings.ListBindings(LIST(resource=resource), metadata=ada)
            await auth.bindings.DeleteBinding(DELETE(binding=binding(resource)), metadata=ada)
        for resource in ("", "projects/q", "projects/p-2"):
            call = auth.bindings.CreateBinding(CREATE(binding=binding(resource)), metadata=ada)
            assert await auth.refused(call) == denied
            call = auth.bindings.DeleteBinding(DELETE(binding=binding(resource)), metadata=ada)
            assert await auth.refused(call) == denied
            call = auth.bindings.ListBindings(LIST(resource=resource), metadata=ada)
            assert await auth.refused(call) == denied
