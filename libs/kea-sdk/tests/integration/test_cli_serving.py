from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from command_line import Kea
from fake_gateway import FakeGateway
from kea_sdk import Client
from sklearn.linear_model import LogisticRegression

VERSION = "projects/default/models/iris/versions/"


@pytest.fixture
def pushed(client: Client) -> LogisticRegression:
    model = LogisticRegression().fit(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0, 1]))
    client.push("iris", model)
    return model


@pytest.fixture
def deployed(client: Client, pushed: LogisticRegression) -> LogisticRegression:
    client.deploy("iris", replicas=2)
    return pushed


def test_deploy_says_what_serves_where(kea: Kea, client: Client, pushed: Any, gateway: FakeGateway) -> None:
    address = f"{gateway.url}/models/iris"
    assert kea("deploy", "iris").lines == [f"iris:1 serves {address}", f"docs: {address}/docs"]
    client.push("iris", pushed)
    assert kea("deploy", "iris:2").lines[-1] == "replaced: iris-v1"
    again = kea("deploy", "iris", "--replicas", 3, "-o", "json").json
    assert (again["deployment"]["replicas"], again["endpoint"]["url"], again["replaced"]) == (3, address, [])


def test_rollback_says_what_serves_where_and_revisions_what_has(
    kea: Kea, client: Client, pushed: Any, gateway: FakeGateway
) -> None:
    kea("deploy", "iris", "--cpu", "1")
    assert kea("rollback", "iris", fails=3).err == (
        "error: endpoint 'iris' has served nothing else before [REVISION_NOT_FOUND]\n"
    )
    client.push("iris", pushed)
    kea("deploy", "iris:2")
    address = f"{gateway.url}/models/iris"
    assert kea("rollback", "iris").lines == [f"iris:1 serves {address}", f"docs: {address}/docs", "replaced: iris-v2"]
    listed = kea("endpoints", "revisions", "iris").lines
    assert [line.split()[:2] for line in listed[1:]] == [["3", "iris:1"], ["2", "iris:2"], ["1", "iris:1"]]
    assert "resource_requests" in listed[1]
    assert kea("rollback", "iris", "--to", 2, "-o", "json").json["deployment"]["version"] == 2
    assert "kept are: 4, 3, 2, 1" in kea("rollback", "iris", "--to", 9, fails=3).err
    assert kea("endpoints", "revisions", "iris", "-o", "json").json[0]["targets"][0]["model"] == "iris"


def test_replicas_follow_cpu_and_requests(kea: Kea, pushed: Any, gateway: FakeGateway) -> None:
    assert "--target-requests needs --max-replicas" in kea("deploy", "iris", "--target-requests", 50, fails=6).err
    kea("deploy", "iris", "--max-replicas", 8, "--target-requests", 50)
    (found,) = gateway.world.deployments.values()
    scaling = found.autoscaling
    assert (scaling.min_replica_count, scaling.max_replica_count) == (1, 8)
    assert (scaling.target_cpu_percent, scaling.target_requests_per_second) == (80, 50)


def test_an_endpoint_is_changed(kea: Kea, pushed: Any) -> None:
    kea("deploy", "iris")
    assert kea("endpoints", "update", "iris", "--timeout", 5, "--retry", "unanswered").lines == ["iris is changed"]
    shown = kea("endpoints", "get", "iris").out
    assert "unanswered requests" in shown
    assert "5 s" in shown
    assert kea("endpoints", "update", "iris", "--timeout", 0, "-o", "json").json["timeout_seconds"] == 0
    assert "nothing is to be changed" in kea("endpoints", "update", "iris", fails=6).err


def test_deploy_under_another_name_without_waiting(kea: Kea, pushed: Any) -> None:
    done = kea("deploy", "iris", "--endpoint", "flowers", "--no-wait")
    assert done.out == "bringing iris:1 up as flowers-v1\n"


def test_a_model_that_does_not_come_up_fails_with_its_last_lines(kea: Kea, gateway: FakeGateway, pushed: Any) -> None:
    gateway.world.broken.add(f"{VERSION}1")
    assert kea("deploy", "iris", fails=1).err == (
        "  Traceback\n  ValueError: broken\nerror: iris-v1 did not come up: ValueError: broken [MODEL_LOAD_FAILED]\n"
    )


def test_a_deploy_that_takes_too_long_says_how_to_go_on(kea: Kea, gateway: FakeGateway, pushed: Any) -> None:
    gateway.world.slow = True
    done = kea("deploy", "iris", "--timeout", 1, fails=7)
    assert done.err == (
        "error: bringing iris-v1 up took longer than 1 s; it goes on coming up: deploy again to wait on, or undeploy "
        "[DEADLINE_EXCEEDED]\n"
    )


def test_undeploy_takes_an_endpoint_down(kea: Kea, deployed: Any, client: Client) -> None:
    assert kea("undeploy", "iris").out == "iris is down (iris-v1)\n"
    assert kea("undeploy", "iris", fails=3).err == "error: there is no endpoint 'iris' [ENDPOINT_NOT_FOUND]\n"
    client.deploy("iris")
    assert kea("undeploy", "iris", "--no-wait", "-o", "yaml").yaml == {"endpoint": "iris", "deployments": ["iris-v1"]}


def test_endpoints_are_listed_in_every_form(kea: Kea, gateway: FakeGateway, deployed: Any) -> None:
    lines = kea("endpoints", "list").lines
    assert lines[0].split() == ["ENDPOINT", "STATE", "SERVES", "AGE", "URL"]
    assert lines[1].split()[:3] == ["iris", "ACTIVE", "iris:1"]
    for found in (kea("endpoints", "list", "-o", "json").json, kea("endpoints", "list", "-o", "yaml").yaml):
        assert found[0]["url"] == f"{gateway.url}/models/iris"


