from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import httpx
import pytest
from login_site import Site
from visitor import Visitor


def within(seconds: float, condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so within {seconds} s"
        time.sleep(0.05)


def changed_query(place: str, **changes: str | None) -> str:
    parts = urlsplit(place)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    for name, value in changes.items():
        query.pop(name, None)
        if value is not None:
            query[name] = value
    return urlunsplit(parts._replace(query=urlencode(query)))


def check_refused(site: Site, answer: httpx.Response, subject: str, rule: str) -> None:
    """Checks that the audit log tells of a login that was refused."""
    events = site.audited(1, "--request-id", answer.headers["x-request-id"])
    assert [(event["action"], event["decision"]) for event in events] == [("auth.sessions.create", "DENIED")]
    assert (events[0].get("subject", ""), events[0]["rule"]) == (subject, rule)


def test_a_page_without_a_session_leads_to_the_login_and_back(site: Site, visitor: Visitor) -> None:
    site.bind("users/ada", "viewer")
    place = "/api/v1/users/ada?a=1&b=%2F"
    asked = visitor.get(place)
    assert asked.status_code == 302
    choosing = visitor.follow(asked)
    assert choosing.status_code == 200
    found = re.search(r'href="(/login/corp[^"]*)"', choosing.text)
    assert found
    ended = visitor.follow(visitor.get(found[1].replace("&amp;", "&")), user="ada")
    assert str(ended.url) == site.url + place


def test_an_api_call_without_a_token_gets_401_and_no_redirect(visitor: Visitor) -> None:
    answer = visitor.get("/api/v1/models", accept="application/json")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_groups_of_the_provider_decide_from_the_login_to_the_next_refresh(site: Site, visitor: Visitor) -> None:
    site.corp.put("grace", groups=["engineers", "navy"])
    site.bind("groups/navy", "viewer")
    visitor.log_in("corp", "grace")
    assert visitor.api("/api/v1/users").status_code == 200
    site.corp.put("grace", groups=["engineers"])
    assert visitor.api("/api/v1/users").status_code == 200  # her token is still good
    visitor.forget_access()
    assert visitor.follow(visitor.get("/login?return_to=/docs")).status_code == 200
    assert visitor.api("/api/v1/users").status_code == 403
    site.corp.put("grace", groups=["engineers", "navy"])


def test_groups_are_asked_for_without_a_refresh_token_too(site: Site, visitor: Visitor) -> None:
    site.bind("groups/codes", "viewer")
    visitor.log_in("lab", "alan")
    assert visitor.api("/api/v1/users").status_code == 200
    site.lab.put("alan", groups=[])
    visitor.forget_access()
    visitor.follow(visitor.get("/login?return_to=/docs"))
    assert visitor.api("/api/v1/users").status_code == 403
    site.lab.put("alan", groups=["codes"])


def test_who_is_gone_at_the_provider_is_out_at_the_next_refresh(site: Site, visitor: Visitor) -> None:
    site.corp.put("bob", groups=["engineers"])
    visitor.log_in("corp", "bob")
    kept = visitor.cookie("kea_session")
    site.corp.forget("bob")
    visitor.forget_access()
    answer = visitor.get("/login?return_to=/docs")
    assert answer.status_code == 200
    assert "has ended the session" in answer.text
    assert not visitor.cookie("kea_refresh")
    events = site.audited(3, "--request-id", answer.headers["x-request-id"])
    assert {event["rule"] for event in events} == {"refresh token: provider corp says no"}
    assert {event["decision"] for event in events if not event.get("resource")} == {"DENIED"}
    visitor.http.cookies.clear()
    bearer = {"authorization": f"Bearer {kept}"}
    within(2, lambda: visitor.get("/api/v1/roles", accept="application/json", **bearer).status_code == 401)


def test_logout_holds_on_both_planes_and_at_the_provider(site: Site, visitor: Visitor) -> None:
    site.bind("users/ada", "viewer")
    visitor.log_in("corp", "ada")
    kept = {"authorization": f"Bearer {visitor.cookie('kea_session')}", "accept": "application/json"}
    assert visitor.get("/api/v1/users", **kept).status_code == 200
    refresh = visitor.cookie("kea_refresh")
    done = visitor.follow(visitor.post("/logout", {}), until=f"127.0.0.1:{site.corp.port}")
    leaving = done.extensions["place"]
    assert "/session/end" in leaving
    assert "id_token_hint" in leaving
    assert visitor.get(leaving).status_code == 200
    assert not visitor.cookie("kea_session")
    within(2, lambda: visitor.get("/api/v1/users", **kept).status_code == 401)  # auth
    within(2, lambda: visitor.get("/models/none/predict", **kept).status_code == 401)  # Envoy
    visitor.http.cookies.set("kea_refresh", refresh, domain="127.0.0.1", path="/login")
    assert "Log in to KEA" in visitor.get("/login?return_to=/docs").text


def test_a_second_provider_cannot_become_a_user_of_the_first(site: Site, visit: Callable[[], Visitor]) -> None:
    visit().log_in("corp", "ada")
    answer = visit().log_in("lab", "ada")
    assert answer.status_code == 403
    assert "somebody else already" in answer.text
    check_refused(site, answer, "users/ada", "provider lab: id is taken")


def test_nobody_becomes_the_administrator(site: Site, visitor: Visitor) -> None:
    answer = visitor.log_in("corp", "admin")
    assert answer.status_code == 403
    assert not visitor.cookie("kea_session")
    check_refused(site, answer, "users/admin", "provider corp: reserved name")


def test_a_user_who_is_disabled_is_not_let_in_by_a_provider(site: Site, visit: Callable[[], Visitor]) -> None:
    site.corp.put("zoe", groups=[])
    visit().log_in("corp", "zoe")
    with site.platform.client() as admin:
        admin.patch("/api/v1/users/zoe?update_mask=disabled", json={"disabled": True}).raise_for_status()
    answer = visit().log_in("corp", "zoe")
    assert answer.status_code == 403
    check_refused(site, answer, "users/zoe", "provider corp: user is disabled")


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"state": "another"}, "state"),
        ({"iss": "http://127.0.0.1:1"}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"code": "another"}, "code"),
        ({"code": None}, "code"),
    ],
    ids=lambda given: (
        given if isinstance(given, str) else "-".join(f"{key}:{bool(value)}" for key, value in given.items())
    ),
)
def test_an_answer_that_was_changed_logs_nobody_in(
    site: Site, visitor: Visitor, changes: dict[str, str | None], rule: str
) -> None:
    stopped = visitor.follow(visitor.get("/login/corp?return_to=/docs"), user="ada", until="/login/corp/callback")
    answer = visitor.get(changed_query(stopped.extensions["place"], **changes))
    assert answer.status_code == 403
    assert not visitor.cookie("kea_session")
    check_refused(site, answer, "", f"provider corp: {rule}")


