"""Logging in on a real cluster: an identity provider, and the cluster itself, say who calls.

The provider and what ends TLS run on this machine; KEA is in its pods, and knows them by a Secret.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from company import ACCOUNTS, CLASS, GRADES, HOLDS_SECONDS, METHOD, PROVIDERS, Company, call
from kit.commands import wait_until
from openid_provider import SECRET
from visitor import Visitor
from workloads import pod

pytestmark = [pytest.mark.cluster, pytest.mark.own_node, pytest.mark.timeout(300)]

SESSION, REFRESH = "__Host-kea_session", "__Secure-kea_refresh"
DOCS = "/models/grades/docs"
TOKENS = "/run/tokens"
EXCHANGE = f"""
import json, urllib.error, urllib.parse, urllib.request

def post(path, body, **headers):
    request = urllib.request.Request("http://GATEWAY" + path, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)

for name in ("kea", "other"):
    form = {{
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": open("{TOKENS}/" + name).read(),
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    }}
    status, made = post("/oauth/token", urllib.parse.urlencode(form).encode())
    print(json.dumps([status, made.get("error", ""), made.get("error_description", "")]))
    if status == 200:
        bearer = {{"Authorization": "Bearer " + made["access_token"], "Content-Type": "application/json"}}
        print(json.dumps(post("{METHOD}", json.dumps({CLASS}).encode(), **bearer)))
