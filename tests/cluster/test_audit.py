"""The audit log on a real cluster: two gateways tell it, it lies on a volume, and auth goes away meanwhile."""

from __future__ import annotations

import json
import threading
from collections import Counter, defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from company import CLASS, HOLDS_SECONDS, METHOD, TOLD_SECONDS, Company, call
from installation import Pod
from kea.sdk import Limits, RateLimit
from kit.commands import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.own_node, pytest.mark.timeout(300)]

INVOKE = "router.endpoints.invoke"
RESOURCE = "projects/default/endpoints/grades/methods/get_grades"
PAUSE_SECONDS = 0.05
ANSWERS_SECONDS = 60.0


class Calls:
    """Calls of the model at each gateway by itself, one after the other, by their requests' ids."""

    def __init__(self) -> None:
        self._told = threading.Condition()
        self.over = threading.Event()
        self.ids: dict[str, set[str]] = {}
        self.failures: list[str] = []

    def keep_asking(self, gateway: str, token: str) -> None:
        """Calls until it is over."""
        while not self.over.wait(PAUSE_SECONDS):
            try:
                answer = call(gateway, token)
            except httpx.HTTPError as error:
                self._note(gateway, repr(error), "")
            else:
                good = answer.status_code == HTTPStatus.OK
                self._note(gateway, "" if good else answer.text, answer.headers["x-request-id"])

    def await_more(self, count: int) -> None:
        """Waits until each gateway has answered that many more."""
        with self._told:
            before = {gateway: len(ids) for gateway, ids in self.ids.items()}
            enough = lambda: all(len(self.ids[gateway]) >= before[gateway] + count for gateway in before)  # noqa: E731
            assert self._told.wait_for(enough, ANSWERS_SECONDS), self.failures[:5]

    def all_ids(self) -> set[str]:
        """Returns the ids of all that were answered."""
        return set[str]().union(*self.ids.values())

    def _note(self, gateway: str, problem: str, request_id: str) -> None:
        with self._told:
            if problem:
                self.failures.append(problem)
            else:
                self.ids[gateway].add(request_id)
            self._told.notify_all()


@contextmanager
def calling(company: Company) -> Generator[Calls, None, None]:
    """Has a program call at each gateway for as long as the block; none of its calls may fail."""
    calls = Calls()
    gateways = company.gateways()
    assert len(gateways) == 2
    calls.ids = {gateway: set[str]() for gateway in gateways}
    threads = [threading.Thread(target=calls.keep_asking, args=(one, company.kea.token)) for one in gateways]
    for thread in threads:
        thread.start()
    try:
        calls.await_more(5)
        yield calls
    finally:
        calls.over.set()
        for thread in threads:
            thread.join()
    assert not calls.failures, f"{len(calls.failures)} failed: {calls.failures[:5]}"


def events_of(company: Company, wanted: set[str]) -> dict[str, list[dict[str, Any]]]:
    """Returns what the log tells of calls with these ids, once it tells of each."""
    found = defaultdict[str, list[dict[str, Any]]](list)

    def there() -> bool:
        found.clear()
        for event in company.events("--action", INVOKE, "--since", "5m"):
            found[event["requestId"]].append(event)
        return wanted <= found.keys()

    assert wait_until(there, TOLD_SECONDS), f"{len(wanted - found.keys())} of {len(wanted)} are not told"
    return {one: found[one] for one in wanted}


def await_each_once(company: Company, calls: Calls) -> None:
    """Waits until the log tells of every call; it must tell of each once."""
    told = events_of(company, calls.all_ids())
    assert Counter(len(events) for events in told.values()) == {1: len(told)}


