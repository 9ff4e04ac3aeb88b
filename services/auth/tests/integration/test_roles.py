from __future__ import annotations

import asyncio
import uuid
from typing import Any

import grpc
import pytest
from google.protobuf import field_mask_pb2
from kea.auth.v1 import role_pb2, role_service_pb2
from kea_auth.domain import roles
from kea_core.roles import BUILT_IN

CREATE = role_service_pb2.CreateRoleRequest
GET = role_service_pb2.GetRoleRequest
LIST = role_service_pb2.ListRolesRequest
UPDATE = role_service_pb2.UpdateRoleRequest
DELETE = role_service_pb2.DeleteRoleRequest
Role = role_pb2.Role
NOT_FOUND = (grpc.StatusCode.NOT_FOUND, "ROLE_NOT_FOUND")
MASK_INVALID = (grpc.StatusCode.INVALID_ARGUMENT, "UPDATE_MASK_INVALID")
BUILT_IN_ERROR = (grpc.StatusCode.FAILED_PRECONDITION, "ROLE_BUILT_IN")
OUT_OF_BOUNDS = (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_OUT_OF_BOUNDS")


def mask(*paths: str) -> field_mask_pb2.FieldMask:
    return field_mask_pb2.FieldMask(paths=paths)


async def test_a_role_is_read_as_it_was_made(start_auth: Any) -> None:
    async with start_auth() as auth:
        wanted = Role(description="Reads.", permissions=["registry.*.get", "a.b.c", "registry.*.get"])
        made = await auth.roles.CreateRole(CREATE(role_id="reader", role=wanted), metadata=auth.as_admin())
        assert (made.name, made.description, made.built_in) == ("roles/reader", "Reads.", False)
        assert list(made.permissions) == ["registry.*.get", "a.b.c"]
        assert made.create_time == made.update_time
        assert await auth.roles.GetRole(GET(name="roles/reader"), metadata=await auth.as_user("users/ada")) == made


async def test_roles_that_kea_comes_with_are_among_them_but_those_of_its_services(start_auth: Any) -> None:
    async with start_auth() as auth:
        for role in ("aaa", "mmm", "zzz"):
            await auth.make_role(role, "a.b.c")
        names: list[str] = []
        token = ""
        while True:
            page = await auth.roles.ListRoles(LIST(page_size=2, page_token=token), metadata=auth.as_admin())
            names += [role.name for role in page.roles]
            assert len(page.roles) == 2 or not page.next_page_token
            token = page.next_page_token
            if not token:
                break
        visible = {role for role in BUILT_IN if not role.startswith("service-")}
        assert names == [f"roles/{role}" for role in sorted({"aaa", "mmm", "zzz"} | visible)]
        admin = await auth.roles.GetRole(GET(name="roles/admin"), metadata=auth.as_admin())
        assert (admin.built_in, list(admin.permissions), admin.HasField("create_time")) == (True, ["*.*.*"], False)
        assert admin.description
        hidden = auth.roles.GetRole(GET(name="roles/service-router"), metadata=auth.as_admin())
        assert await auth.refused(hidden) == NOT_FOUND


async def test_an_id_is_taken_once(start_auth: Any) -> None:
    async with start_auth() as auth:
        await auth.make_role("reader", "a.b.c")
        exists = (grpc.StatusCode.ALREADY_EXISTS, "ROLE_EXISTS")
        assert await auth.refused(auth.make_role("reader", "a.b.c")) == exists
        assert await auth.refused(auth.make_role("viewer", "a.b.c")) == exists
        assert await auth.refused(auth.make_role("service-x", "a.b.c")) == OUT_OF_BOUNDS


@pytest.mark.parametrize("permissions", [[], ["a.b"], ["a.b.c.d"], ["**.b.c"], ["A.b.c"], ["a.b.c"] * 101])
async def test_permissions_that_are_none_are_refused(start_auth: Any, permissions: list[str]) -> None:
    async with start_auth() as auth:
        assert await auth.refused(auth.make_role("x", *permissions)) == OUT_OF_BOUNDS


async def test_a_nul_in_a_description_is_refused(start_auth: Any) -> None:
    async with start_auth() as auth:
        request = CREATE(role_id="x", role=Role(description="a\0b", permissions=["a.b.c"]))
        assert await auth.refused(auth.roles.CreateRole(request, metadata=auth.as_admin())) == OUT_OF_BOUNDS


async def test_the_same_request_again_gives_the_first_answer_again(start_auth: Any) -> None:
    async with start_auth() as auth:
        request = CREATE(role_id="x", role=Role(permissions=["a.b.c"]), request_id=str(uuid.uuid4()))
        answers = await asyncio.gather(*(auth.roles.CreateRole(request, metadata=auth.as_admin()) for _ in range(4)))
        assert answers == [answers[0]] * 4
        request.role.description = "Another."
        reused = auth.roles.CreateRole(request, metadata=auth.as_admin())
        assert await auth.refused(reused) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")


async def test_an_update_changes_what_its_mask_names(start_auth: Any) -> None:
    async with start_auth() as auth:
        made = await auth.make_role("x", "a.b.c")
        wanted = Role(name="roles/x", description="New.", permissions=["d.e.f"])
        only = await auth.roles.UpdateRole(
            UPDATE(role=wanted, update_mask=mask("description")), metadata=auth.as_admin()
        )
        assert (only.description, list(only.permissions)) == ("New.", ["a.b.c"])
        assert only.etag != made.etag
        all_set = await auth.roles.UpdateRole(UPDATE(role=wanted), metadata=auth.as_admin())
        assert list(all_set.permissions) == ["d.e.f"]
        assert await auth.roles.GetRole(GET(name="roles/x"), metadata=auth.as_admin()) == all_set
        for wrong, answer in (
            (
                UPDATE(role=wanted, update_mask=mask("built_in")),
                (grpc.StatusCode.INVALID_ARGUMENT, "UPDATE_MASK_INVALID"),
            ),
            (UPDATE(role=Role(name="roles/x"), update_mask=mask("permissions")), OUT_OF_BOUNDS),
            (UPDATE(role=Role(name="roles/nothing", description="x")), NOT_FOUND),
            (UPDATE(role=Role(name="rules/x", description="x")), OUT_OF_BOUNDS),
        ):
            assert await auth.refused(auth.roles.UpdateRole(wrong, metadata=auth.as_admin())) == answer


async def test_who_knows_an_older_state_changes_nothing(start_auth: Any) -> None:
    async with start_auth() as auth:
        old = await auth.make_role("x", "a.b.c")
        new = await auth.roles.UpdateRole(
            UPDATE(role=Role(name="roles/x", description="1", etag=old.etag)), metadata=auth.as_admin()
        )
        mismatch = (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
        stale = UPDATE(role=Role(name="roles/x", description="2", etag=old.etag))
        assert await auth.refused(auth.roles.UpdateRole(stale, metadata=auth.as_admin())) == mismatch
        delete = auth.roles.DeleteRole(DELETE(name="roles/x", etag=old.etag), metadata=auth.as_admin())
        assert await auth.refused(delete) == mismatch
        await auth.roles.DeleteRole(DELETE(name="roles/x", etag=new.etag), metadata=auth.as_admin())
        assert await auth.refused(auth.roles.GetRole(GET(name="roles/x"), metadata=auth.as_admin())) == NOT_FOUND


async def test_a_role_that_a_binding_gives_cannot_go(start_auth: Any) -> None:
    async with start_auth() as auth:
        await auth.make_role("x", "a.b.c")
        await auth.bind("users/ada", "x", "projects/p")
        bound = auth.roles.DeleteRole(DELETE(name="roles/x"), metadata=auth.as_admin())
        assert await auth.refused(bound) == (grpc.StatusCode.FAILED_PRECONDITION, "ROLE_BOUND")
        await auth.unbind("users/ada", "x", "projects/p")
        await auth.roles.DeleteRole(DELETE(name="roles/x"), metadata=auth.as_admin())
        again = auth.roles.DeleteRole(DELETE(name="roles/x"), metadata=auth.as_admin())
        assert await auth.refused(again) == NOT_FOUND


async def test_roles_that_kea_comes_with_stay_as_they_are(start_auth: Any) -> None:
    async with start_auth() as auth:
        update = UPDATE(role=Role(name="roles/viewer", description="x"))
        assert await auth.refused(auth.roles.UpdateRole(update, metadata=auth.as_admin())) == BUILT_IN_ERROR
        delete = auth.roles.DeleteRole(DELETE(name="roles/viewer"), metadata=auth.as_admin())
        assert await auth.refused(delete) == BUILT_IN_ERROR


async def test_a_dry_run_checks_everything_and_changes_nothing(start_auth: Any) -> None:
    async with start_auth() as auth:
        request = CREATE(
            role_id="x", role=Role(permissions=["a.b.c"]), request_id=str(uuid.uuid4()), validate_only=True
        )
        shown = await auth.roles.CreateRole(request, metadata=auth.as_admin())
        assert shown.name == "roles/x"
        assert await auth.refused(auth.roles.GetRole(GET(name="roles/x"), metadata=auth.as_admin())) == NOT_FOUND
        made = await auth.make_role("x", "a.b.c")
        update = UPDATE(role=Role(name="roles/x", description="new"), validate_only=True)
        assert (await auth.roles.UpdateRole(update, metadata=auth.as_admin())).description == "new"
        await auth.roles.DeleteRole(DELETE(name="roles/x", validate_only=True), metadata=auth.as_admin())
        assert await auth.roles.GetRole(GET(name="roles/x"), metadata=auth.as_admin()) == made


async def test_there_are_so_many_roles_and_no_more(start_auth: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "MAX_ROLES", 2)
    async with start_auth() as auth:
        await auth.make_role("a", "a.b.c")
        await auth.make_role("b", "a.b.c")
        exhausted = (grpc.StatusCode.RESOURCE_EXHAUSTED, "ROLES_EXHAUSTED")
        assert await auth.refused(auth.make_role("c", "a.b.c")) == exhausted
        await auth.roles.DeleteRole(DELETE(name="roles/a"), metadata=auth.as_admin())
        await auth.make_role("c", "a.b.c")
