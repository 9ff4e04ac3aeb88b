from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import pytest
from login_site import Site
from platforms import KEA, environment
from visitor import Visitor

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT = "urn:ietf:params:oauth:token-type:jwt"
PASSWORD = "correct horse battery"


@pytest.fixture
def http(site: Site) -> Any:
    with httpx.Client(base_url=site.url, trust_env=False, timeout=30) as client:
        yield client


def token(http: httpx.Client, **form: str) -> httpx.Response:
    return http.post("/oauth/token", data=form)


def begin_device(http: httpx.Client) -> dict[str, Any]:
    answer = http.post("/oauth/device_authorization", data={"client_id": "kea-cli"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def poll(http: httpx.Client, begun: dict[str, Any]) -> httpx.Response:
    return token(http, grant_type=DEVICE, device_code=begun["device_code"], client_id="kea-cli")


def say_yes(visitor: Visitor, begun: dict[str, Any], user: str = "") -> httpx.Response:
    page = visitor.follow(visitor.get(begun["verification_uri_complete"]), user=user)
    assert begun["user_code"] in page.text
    return visitor.follow(visitor.post("/device", {"user_code": begun["user_code"], "answer": "yes"}), user=user)


def test_the_documents_say_where_everything_is(site: Site, http: httpx.Client) -> None:
    for name in ("openid-configuration", "oauth-authorization-server"):
        document = http.get(f"/.well-known/{name}").json()
        assert document["issuer"] == site.url
        assert http.get(document["jwks_uri"]).json()["keys"]
        assert http.post(document["token_endpoint"], data={}).json()["error"] == "invalid_request"


def test_a_service_account_gets_a_short_token_for_its_key(site: Site, http: httpx.Client) -> None:
    with site.platform.client() as admin:
        admin.post("/api/v1/serviceAccounts?service_account_id=ci", json={}).raise_for_status()
        key = admin.post("/api/v1/serviceAccounts/ci/apiKeys", json={}).json()
    wrong = token(http, grant_type="client_credentials", client_id="other", client_secret=key["token"])
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    assert wrong.headers["www-authenticate"].startswith("Basic")
    answer = http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=("ci", key["token"]))
    made = answer.json()
    assert made["token_type"] == "Bearer"
    assert 0 < made["expires_in"] <= 600
    assert answer.headers["cache-control"] == "no-store"
    claims = jwt.decode(made["access_token"], options={"verify_signature": False})
    assert claims["sub"] == "serviceAccounts/ci"
    assert claims["sid"] == key["name"].rpartition("/")[2]
    scoped = token(http, grant_type="client_credentials", client_id="ci", client_secret=key["token"], scope="none")
    assert scoped.json()["error"] == "invalid_scope"


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password", "username": "a", "password": "b"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "client_id": "other", "refresh_token": "x"}, "invalid_client"),
        ({"grant_type": "refresh_token", "client_id": "kea-cli", "refresh_token": "x"}, "invalid_grant"),
        ({"grant_type": "refresh_token", "client_id": "kea-cli"}, "invalid_request"),
        ({"grant_type": DEVICE, "client_id": "kea-cli", "device_code": "x"}, "expired_token"),
        ({"grant_type": EXCHANGE, "subject_token": "x", "subject_token_type": JWT}, "invalid_request"),
        ({"grant_type": "client_credentials", "client_id": "ci", "client_secret": "x"}, "invalid_client"),
    ],
)
def test_errors_are_those_of_the_standards(http: httpx.Client, form: dict[str, str], error: str) -> None:
    answer = token(http, **form)
    assert answer.json()["error"] == error
    assert answer.status_code == (401 if error == "invalid_client" else 400)


def test_a_device_is_logged_in_by_who_says_yes_and_once(site: Site, http: httpx.Client, visitor: Visitor) -> None:
    begun = begin_device(http)
    assert poll(http, begun).json()["error"] == "authorization_pending"
    assert poll(http, begun).json()["error"] == "slow_down"
    visitor.log_in("corp", "ada")
    assert "logged in" in say_yes(visitor, begun, "ada").text
    made = poll(http, begun).json()
    assert jwt.decode(made["access_token"], options={"verify_signature": False})["sub"] == "users/ada"
    assert poll(http, begun).json()["error"] == "expired_token"
    # A session of its own: it goes on when the browser's has ended.
    visitor.post("/login/end", {})
    again = token(http, grant_type="refresh_token", refresh_token=made["refresh_token"], client_id="kea-cli")
    assert again.status_code == 200, again.text