def test_an_answer_is_taken_once_and_in_the_browser_that_asked(site: Site, visit: Callable[[], Visitor]) -> None:
    visitor, thief = visit(), visit()
    stopped = visitor.follow(visitor.get("/login/corp?return_to=/docs"), user="ada", until="/login/corp/callback")
    place = stopped.extensions["place"]
    assert thief.get(place).status_code == 403
    kept = {cookie.name: cookie.value for cookie in visitor.http.cookies.jar if cookie.name.startswith("kea_flow_")}
    assert visitor.get(place).status_code == 303
    assert visitor.get(place).status_code == 403
    for name, value in kept.items():
        thief.http.cookies.set(name, value or "", domain="127.0.0.1", path="/login")
    answer = thief.get(place)  # with the cookie, too: the provider has given the tokens for this code
    assert answer.status_code == 403
    assert "invalid_grant" in answer.text


def test_one_providers_answer_is_not_taken_at_anothers_address(site: Site, visitor: Visitor) -> None:
    stopped = visitor.follow(visitor.get("/login/corp?return_to=/docs"), user="ada", until="/login/corp/callback")
    assert visitor.get(stopped.extensions["place"].replace("/login/corp/", "/login/lab/")).status_code == 403


def test_another_nonce_logs_nobody_in(site: Site, visitor: Visitor) -> None:
    asked = visitor.get("/login/corp?return_to=/docs")
    answer = visitor.http.get(changed_query(asked.headers["location"], nonce="another"))
    stopped = visitor.follow(answer, user="ada", until="/login/corp/callback")
    refused = visitor.get(stopped.extensions["place"])
    assert refused.status_code == 403
    assert "old" in refused.text
    check_refused(site, refused, "", "provider corp: nonce")


@pytest.mark.parametrize(
    "place",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "%2F%2Fevil.example",
        "javascript:alert(1)",
        "/%09/evil",
    ],
)
def test_nobody_is_sent_elsewhere(site: Site, visitor: Visitor, place: str) -> None:
    ended = visitor.follow(visitor.get(f"/login/corp?return_to={place}"), user="ada", until="/docs")
    assert str(ended.extensions.get("place", ended.url)).startswith(f"{site.url}/")


def test_the_providers_secret_is_shown_nowhere(site: Site) -> None:
    from openid_provider import SECRET

    logs = [file for file in site.platform.data.rglob("*.log") if file.is_file()]
    assert logs
    assert all(SECRET not in file.read_text(errors="replace") for file in logs)
