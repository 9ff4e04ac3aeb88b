from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
from kea.auth.v1 import (
    access_service_pb2,
    binding_service_pb2,
    role_pb2,
    role_service_pb2,
    service_account_service_pb2,
    token_service_pb2,
)
from kea_auth.domain.binding import Binding
from kea_auth.store.binding_store import SqlBindingStore
from kea_auth.store.tables import FEED
from kea_core.authority import Authority
from kea_core.change_feed import ChangeFeed
from kea_core.client import open_channel
from kea_core.database import Sessions, open_database
from kea_core.following_auth import AuthFollower, PolicyMirror

WATCH = access_service_pb2.WatchPolicyRequest
REVOKE = token_service_pb2.RevokeTokenRequest
CALLER = access_service_pb2.GetCallerRequest()
LIST = binding_service_pb2.ListBindingsRequest()


def told(message: access_service_pb2.WatchPolicyResponse) -> tuple[str, str]:
    """Returns what kind of change a message tells, and of what."""
    kind = message.WhichOneof("change")
    if kind is None:
        return "synced", ""
    return kind, message.deleted if kind == "deleted" else getattr(message, kind).name


async def read_until_synced(watch: Any) -> list[access_service_pb2.WatchPolicyResponse]:
    found: list[access_service_pb2.WatchPolicyResponse] = []
    async with asyncio.timeout(10):
        while True:
            found.append(await watch.read())
            if found[-1].WhichOneof("change") is None:
                return found


async def changes_since(auth: Any, since: int) -> list[tuple[str, str]]:
    watch = auth.access.WatchPolicy(WATCH(since_revision=since), metadata=auth.as_admin())
    found = await read_until_synced(watch)
    watch.cancel()
    return [told(message) for message in found]


async def test_a_watch_tells_all_there_is_and_then_that_this_was_all(start_auth: Any) -> None:
    async with start_auth() as auth:
        assert await changes_since(auth, 0) == [("synced", "")]
        await auth.make_role("reader", "a.b.get")
        bound = await auth.bind("groups/students", "reader", "projects/p")
        gone = await auth.bind("groups/teachers", "reader", "projects/p")
        await auth.unbind("groups/teachers", "reader", "projects/p")
        await auth.tokens.RevokeToken(REVOKE(uid="some-token"), metadata=auth.as_admin())
        await auth.make_account("bot")  # nothing that decisions need
        watch = auth.access.WatchPolicy(WATCH(), metadata=auth.as_admin())
        found = await read_until_synced(watch)
        watch.cancel()
        assert [told(message) for message in found] == [
            ("role", "roles/reader"),
            ("binding", bound.name),
            ("revocation", "revocations/some-token"),
            ("synced", ""),
        ]
        assert gone.name != bound.name
        assert list(found[0].role.permissions) == ["a.b.get"]
        assert found[1].binding == bound
        revisions = [message.revision for message in found]
        assert revisions == sorted(revisions)


async def test_a_watch_goes_on_with_changes_and_resumes_from_any_of_them(start_auth: Any) -> None:
    async with start_auth() as auth:
        watch = auth.access.WatchPolicy(WATCH(), metadata=auth.as_admin())
        (before,) = await read_until_synced(watch)
        role = await auth.make_role("reader", "a.b.get")
        bound = await auth.bind("users/ada", "reader")
        update = role_service_pb2.UpdateRoleRequest(role=role_pb2.Role(name=role.name, permissions=["a.b.c"]))
        await auth.roles.UpdateRole(update, metadata=auth.as_admin())
        await auth.unbind("users/ada", "reader")
        await auth.roles.DeleteRole(role_service_pb2.DeleteRoleRequest(name=role.name), metadata=auth.as_admin())
        gone = {("deleted", bound.name), ("deleted", role.name)}
        seen: dict[tuple[str, str], int] = {}
        async with asyncio.timeout(10):
            while not gone <= seen.keys():
                message = await watch.read()
                seen[told(message)] = message.revision
        watch.cancel()
        assert [one for one in await changes_since(auth, before.revision) if one[0] != "synced"] == [
            ("deleted", bound.name),
            ("deleted", role.name),
        ]
        assert await changes_since(auth, seen["deleted", bound.name]) == [("deleted", role.name), ("synced", "")]
        assert await changes_since(auth, seen["deleted", role.name]) == [("synced", "")]