def verified(company: Company, *options: str) -> dict[str, Any]:
    """Returns what `kea audit verify` says of a log that must be intact."""
    done = company.kea.kea("audit", "verify", "-o", "json", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def auth_of(company: Company) -> Pod:
    """Returns auth's only pod."""
    (found,) = [pod for pod in company.kea.pods() if pod.component == "auth"]
    return found


def limits(company: Company, rate: RateLimit | None, expected: HTTPStatus) -> None:
    """Limits how often each caller may call, and waits until both gateways answer so."""
    company.client.update_endpoint("grades", limits=Limits(per_consumer=rate))
    for gateway in company.gateways():
        assert wait_until(lambda: call(gateway, company.kea.token).status_code == expected, HOLDS_SECONDS)  # noqa: B023


def test_what_each_gateway_decides_is_found_by_the_command(company: Company) -> None:
    token = company.kea.token
    company.client.create_service_account("nobody")
    stranger = company.client.create_api_key("nobody").token
    answers = {
        (gateway, decision): call(gateway, given)
        for gateway in company.gateways()
        for decision, given in (("ALLOWED", token), ("DENIED", stranger), ("UNKNOWN", "none"))
    }
    limits(company, RateLimit(requests=2, period_seconds=3600), HTTPStatus.TOO_MANY_REQUESTS)
    try:
        answers |= {(gateway, "LIMITED"): call(gateway, token) for gateway in company.gateways()}
    finally:
        limits(company, None, HTTPStatus.OK)
    assert len(answers) == 8
    expected = {
        "ALLOWED": ("200", "DECISION_ALLOWED", "users/admin", "endpoint"),
        "DENIED": ("403", "DECISION_DENIED", "serviceAccounts/nobody", "no binding"),
        "UNKNOWN": ("401", "DECISION_DENIED", "", None),
        "LIMITED": ("429", "DECISION_LIMITED", "users/admin", None),
    }
    told = events_of(company, {answer.headers["x-request-id"] for answer in answers.values()})
    for (_, decision), answer in answers.items():
        (event,) = told[answer.headers["x-request-id"]]
        outcome, decided, subject, rule = expected[decision]
        assert str(answer.status_code) == outcome
        found = (event["outcome"], event["decision"], event.get("subject", ""))
        assert found == (outcome, decided, subject)
        assert rule is None or event["rule"] == rule
        assert (event["source"], event["resource"]) == ("gateway", RESOURCE)


def test_what_services_have_changed_is_found_by_the_command(company: Company) -> None:
    actions = {
        "auth": "auth.bindings.create",
        "registry": "registry.modelVersions.create",
        "deployer": "deployer.deployments.create",
        "router": "router.endpoints.create",
    }
    for source, action in actions.items():
        event = company.told(1, "--action", action, "--source", source)[0]
        assert (event["subject"], event["decision"]) == ("users/admin", "DECISION_ALLOWED")
    refused = company.kea.kea("audit", "search", "--token", "none")
    assert refused.returncode == 4, refused.stderr


def test_nothing_is_lost_while_auth_is_away(company: Company) -> None:
    namespace = company.kea.namespace
    deployment = f"deployment/{namespace.name}-auth"
    visitor = company.visit()
    visitor.log_in("corp", "ada")
    known = verified(company)["segments"][-1]["hash"]
    before = len(company.events("--action", "router.endpoints.update"))
    with calling(company) as calls:
        pod = auth_of(company)
        namespace("scale", deployment, "--replicas=0")
        try:
            namespace("delete", "pod", pod.name, "--force", "--grace-period=0")
            assert wait_until(lambda: visitor.get("/login").status_code == HTTPStatus.SERVICE_UNAVAILABLE, 30)
            calls.await_more(50)
            assert visitor.api(METHOD, method="POST", json=CLASS).status_code == 200  # a session goes on
            company.client.update_endpoint("grades", timeout_seconds=30)  # and so does managing
            assert company.kea.kea("audit", "search").returncode == 7
            calls.await_more(50)
        finally:
            namespace("scale", deployment, "--replicas=1")
        namespace("rollout", "status", deployment, "--timeout=60s", timeout=90)
        calls.await_more(20)
    await_each_once(company, calls)
    assert len(company.told(before + 1, "--action", "router.endpoints.update")) == before + 1
    verified(company, "--known-hash", known)
    assert visitor.api("/login/renew", method="POST").status_code == 200


def test_the_log_outlives_auths_pod(company: Company) -> None:
    pod = auth_of(company)
    with calling(company) as calls:
        known = verified(company)["segments"][-1]["hash"]
        company.kea.restart(pod)  # for a while there are two, and both write
        company.kea.namespace.wait("delete", f"pod/{pod.name}")
        calls.await_more(20)
    await_each_once(company, calls)
    verified(company, "--known-hash", known)
