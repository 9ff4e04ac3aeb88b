from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from kea.auth.v1 import user_pb2, user_service_pb2
from kea_auth.login.settings import LoginSettings
from login_client import PASSWORD, log_in, make, users, web, with_login


async def test_a_user_is_made_read_listed_changed_and_deleted(start_auth: Any, socket_directory: Path) -> None:
    async with start_auth(**with_login(socket_directory)) as auth:
        made = await make(auth, "ada", "team", request_id="7d4f4a3c-9d5f-4bb0-9d52-5b4a2c8f1a10")
        again = await make(auth, "ada", "team", request_id="7d4f4a3c-9d5f-4bb0-9d52-5b4a2c8f1a10")
        assert made == again
        assert (made.name, list(made.groups), made.password) == ("users/ada", ["team"], "")
        refused = await auth.refused(make(auth, "ada"))
        assert refused == (grpc.StatusCode.ALREADY_EXISTS, "USER_EXISTS")
        assert (await auth.refused(make(auth, "admin")))[1] == "USER_RESERVED"
        await make(auth, "bob")
        stub = users(auth)
        first = await stub.ListUsers(user_service_pb2.ListUsersRequest(page_size=1), metadata=auth.as_admin())
        assert [user.name for user in first.users] == ["users/ada"]
        request = user_service_pb2.ListUsersRequest(page_size=1, page_token=first.next_page_token)
        second = await stub.ListUsers(request, metadata=auth.as_admin())
        assert [user.name for user in second.users] == ["users/bob"]
        wanted = user_pb2.User(name="users/ada", etag="0-1", disabled=True)
        stale = stub.UpdateUser(user_service_pb2.UpdateUserRequest(user=wanted), metadata=auth.as_admin())
        assert (await auth.refused(stale))[1] == "ETAG_MISMATCH"
        request = user_service_pb2.DeleteUserRequest(name="users/ada", etag=made.etag)
        await stub.DeleteUser(request, metadata=auth.as_admin())
        gone = stub.GetUser(user_service_pb2.GetUserRequest(name="users/ada"), metadata=auth.as_admin())
        assert (await auth.refused(gone))[1] == "USER_NOT_FOUND"


async def test_nobody_makes_or_becomes_who_may_do_more(start_auth: Any, socket_directory: Path) -> None:
    async with start_auth(**with_login(socket_directory)) as auth:
        await auth.make_role("helpdesk", "auth.users.*")
        await auth.bind("users/help", "helpdesk")
        await auth.bind("groups/chiefs", "admin")
        await make(auth, "chief", "chiefs")
        helper = await auth.as_user("users/help")
        assert (await auth.refused(make(auth, "mine", "chiefs", metadata=helper)))[1] == "ROLE_NOT_HELD"
        await make(auth, "harmless", metadata=helper)
        for change in (
            user_pb2.User(name="users/chief", password=PASSWORD),
            user_pb2.User(name="users/harmless", groups=["chiefs"]),
        ):
            call = users(auth).UpdateUser(user_service_pb2.UpdateUserRequest(user=change), metadata=helper)
            assert (await auth.refused(call))[1] == "ROLE_NOT_HELD"
        off = user_pb2.User(name="users/chief", disabled=True)
        await users(auth).UpdateUser(user_service_pb2.UpdateUserRequest(user=off), metadata=helper)