async def test_a_revision_that_is_of_another_database_is_refused(start_auth: Any) -> None:
    async with start_auth() as auth:
        watch = auth.access.WatchPolicy(WATCH(since_revision=1_000), metadata=auth.as_admin())
        assert await auth.refused(watch.read()) == (grpc.StatusCode.OUT_OF_RANGE, "REVISION_EXPIRED")


async def test_only_who_decides_may_watch(start_auth: Any) -> None:
    async with start_auth() as auth:
        await auth.bind("users/ada", "viewer")
        watch = auth.access.WatchPolicy(WATCH(), metadata=await auth.as_user("users/ada"))
        assert await auth.refused(watch.read()) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")


async def test_the_policy_survives_a_restart_and_so_does_a_watch(start_auth: Any) -> None:
    async with start_auth() as auth:
        bound = await auth.bind("users/ada", "viewer")
        ada = await auth.as_user("users/ada")
        revoked = await auth.as_user("users/ada", token="revoked-token")
        await auth.tokens.RevokeToken(REVOKE(uid="revoked-token"), metadata=auth.as_admin())
        before = await changes_since(auth, 0)
        watch = auth.access.WatchPolicy(WATCH(), metadata=auth.as_admin())
        last = (await read_until_synced(watch))[-1].revision
        watch.cancel()
    async with start_auth() as auth:
        await auth.bindings.ListBindings(LIST, metadata=ada)
        refused = auth.access.GetCaller(CALLER, metadata=revoked)
        assert await auth.refused(refused) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")
        assert await changes_since(auth, 0) == before
        assert await changes_since(auth, last) == [("synced", "")]
        await auth.unbind("users/ada", "viewer")
        assert await changes_since(auth, last) == [("deleted", bound.name), ("synced", "")]


async def test_what_one_process_changes_the_other_decides_by_within_two_seconds(start_auth: Any) -> None:
    async with AsyncExitStack() as stack:
        # Upkeep writes, and whoever writes reads what there is: here nothing but the watch is to tell the other.
        one, other = [await stack.enter_async_context(start_auth(upkeep_seconds=60.0)) for _ in range(2)]
        ada = await one.as_user("users/ada")

        async def until(*, allowed: bool) -> float:
            began = time.monotonic()
            async with asyncio.timeout(5):
                while True:
                    try:
                        await other.bindings.ListBindings(LIST, metadata=ada)
                    except grpc.aio.AioRpcError:
                        if not allowed:
                            return time.monotonic() - began
                    else:
                        if allowed:
                            return time.monotonic() - began
                    await asyncio.sleep(0.02)

        watch = other.access.WatchPolicy(WATCH(), metadata=other.as_admin())
        await read_until_synced(watch)
        made = await one.bind("users/ada", "viewer")
        assert await until(allowed=True) < 2
        await one.unbind("users/ada", "viewer")
        assert await until(allowed=False) < 2
        await one.bind("users/ada", "viewer")
        await until(allowed=True)
        await one.tokens.RevokeOwnToken(token_service_pb2.RevokeOwnTokenRequest(), metadata=ada)
        assert await until(allowed=False) < 2
        seen: set[tuple[str, str]] = set()
        async with asyncio.timeout(10):
            while not any(kind == "revocation" for kind, _ in seen):
                seen.add(told(await watch.read()))
        watch.cancel()
        assert ("binding", made.name) in seen


