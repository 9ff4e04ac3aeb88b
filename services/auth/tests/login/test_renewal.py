"""`POST /login/renew`, as scripts of the portal's pages call it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from kea.auth.v1 import user_pb2, user_service_pb2
from login_client import log_in, make, users, web, with_login

NAMES = ("kea_session", "kea_refresh", "kea_session_expires")


def cookies(answer: httpx.Response) -> dict[str, str]:
    """Returns the cookies that an answer sets, with what it says of each."""
    return dict(cookie.split("=", 1) for cookie in answer.headers.get_list("set-cookie"))


def check_ended(answer: httpx.Response) -> None:
    """Checks that an answer says that there is no session, and takes the cookies back."""
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["reason"] == "SESSION_ENDED"
    taken = cookies(answer)
    assert set(taken) == set(NAMES)
    assert all("Max-Age=0" in text for text in taken.values())


async def test_a_session_outlives_its_access_token(start_auth: Any, socket_directory: Path) -> None:
    async with start_auth(**with_login(socket_directory)) as auth, web(auth) as client:
        await make(auth, "ada")
        await log_in(client, "ada")
        before = client.cookies["kea_refresh"]
        auth.clock.advance(minutes=11)
        client.cookies.delete("kea_session")
        answer = await client.post("/login/renew")
        assert answer.status_code == 200
        told = answer.json()
        assert told == {"subject": "users/ada", "expires_in": pytest.approx(600, abs=1)}
        assert answer.headers["cache-control"] == "no-store"
        assert client.cookies["kea_refresh"] != before
        claims = jwt.decode(client.cookies["kea_session"], options={"verify_signature": False})
        assert (claims["sub"], claims["exp"]) == ("users/ada", pytest.approx(auth.clock().timestamp() + 600, abs=1))


async def test_pages_see_that_there_is_a_session_and_nothing_of_it(start_auth: Any, socket_directory: Path) -> None:
    settings = with_login(socket_directory, session_ttl_seconds=3600.0)
    async with start_auth(**settings) as auth, web(auth) as client:
        await make(auth, "ada")
        for answer in (await log_in(client, "ada"), await client.post("/login/renew")):
            told = cookies(answer)
            value, *says = told["kea_session_expires"].split("; ")
            assert int(value) == pytest.approx(auth.clock().timestamp() + 600, abs=1)
            assert "HttpOnly" not in says
            assert {"SameSite=lax", "Path=/"} <= set(says)
            (age,) = (int(part.removeprefix("Max-Age=")) for part in says if part.startswith("Max-Age="))
            assert age == pytest.approx(3600, abs=1)
            assert "HttpOnly" in told["kea_session"]
            assert "HttpOnly" in told["kea_refresh"]
            assert "Path=/login;" in told["kea_refresh"]
        ended = cookies(await client.post("/login/end"))
        assert "Max-Age=0" in ended["kea_session_expires"]


async def test_over_https_the_readable_cookie_is_secure_too(start_auth: Any, socket_directory: Path) -> None:
    settings = with_login(socket_directory, public_url="https://kea.example.org")
    async with start_auth(**settings) as auth, web(auth) as client:
        await make(auth, "ada")
        assert "Secure" in cookies(await log_in(client, "ada"))["kea_session_expires"].split("; ")


async def test_two_tabs_at_once_both_go_on_with_one_session(start_auth: Any, socket_directory: Path) -> None:
    async with start_auth(**with_login(socket_directory)) as auth, web(auth) as client:
        await make(auth, "ada")
        await log_in(client, "ada")
        answers = await asyncio.gather(*(client.post("/login/renew") for _ in range(2)))
        assert [answer.status_code for answer in answers] == [200, 200]
        (following,) = (told["kea_refresh"].split(";")[0] for told in map(cookies, answers) if "kea_refresh" in told)
        assert all({"kea_session", "kea_session_expires"} <= set(cookies(answer)) for answer in answers)
        assert client.cookies["kea_refresh"] == following
        auth.clock.advance(minutes=11)
        assert (await client.post("/login/renew")).status_code == 200


@pytest.mark.parametrize("how", ["none", "forged", "expired", "reused", "logged out", "disabled"])
async def test_without_a_living_session_the_cookies_are_taken_back(
    start_auth: Any, socket_directory: Path, how: str
) -> None:
    async with start_auth(**with_login(socket_directory)) as auth, web(auth) as client, web(auth) as other:
        await make(auth, "ada")
        await log_in(client, "ada")
        kept = client.cookies["kea_refresh"]
        if how == "expired":
            auth.clock.advance(hours=13)
        elif how == "reused":
            await client.post("/login/renew")
            auth.clock.advance(seconds=11)
        elif how == "logged out":
            await client.post("/login/end")
        elif how == "disabled":
            off = user_pb2.User(name="users/ada", disabled=True)
            await users(auth).UpdateUser(user_service_pb2.UpdateUserRequest(user=off), metadata=auth.as_admin())
        if how != "none":
            other.cookies.set("kea_refresh", kept + "x" if how == "forged" else kept, path="/login")
        check_ended(await other.post("/login/renew"))


async def test_a_page_of_another_site_renews_and_ends_nothing(start_auth: Any, socket_directory: Path) -> None:
    async with start_auth(**with_login(socket_directory)) as auth, web(auth) as client:
        await make(auth, "ada")
        await log_in(client, "ada")
        answer = await client.post("/login/renew", headers={"origin": "http://evil"})
        assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
        assert not cookies(answer)
        assert (await client.post("/login/renew")).status_code == 200