def test_an_endpoint_is_shown_with_what_is_behind_it(kea: Kea, deployed: Any) -> None:
    details = dict(line.split("  ", 1) for line in kea("endpoints", "get", "iris").lines)
    assert {key.strip(): value.strip() for key, value in details.items()}["replicas"] == "iris-v1: 0 of 2 ready"
    found = kea("endpoints", "get", "iris", "-o", "json").json
    assert [entry["name"] for entry in found["deployments"]] == ["iris-v1"]
    kea("endpoints", "get", "nothing", fails=3)


def test_who_may_see_endpoints_only_sees_them(kea: Kea, gateway: FakeGateway, deployed: Any) -> None:
    gateway.world.failing["ListDeployments"] = grpc.StatusCode.PERMISSION_DENIED
    assert kea("endpoints", "list").lines[1].split()[:3] == ["iris", "ACTIVE", "iris-v1"]
    shown = kea("endpoints", "get", "iris")
    assert "iris-v1" in shown.out
    assert "replicas" not in shown.out
    assert kea("endpoints", "get", "iris", "-o", "json").json["deployments"] == []


def test_predict_prints_outputs_by_name(
    kea: Kea, gateway: FakeGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = '{"input": [[1, 2]]}'
    (tmp_path / "inputs.json").write_text(body)
    monkeypatch.setattr("sys.stdin", io.StringIO(body))
    for source in (body, "[[1, 2]]", f"@{tmp_path / 'inputs.json'}", "@-"):
        assert kea("predict", "iris", "-d", source).json == {"output": [3]}
    assert kea("predict", "iris", "-d", body, "-o", "table").out == "output  [3]\n"
    assert kea("predict", "iris", "-d", body, "-o", "yaml").yaml == {"output": [3]}
    kea("predict", "iris/score", "-d", body, "--project", "lab")
    assert gateway.world.calls[-1] == "/projects/lab/models/iris/score"


def test_inputs_that_do_not_fit_are_named(kea: Kea) -> None:
    for option in ((), ("--validate",)):
        done = kea("predict", "iris", "-d", "{}", *option, fails=6)
        assert "/input" in done.err
        assert done.err.splitlines()[-1].startswith("error: ")
    assert kea("predict", "iris", "-d", "[[1]]", "--validate").json == {"valid": True}


@pytest.mark.parametrize(
    ("inputs", "problem"),
    [
        ("{", "the inputs are not JSON: "),
        ("[NaN]", "the inputs cannot be sent as JSON: "),
        ("@gone.json", "gone.json cannot be read: No such file or directory"),
        ("@", "a file without a name cannot be read: Is a directory"),
        ("@binary", "the inputs are not JSON: 'utf-8' codec"),
    ],
)
def test_inputs_that_cannot_be_read_are_said_in_one_line(
    kea: Kea, inputs: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    done = kea("predict", "iris", "-d", inputs, fails=6)
    assert done.err.startswith(f"error: {problem}")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("status", "body", "code", "line"),
    [
        (500, b'{"detail": "the model failed", "reason": "MODEL_FAILED"}', 1, "the model failed [MODEL_FAILED]"),
        (503, b"upstream\n gone", 7, "Service Unavailable [UNAVAILABLE]"),
        (404, b'{"error": "no model"}', 3, "no model [NOT_FOUND]"),
        (403, b"", 4, "Forbidden [PERMISSION_DENIED]"),
        (429, b"", 7, "Too Many Requests [RESOURCE_EXHAUSTED]"),
        (504, b"", 7, "Gateway Timeout [DEADLINE_EXCEEDED]"),
        (200, b"<html>", 1, "the answer is not JSON; is this KEA's address? [INTERNAL]"),
        (200, b"[]", 1, "the answer is not an object; is this KEA's address? [INTERNAL]"),
    ],
)
def test_answers_that_are_errors_end_in_a_line_and_a_code(
    kea: Kea, gateway: FakeGateway, status: int, body: bytes, code: int, line: str
) -> None:
    gateway.world.answers["/models/iris/predict"] = status, body
    assert kea("predict", "iris", "-d", "[[1]]", fails=code).err == f"error: {line}\n"


def test_logs_are_printed_in_every_form(kea: Kea, deployed: Any) -> None:
    assert [line.partition(" ")[2] for line in kea("logs", "iris").lines] == ["a | Traceback", "a | ValueError: broken"]
    lines = [json.loads(line) for line in kea("logs", "iris", "-o", "json", "--follow").lines]
    assert [(line["replica"], line["text"]) for line in lines] == [("a", "Traceback"), ("a", "ValueError: broken")]
    assert kea("logs", "iris", "-o", "yaml").out.count("---\n") == 2
    kea("logs", "nothing", fails=3)


def test_docs_prints_an_address(kea: Kea, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"{gateway.url}/models/iris/docs"
    assert kea("docs", "iris").out == f"{address}\n"
    assert kea("docs", "iris", "-o", "json").json == {"endpoint": "iris", "docs_url": address}
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)  # a browser is not there, nor wanted
    done = kea("docs", "iris", "--open")
    assert (opened, done.err) == ([address], "note: no browser was found\n")


def test_token_prints_a_token_and_nothing_else(kea: Kea) -> None:
    assert kea("token", "--ttl", "10m", "--scope", "consumer", "--scope", "viewer").out == "600:consumer,viewer\n"
    made = kea("token", "-o", "json").json
    assert (made["access_token"], made["uid"]) == ("3600:", "0f8fad5b-d9cb")
