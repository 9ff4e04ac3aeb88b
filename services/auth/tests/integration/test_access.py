from __future__ import annotations

from typing import Any

import grpc
from kea.auth.v1 import access_service_pb2, service_account_pb2, service_account_service_pb2

CHECK = access_service_pb2.CheckAccessRequest
CALLER = access_service_pb2.GetCallerRequest()
INVOKE = "router.endpoints.invoke"
IRIS = "projects/default/endpoints/iris"


async def check(auth: Any, metadata: Any, **fields: Any) -> access_service_pb2.CheckAccessResponse:
    return await auth.access.CheckAccess(CHECK(**{"permission": INVOKE, "resource": IRIS} | fields), metadata=metadata)


async def test_whoever_has_a_token_learns_what_they_may_do_and_why(start_auth: Any) -> None:
    async with start_auth() as auth:
        ada = await auth.as_user("users/ada", "students")
        denied = await check(auth, ada)
        assert (denied.allowed, denied.HasField("binding")) == (False, False)
        assert denied.explanation == f"no binding gives users/ada {INVOKE} on {IRIS}"
        made = await auth.bind("groups/students", "consumer", "projects/default")
        allowed = await check(auth, ada, resource=f"{IRIS}/methods/predict")
        assert allowed.allowed
        assert allowed.binding == made
        assert allowed.explanation == (
            f"users/ada has {INVOKE} by role consumer through groups/students on projects/default ({made.name})"
        )
        assert not (await check(auth, ada, resource="")).allowed
        assert not (await check(auth, ada, permission="router.endpoints.update")).allowed


async def test_a_binding_of_ones_own_or_of_everyone_is_told_as_such(start_auth: Any) -> None:
    async with start_auth() as auth:
        everyone = await auth.bind("everyone", "consumer")
        ada = await auth.as_user("users/ada")
        assert (await check(auth, ada)).explanation == (
            f"users/ada has {INVOKE} by role consumer as everyone has on the whole platform ({everyone.name})"
        )
        own = await auth.bind("users/ada", "consumer", IRIS)
        told = (await check(auth, ada)).explanation
        assert told == f"users/ada has {INVOKE} by role consumer on {IRIS} ({own.name})"


async def test_what_a_tokens_scopes_take_away_is_told(start_auth: Any) -> None:
    async with start_auth() as auth:
        made = await auth.bind("users/ada", "consumer", IRIS)
        scoped = await auth.as_user("users/ada", scopes=("auditor", "viewer"))
        answer = await check(auth, scoped)
        assert (answer.allowed, answer.HasField("binding")) == (False, False)
        assert answer.explanation == (
            f"users/ada has {INVOKE} by role consumer on {IRIS} ({made.name}), "
            "but the token's scopes (auditor, viewer) do not contain it"
        )
        assert (await check(auth, scoped, permission="router.endpoints.get")).allowed


async def test_what_kea_comes_with_is_told_as_such(start_auth: Any) -> None:
    async with start_auth() as auth:
        answer = await check(auth, auth.as_admin())
        assert answer.allowed
        assert answer.binding.role == "roles/admin"
        told = f"users/admin has {INVOKE} by role admin on the whole platform (KEA comes with that)"
        assert answer.explanation == told


async def test_others_are_asked_about_by_who_may(start_auth: Any) -> None:
    async with start_auth() as auth:
        await auth.bind("groups/students", "consumer", IRIS)
        ada = await auth.as_user("users/ada", "teachers")
        denied = (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")
        assert await auth.refused(check(auth, ada, subject="users/bob")) == denied
        # What groups may do is as much of a secret.
        assert await auth.refused(check(auth, ada, subject="users/ada", groups=["students"])) == denied
        assert not (await check(auth, ada, subject="users/ada", groups=["teachers"])).allowed
        await auth.make_role("checker", "auth.access.check")
        await auth.bind("users/ada", "checker", "projects/default")
        assert await auth.refused(check(auth, ada, subject="users/bob")) == denied
        await auth.bind("users/ada", "checker")
        assert (await check(auth, ada, subject="users/bob", groups=["students"])).allowed
        assert not (await check(auth, ada, subject="users/bob")).allowed
        scoped = await auth.as_user("users/ada", "teachers", scopes=("consumer",))
        assert await auth.refused(check(auth, scoped, subject="users/bob")) == denied


async def test_groups_are_those_of_a_subject(start_auth: Any) -> None:
    async with start_auth() as auth:
        call = check(auth, auth.as_admin(), groups=["students"])
        assert await auth.refused(call) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_OUT_OF_BOUNDS")


async def test_a_disabled_account_may_do_nothing(start_auth: Any) -> None:
    async with start_auth() as auth:
        await auth.make_account("bot")
        await auth.bind("serviceAccounts/bot", "consumer")
        assert (await check(auth, auth.as_admin(), subject="serviceAccounts/bot")).allowed
        disable = service_account_pb2.ServiceAccount(name="serviceAccounts/bot", disabled=True)
        request = service_account_service_pb2.UpdateServiceAccountRequest(service_account=disable)
        await auth.accounts.UpdateServiceAccount(request, metadata=auth.as_admin())
        answer = await check(auth, auth.as_admin(), subject="serviceAccounts/bot")
        assert (answer.allowed, answer.explanation) == (False, "serviceAccounts/bot is disabled")


async def test_a_caller_learns_who_they_are(start_auth: Any) -> None:
    async with start_auth() as auth:
        ada = await auth.as_user("users/ada", "b", "a", scopes=("viewer",))
        caller = await auth.access.GetCaller(CALLER, metadata=ada)
        assert (caller.subject, list(caller.groups), list(caller.scopes)) == ("users/ada", ["a", "b"], ["viewer"])
        left = caller.expire_time.seconds - auth.clock().timestamp()
        assert 8 * 3600 - 60 < left <= 8 * 3600 + 60
        assert await auth.refused(auth.access.GetCaller(CALLER)) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_MISSING")