async def test_two_processes_never_make_the_same_binding_or_account_twice(start_auth: Any) -> None:
    async with AsyncExitStack() as stack:
        both = [await stack.enter_async_context(start_auth()) for _ in range(2)]

        async def outcomes(*calls: Any) -> list[str]:
            found = await asyncio.gather(*calls, return_exceptions=True)
            return sorted(one.code().name if isinstance(one, grpc.aio.AioRpcError) else "OK" for one in found)

        for number in range(5):
            calls = [auth.bind("users/ada", "viewer", f"projects/p{number}") for auth in both for _ in range(2)]
            assert await outcomes(*calls) == ["ALREADY_EXISTS"] * 3 + ["OK"]
            calls = [auth.make_account(f"bot-{number}") for auth in both for _ in range(2)]
            assert await outcomes(*calls) == ["ALREADY_EXISTS"] * 3 + ["OK"]
        # A role goes, or a binding gives it; never both.
        for number in range(5):
            role = await both[0].make_role(f"role-{number}", "a.b.c")
            delete = role_service_pb2.DeleteRoleRequest(name=role.name)
            found = await outcomes(
                both[0].roles.DeleteRole(delete, metadata=both[0].as_admin()),
                both[1].bind("users/ada", f"role-{number}"),
            )
            assert found in (["NOT_FOUND", "OK"], ["FAILED_PRECONDITION", "OK"])
        # An account goes with its bindings, whoever is just making one.
        for number in range(5):
            name = f"serviceAccounts/bot-{number}"
            delete = service_account_service_pb2.DeleteServiceAccountRequest(name=name)
            await outcomes(
                both[0].accounts.DeleteServiceAccount(delete, metadata=both[0].as_admin()),
                both[1].bind(name, "viewer"),
                both[1].make_key(f"bot-{number}"),
            )
            bound = binding_service_pb2.ListBindingsRequest(member=name)
            assert not (await both[0].bindings.ListBindings(bound, metadata=both[0].as_admin())).bindings


async def test_a_service_that_follows_decides_as_auth_does(start_auth: Any) -> None:
    async with start_auth() as auth, open_channel(auth.settings.address, _token_of(auth)) as trusted:
        authority = Authority()
        follower = AuthFollower(auth.channel, trusted, authority)
        await auth.bind("groups/students", "consumer", "projects/p")
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(follower.run())
            await follower.known.wait()
            token = (await auth.as_user("users/ada", "students"))[0][1].partition(" ")[2]
            caller = authority.admit(token)
            invoke = "router.endpoints.invoke"
            assert authority.policy.decide(caller, invoke, "projects/p/endpoints/e").allowed
            await auth.unbind("groups/students", "consumer", "projects/p")
            while authority.policy.decide(caller, invoke, "projects/p/endpoints/e").allowed:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            running.cancel()


async def test_many_bindings_are_told_in_few_reads(start_auth: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from kea_core.database import Sessions

    async with start_auth(upkeep_seconds=60.0) as auth:
        await add_bindings(auth, 250)
        reads = 0
        reading = Sessions.reading

        def counted(self: Sessions) -> Any:
            nonlocal reads
            reads += 1
            return reading(self)

        monkeypatch.setattr(Sessions, "reading", counted)
        watch = auth.access.WatchPolicy(WATCH(), metadata=auth.as_admin())
        mirror = PolicyMirror()
        for message in await read_until_synced(watch):
            mirror.apply(message)
        watch.cancel()
        assert len(mirror.policy().bindings) == 250
        assert reads < 20


async def add_bindings(auth: Any, count: int) -> None:
    """Binds so many users, as another process would, in one transaction."""
    async with open_database(auth.settings.database) as sessions, sessions.transaction() as session:
        store = SqlBindingStore(session, ChangeFeed(sessions, FEED))
        for number in range(count):
            await store.add(Binding(f"users/u{number}", "viewer", "", auth.clock(), "users/admin"))


def _token_of(auth: Any) -> Any:
    async def token() -> str:
        return auth.admin_token()

    return token
