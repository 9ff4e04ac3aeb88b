from __future__ import annotations

import pytest
from audit_batches import START, batch_of, request
from kea.otlp.v1 import logs_pb2
from kea_auth.audit.decoding import decide, decode
from kea_auth.audit.event import AuditEvent, Decision
from kea_core import audit_attributes as names

PROJECT = "projects/default/endpoints"


def event(**told: str) -> AuditEvent:
    return next(decode(batch_of(request(START, **told))))[0]


@pytest.mark.parametrize(
    ("details", "flags", "status", "decision", "rule"),
    [
        ("via_upstream", "-", "200", Decision.ALLOWED, "endpoint"),
        ("via_upstream", "-", "429", Decision.ALLOWED, "endpoint"),  # the model's own
        ("direct_response", "-", "404", Decision.ALLOWED, "endpoint"),
        ("upstream_reset_before_response_started{connection_failure}", "UF", "503", Decision.ALLOWED, "endpoint"),
        ("no_healthy_upstream", "UH", "503", Decision.ALLOWED, "endpoint"),
        ("jwt_authn_access_denied{Jwt_is_expired}", "-", "401", Decision.DENIED, "token: Jwt is expired"),
        ("rbac_access_denied_matched_policy[none]", "-", "403", Decision.DENIED, "no binding"),
        ("rbac_access_denied_matched_policy[revoked]", "-", "401", Decision.DENIED, "token: revoked"),
        ("local_rate_limited", "RL", "429", Decision.LIMITED, "local_rate_limited"),
        ("reached_concurrency_limit", "-", "429", Decision.LIMITED, "reached_concurrency_limit"),
        ("consumer_at_limit", "-", "429", Decision.LIMITED, "consumer_at_limit"),
        ("project_at_limit", "-", "429", Decision.LIMITED, "project_at_limit"),
        (
            "upstream_reset_before_response_started{overflow}",
            "UO",
            "503",
            Decision.LIMITED,
            "upstream_reset_before_response_started{overflow}",
        ),
        ("route_not_found", "NR", "404", Decision.NONE, "route_not_found"),
        ("path_normalization_failed", "-", "400", Decision.NONE, "path_normalization_failed"),
    ],
)
def test_what_envoy_says_of_a_request_tells_the_decision(
    details: str, flags: str, status: str, decision: Decision, rule: str
) -> None:
    told = {names.DETAILS: details, names.FLAGS: flags, names.HTTP_STATUS: status, names.RULE: "endpoint"}
    assert decide(told) == (decision, rule)


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        ("/models/iris/predict", f"{PROJECT}/iris/methods/predict"),
        ("/models/iris/predict:validate", f"{PROJECT}/iris/methods/predict"),
        ("/v2/models/iris.explain/infer", f"{PROJECT}/iris/methods/explain"),
        ("/v2/models/iris/versions/3/infer", f"{PROJECT}/iris"),
        ("/v1/models/iris:predict", f"{PROJECT}/iris"),
        ("/projects/lab/models/iris/predict", "projects/lab/endpoints/iris/methods/predict"),
    ],
)
def test_a_call_that_was_refused_before_its_model_was_known_is_told_by_its_path(path: str, resource: str) -> None:
    found = event(http_request_method="POST", url_path=path, envoy_response_code__details="jwt_authn_access_denied{x}")
    assert (found.action, found.resource) == ("router.endpoints.invoke", resource)


def test_headers_of_a_caller_that_is_not_known_are_not_believed() -> None:
    told = {"kea_endpoint": "lab/forged", "kea_method": "forged", "url_path": "/models/iris/predict"}
    refused = event(**told, envoy_response_code__details="jwt_authn_access_denied{x}")
    assert refused.resource == f"{PROJECT}/iris/methods/predict"
    assert event(**told, envoy_response_code__details="via_upstream").resource == (
        "projects/lab/endpoints/forged/methods/forged"
    )


def test_the_same_log_has_the_same_id_and_another_has_another() -> None:
    once, again = event(kea_request_id="a"), event(kea_request_id="a")
    assert once == again
    assert once.id != event(kea_request_id="b").id


def test_lines_become_attributes_and_the_first_of_a_name_is_believed() -> None:
    text = "user.id=users/ada\nkea.rule=-\nhttp.request.method=POST\nurl.path=/models/iris/a=b\nuser.id=users/eve\nnone"
    record = logs_pb2.LogRecord(time_unix_nano=START, body=logs_pb2.AnyValue(string_value=text))
    ((found, told),) = decode(batch_of(record))
    assert (found.subject, found.rule, found.request) == ("users/ada", "", "POST /models/iris/a=b")
    assert {entry.key: entry.value.string_value for entry in told.attributes} == {
        "user.id": "users/ada",
        "http.request.method": "POST",
        "url.path": "/models/iris/a=b",
    }
    assert not told.HasField("body")


def test_a_log_of_somebody_else_keeps_its_body() -> None:
    record = logs_pb2.LogRecord(time_unix_nano=START, body=logs_pb2.AnyValue(string_value="something happened"))
    ((_, told),) = decode(batch_of(record))
    assert told == record


def test_an_event_that_a_service_tells_is_what_it_says() -> None:
    record = logs_pb2.LogRecord(time_unix_nano=START)
    told = {
        names.EVENT_ID: "e" * 32,
        names.ACTION: "registry.models.create",
        names.RESOURCE: "projects/p/models/m",
        names.DECISION: "allowed",
        names.RULE: "bindings/b",
        names.OUTCOME: "OK",
        names.SUBJECT: "users/ada",
        names.REQUEST: "/kea.registry.v1.ModelService/CreateModel",
    }
    for name, text in told.items():
        record.attributes.add(key=name).value.string_value = text
    (found, _) = next(decode(batch_of(record, source="registry")))
    assert found == AuditEvent(
        id="e" * 32,
        time=START,
        decision=Decision.ALLOWED,
        subject="users/ada",
        action="registry.models.create",
        resource="projects/p/models/m",
        rule="bindings/b",
        outcome="OK",
        source="registry",
        request="/kea.registry.v1.ModelService/CreateModel",
    )


def test_what_somebody_elses_source_sends_is_an_event_all_the_same() -> None:
    record = logs_pb2.LogRecord(observed_time_unix_nano=START)
    record.attributes.add(key="kea.action").value.string_value = "x"
    record.attributes.add(key="kea.decision").value.int_value = 3
    (found, _) = next(decode(batch_of(record, source="")))
    assert (found.time, found.decision, found.action) == (START, Decision.NONE, "x")