def test_a_device_is_refused(site: Site, http: httpx.Client, visitor: Visitor) -> None:
    begun = begin_device(http)
    visitor.log_in("corp", "ada")
    visitor.post("/device", {"user_code": begun["user_code"], "answer": "no"})
    assert poll(http, begun).json()["error"] == "access_denied"


def test_a_link_or_another_site_cannot_say_yes(site: Site, http: httpx.Client, visitor: Visitor) -> None:
    begun = begin_device(http)
    visitor.log_in("corp", "ada")
    visitor.get(f"/device?user_code={begun['user_code']}&answer=yes")
    form = {"user_code": begun["user_code"], "answer": "yes"}
    for origin in ("https://evil.example", "null", ""):
        assert visitor.post("/device", form, origin=origin).status_code == 403
    assert poll(http, begun).json()["error"] == "authorization_pending"


def test_a_refresh_token_used_twice_ends_the_session(site: Site, http: httpx.Client, visitor: Visitor) -> None:
    site.make_user("reuse", PASSWORD)
    visitor.post("/login/local?return_to=/docs", {"user": "reuse", "password": PASSWORD})
    begun = begin_device(http)
    say_yes(visitor, begun)
    first = poll(http, begun).json()
    second = token(http, grant_type="refresh_token", refresh_token=first["refresh_token"], client_id="kea-cli").json()
    third = token(http, grant_type="refresh_token", refresh_token=second["refresh_token"], client_id="kea-cli").json()
    assert third["refresh_token"] not in {first["refresh_token"], second["refresh_token"]}
    stolen = token(http, grant_type="refresh_token", refresh_token=first["refresh_token"], client_id="kea-cli")
    assert stolen.json()["error"] == "invalid_grant"
    ended = token(http, grant_type="refresh_token", refresh_token=third["refresh_token"], client_id="kea-cli")
    assert ended.json()["error"] == "invalid_grant"
    bearer = {"authorization": f"Bearer {third['access_token']}"}
    deadline = time.monotonic() + 2
    while http.post("/models/none/predict", json={}, headers=bearer).status_code != 401:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_id_token_of_a_trusted_issuer_is_exchanged(site: Site, http: httpx.Client, visitor: Visitor) -> None:
    theirs = id_token(site, visitor, "grace")
    answer = token(http, grant_type=EXCHANGE, subject_token=theirs, subject_token_type=JWT)
    made = answer.json()
    assert made["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    claims = jwt.decode(made["access_token"], options={"verify_signature": False})
    assert claims["sub"] == "users/grace"
    assert ",engineers," in claims["groups"]
    head, body, signature = theirs.split(".")
    forged = f"{head}.{body}.{signature[::-1]}"
    refused = token(http, grant_type=EXCHANGE, subject_token=forged, subject_token_type=JWT)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")


def test_a_subject_that_is_a_service_account_here_becomes_it(site: Site, http: httpx.Client, visitor: Visitor) -> None:
    site.corp.put("robot", groups=["admins"])
    with site.platform.client() as admin:
        admin.post("/api/v1/serviceAccounts?service_account_id=robot", json={}).raise_for_status()
    theirs = id_token(site, visitor, "robot")
    made = token(http, grant_type=EXCHANGE, subject_token=theirs, subject_token_type=JWT).json()
    claims = jwt.decode(made["access_token"], options={"verify_signature": False})
    assert claims["sub"] == "serviceAccounts/robot"
    assert "groups" not in claims


def id_token(site: Site, visitor: Visitor, user: str) -> str:
    """Returns an ID token of a provider's, which it gives as a hint when its user logs out."""
    visitor.log_in("corp", user)
    done = visitor.follow(visitor.post("/logout", {}), until=f"127.0.0.1:{site.corp.port}")
    found = re.search(r"id_token_hint=([^&]+)", done.extensions["place"])
    assert found
    return found[1]


def test_a_password_logs_in_and_another_ends_the_sessions(site: Site, visitor: Visitor) -> None:
    site.make_user("local", PASSWORD, "team")
    wrong = visitor.post("/login/local?return_to=/docs", {"user": "local", "password": "no"})
    unknown = visitor.post("/login/local?return_to=/docs", {"user": "nobody", "password": "no"})
    assert wrong.status_code == unknown.status_code == 403
    assert "the name or the password is not right" in wrong.text
    answer = visitor.post("/login/local?return_to=/docs?q=x", {"user": "local", "password": PASSWORD})
    assert answer.headers["location"] == "/docs?q=x"
    cookie = answer.headers.get_list("set-cookie")[0]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert visitor.api("/api/v1/users").status_code == 403
    with site.platform.client() as admin:
        admin.patch("/api/v1/users/local", json={"password": PASSWORD + "2"}).raise_for_status()
    deadline = time.monotonic() + 2
    while visitor.api("/api/v1/roles").status_code != 401:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_who_is_disabled_is_out_and_cannot_come_in(site: Site, visitor: Visitor) -> None:
    site.make_user("off", PASSWORD)
    visitor.post("/login/local?return_to=/docs", {"user": "off", "password": PASSWORD})
    with site.platform.client() as admin:
        admin.patch("/api/v1/users/off", json={"disabled": True}).raise_for_status()
    deadline = time.monotonic() + 2
    while visitor.api("/api/v1/roles").status_code != 401:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    visitor.forget_access()
    assert "is disabled" in visitor.get("/login?return_to=/docs").text
    assert visitor.post("/login/local?return_to=/", {"user": "off", "password": PASSWORD}).status_code == 403


def test_passwords_are_tried_only_so_often(site: Site, visitor: Visitor) -> None:
    answers = [visitor.post("/login/local?return_to=/", {"user": "guess", "password": str(n)}) for n in range(12)]
    assert [answer.status_code for answer in answers[:10]] == [403] * 10
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_a_form_of_another_site_logs_nobody_in(site: Site, visitor: Visitor) -> None:
    form = {"user": "local", "password": PASSWORD}
    assert visitor.post("/login/local?return_to=/", form, origin="https://evil.example").status_code == 403


def test_a_cookie_changes_nothing_for_another_site(site: Site, visitor: Visitor) -> None:
    site.bind("users/ada", "admin")
    visitor.log_in("corp", "ada")
    headers = {"accept": "application/json", "content-type": "application/json"}
    for origin in ({"origin": "https://evil.example"}, {}):
        address = f"{site.url}/api/v1/serviceAccounts?service_account_id=evil"
        answer = visitor.http.post(address, json={}, headers=headers | origin)
        assert answer.status_code == 403
        assert answer.json()["details"][0]["reason"] == "CROSS_SITE"
    assert visitor.api("/api/v1/serviceAccounts?service_account_id=good", method="POST", json={}).status_code == 200


def test_kea_login_and_logout(site: Site, visit: Callable[[], Visitor], tmp_path: Any) -> None:
    home = environment(site.platform) | {
        "KEA_HOME": str(tmp_path),
        "KEA_DATA": str(tmp_path / "data"),
        "BROWSER": "true",
    }
    process = subprocess.Popen(
        [KEA, "login", "--device"], env=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    place = ""
    while not place:
        line = process.stdout.readline()
        assert line
        found = re.search(r"http://\S+", line)
        place = found[0] if found else ""
    visitor = visit()
    visitor.log_in("corp", "grace")
    code = place.rpartition("=")[2]
    say_yes(visitor, {"verification_uri_complete": place, "user_code": code}, "grace")
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0, output
    assert "users/grace" in output
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert file.stat().st_mode & 0o777 == 0o600

    def kea(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([KEA, *arguments], env=home, capture_output=True, text=True, timeout=60, check=False)

    shown = kea("auth", "whoami", "-o", "json")
    assert shown.returncode == 0, shown.stderr
    assert "users/grace" in shown.stdout
    kept = json.loads(file.read_text())
    (only,) = kept.values()
    file.write_text(json.dumps({site.url: only | {"access_token": "gone", "expire_time": 0}}))
    assert kea("auth", "whoami").returncode == 0  # refreshed by itself
    assert kea("logout").returncode == 0
    assert json.loads(file.read_text()) == {}
    assert kea("auth", "whoami").returncode != 0