"""
"""What a program in a pod does that has nothing but the tokens that the kubelet gives it."""


def calls(visitor: Visitor) -> httpx.Response:
    """Calls the model as a page's script does, by the session's cookie."""
    return visitor.api(METHOD, method="POST", json=CLASS)


def renew(visitor: Visitor) -> httpx.Response:
    return visitor.api("/login/renew", method="POST")


def test_a_person_goes_from_a_page_to_the_provider_and_back_and_may_call(company: Company) -> None:
    visitor = company.visit()
    asked = visitor.get(DOCS)
    assert (asked.status_code, asked.headers["location"]) == (302, f"/login?return_to={DOCS}")
    choosing = visitor.follow(asked)
    assert "Example Corp" in choosing.text
    found = re.search(r'href="(/login/corp[^"]*)"', choosing.text)
    assert found
    leaving = visitor.get(found[1].replace("&amp;", "&"))
    assert leaving.headers["location"].startswith(f"{company.provider.issuer}/auth?")
    assert "code_challenge_method=S256" in leaving.headers["location"]
    page = visitor.follow(leaving, user="ada")
    assert (page.status_code, str(page.url)) == (200, company.url + DOCS)
    assert "get_grades" in page.text
    assert "ada" in page.text
    assert all(cookie.secure for cookie in visitor.http.cookies.jar if "kea_" in cookie.name)
    answer = calls(visitor)
    assert (answer.status_code, answer.json()) == (200, GRADES)
    assert visitor.api("/api/v1/roles").status_code == 200
    (event,) = company.told(1, "--request-id", answer.headers["x-request-id"])
    assert (event["subject"], event["rule"]) == ("users/ada", "endpoint")
    assert event["sourceAddress"] == company.provider.host  # what the edge has told, not the edge
    logins = company.told(1, "--action", "auth.sessions.create", "--subject", "user:ada")
    assert {login["rule"] for login in logins} == {"provider corp"}


def test_who_is_in_no_group_logs_in_and_may_call_nothing(company: Company) -> None:
    visitor = company.visit()
    page = visitor.log_in("corp", "eve")
    assert (page.status_code, str(page.url)) == (200, f"{company.url}/docs")
    assert "grades" not in page.text
    assert visitor.get(DOCS).status_code == 404
    assert calls(visitor).status_code == 403


def test_a_group_that_is_taken_away_is_gone_at_the_next_renewal(company: Company) -> None:
    visitor = company.visit()
    visitor.log_in("corp", "grace")
    before = visitor.cookie(SESSION)
    renewed = renew(visitor)
    assert (renewed.status_code, renewed.json()["subject"]) == (200, "users/grace")
    assert visitor.cookie(SESSION) != before
    company.provider.put("grace", groups=["navy"])
    try:
        assert calls(visitor).status_code == 200  # her token is still good
        visitor.forget_access()
        assert renew(visitor).status_code == 200
        assert calls(visitor).status_code == 403
        assert visitor.get(DOCS).status_code == 404
    finally:
        company.provider.put("grace", **ACCOUNTS["grace"])


def test_who_logs_out_is_out_at_every_gateway_and_at_the_provider(company: Company) -> None:
    visitor = company.visit()
    visitor.log_in("corp", "ada")
    token, refresh = visitor.cookie(SESSION), visitor.cookie(REFRESH)
    assert {call(gateway, token).status_code for gateway in company.gateways()} == {200}
    left = visitor.follow(visitor.post("/logout", {}), until=company.provider.issuer)
    assert "/session/end?" in left.extensions["place"]
    assert visitor.get(left.extensions["place"]).status_code == 200
    assert not visitor.cookie(SESSION)
    gone = {HTTPStatus.UNAUTHORIZED}
    assert wait_until(
        lambda: {call(gateway, token).status_code for gateway in company.gateways()} == gone, HOLDS_SECONDS
    )
    visitor.http.cookies.set(REFRESH, refresh, domain=company.provider.host, path="/login")
    assert renew(visitor).status_code == 401


def test_a_service_account_calls_by_a_token_for_its_key(company: Company) -> None:
    company.client.create_service_account("timetable")
    company.allow("account:timetable", "consumer", "grades/get_grades")
    key = company.client.create_api_key("timetable").token
    with httpx.Client(base_url=company.url, verify=company.trust, trust_env=False, timeout=15) as http:
        form = {"grant_type": "client_credentials", "client_id": "timetable"}
        assert http.post("/oauth/token", data=form | {"client_secret": "wrong"}).status_code == 401
        made = http.post("/oauth/token", data=form | {"client_secret": key}).raise_for_status().json()
        assert made["expires_in"] <= 600
    for token in (made["access_token"], key):
        for gateway in company.gateways():
            assert wait_until(lambda: call(gateway, token).status_code == HTTPStatus.OK, HOLDS_SECONDS)  # noqa: B023


def test_a_pod_without_a_secret_of_kea_calls_by_its_service_accounts_token(company: Company) -> None:
    company.client.create_service_account("robot")
    company.allow("account:robot", "consumer", "grades/get_grades")
    namespace = company.kea.namespace
    for account in ("robot", "stranger"):
        namespace("create", "serviceaccount", account)
    printed = [run_as(company, account) for account in ("robot", "stranger")]
    (exchanged, called, other), (refused, refused_too) = printed
    assert exchanged[0] == 200
    assert called == [200, GRADES]
    assert (other[:2], refused_too[:2]) == ([400, "invalid_request"],) * 2
    assert "Audience doesn't match" in other[2]
    assert refused[:2] == [400, "invalid_request"]
    assert refused[2].endswith(f"'system:serviceaccount:{namespace.name}:stranger'")
    (event,) = company.told(1, "--action", "auth.tokens.create", "--subject", "account:robot")
    assert (event["decision"], event["rule"]) == ("DECISION_ALLOWED", "token of cluster")


def run_as(company: Company, account: str) -> list[Any]:
    """Runs a program as a service account of the cluster; returns what it printed."""
    namespace = company.kea.namespace
    gateway = f"{namespace.name}-gateway"
    whole = pod(namespace, account, ["python3", "-c", EXCHANGE.replace("GATEWAY", gateway)])
    sources = [{"serviceAccountToken": {"path": name, "audience": name}} for name in ("kea", "other")]
    whole["spec"] |= {
        "serviceAccountName": account,
        "automountServiceAccountToken": False,
        "volumes": [{"name": "tokens", "projected": {"sources": sources}}],
    }
    whole["spec"]["containers"][0]["volumeMounts"] = [{"name": "tokens", "mountPath": TOKENS}]
    return [json.loads(line) for line in namespace.run(whole).splitlines()]


def test_the_providers_secret_is_in_its_secret_and_nowhere_else(company: Company) -> None:
    namespace = company.kea.namespace
    kinds = "configmaps,deployments,statefulsets,pods,jobs,events"
    assert PROVIDERS in namespace("get", kinds, "-o", "yaml")
    assert SECRET not in namespace("get", kinds, "-o", "yaml")
    assert SECRET not in company.kea.helm("get", "all", namespace.name)
    for found in company.kea.pods():
        assert SECRET not in namespace("logs", found.name, "--all-containers")