async def test_a_password_leads_to_a_session_that_goes_on_until_it_ends(
    start_auth: Any, socket_directory: Path
) -> None:
    async with start_auth(**with_login(socket_directory, session_ttl_seconds=1200.0)) as auth, web(auth) as client:
        await make(auth, "ada", "team")
        assert (await log_in(client, "ada", "wrong")).status_code == 403
        first = await log_in(client, "ada")
        assert (first.status_code, first.headers["location"]) == (303, "/docs")
        before = client.cookies["kea_refresh"]
        auth.clock.advance(minutes=11)
        client.cookies.delete("kea_session")
        assert (await client.get("/login?return_to=/x")).headers["location"] == "/x"
        after = client.cookies["kea_refresh"]
        assert after != before
        # Lost on the way, the first is good once more, for a moment and for an access token alone.
        async with web(auth) as other:
            other.cookies.set("kea_refresh", before, path="/login")
            answer = await other.get("/login?return_to=/x")
            assert answer.status_code == 303
            assert "kea_refresh" not in answer.headers.get("set-cookie", "")
        auth.clock.advance(minutes=10)
        assert (await client.get("/login?return_to=/x")).status_code == 200  # twenty minutes are over


async def test_a_stolen_refresh_token_ends_the_session(start_auth: Any, socket_directory: Path) -> None:
    async with start_auth(**with_login(socket_directory)) as auth, web(auth) as client, web(auth) as thief:
        await make(auth, "ada")
        await log_in(client, "ada")
        thief.cookies.set("kea_refresh", client.cookies["kea_refresh"], path="/login")
        assert (await client.get("/login?return_to=/x")).status_code == 303
        auth.clock.advance(seconds=11)
        assert (await thief.get("/login?return_to=/x")).status_code == 200
        assert (await client.get("/login?return_to=/x")).status_code == 200


async def test_two_processes_share_sessions(start_auth: Any, socket_directory: Path) -> None:
    async with start_auth(**with_login(socket_directory)) as one, web(one) as client:
        await make(one, "ada")
        await log_in(client, "ada")
        settings = LoginSettings(http_address=f"unix:{socket_directory}/other.sock")
        async with start_auth(one.clock, login=settings) as two, web(two) as other:
            other.cookies.set("kea_refresh", client.cookies["kea_refresh"], path="/login")
            assert (await other.get("/login?return_to=/x")).status_code == 303


async def test_a_deleted_users_session_is_good_for_nothing(start_auth: Any, socket_directory: Path) -> None:
    async with start_auth(**with_login(socket_directory)) as auth, web(auth) as client:
        await make(auth, "ada")
        await log_in(client, "ada")
        request = user_service_pb2.DeleteUserRequest(name="users/ada")
        await users(auth).DeleteUser(request, metadata=auth.as_admin())
        await make(auth, "ada")
        assert (await client.get("/login?return_to=/x")).status_code == 200


async def test_cookies_are_for_this_host_alone_where_it_is_https(start_auth: Any, socket_directory: Path) -> None:
    settings = with_login(socket_directory, public_url="https://kea.example.org")
    async with start_auth(**settings) as auth, web(auth) as client:
        await make(auth, "ada")
        answer = await log_in(client, "ada")
        access, refresh, _ = answer.headers.get_list("set-cookie")
        for cookie in (access, refresh):
            assert {"HttpOnly", "Secure", "SameSite=lax"} <= set(cookie.split("; "))
        assert access.startswith("__Host-kea_session=")
        assert "Path=/;" in f"{access};"
        assert refresh.startswith("__Secure-kea_refresh=")
        assert "Path=/login" in refresh


@pytest.mark.parametrize("origin", ["http://evil", "null", ""])
async def test_forms_of_other_sites_are_refused(start_auth: Any, socket_directory: Path, origin: str) -> None:
    async with start_auth(**with_login(socket_directory)) as auth, web(auth) as client:
        headers = {"origin": origin}
        for path in ("/login/local", "/login/end", "/login/renew"):
            assert (await client.post(path, data={"user": "ada"}, headers=headers)).status_code == 403


async def test_expired_sessions_are_forgotten(start_auth: Any, socket_directory: Path) -> None:
    async with start_auth(**with_login(socket_directory)) as auth, web(auth) as client:
        await make(auth, "ada")
        await log_in(client, "ada")
        auth.clock.advance(hours=timedelta(hours=13).total_seconds() / 3600)
        assert (await client.get("/login?return_to=/x")).status_code == 200
