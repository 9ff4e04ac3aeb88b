"""The audit log of a platform that runs, asked by the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
from platforms import RunningPlatform, start, stop, until


def found(platform: RunningPlatform, count: int, *wanted: str) -> list[dict[str, Any]]:
    """Returns the events that fit, once there are that many: Envoy sends every second."""

    def enough() -> list[dict[str, Any]]:
        events = platform.kea_json("audit", "search", "--oldest-first", *wanted)
        return events if len(events) >= count else []

    return until(enough)


def test_calls_and_changes_are_told_and_nothing_secret_is(iris: RunningPlatform) -> None:
    body = {"input": [[5.1, 3.5, 1.4, 0.123454321]]}
    with iris.client() as client:
        answer = client.post("/models/iris/predict?api_key=query-secret", json=body)
        assert answer.status_code == 200
        request = answer.headers["x-request-id"]
    refused = httpx.post(f"{iris.url}/models/iris/predict", json=body, trust_env=False)
    assert refused.status_code == 401

    (called,) = found(iris, 1, "--request-id", request)
    assert (called["subject"], called["resource"]) == ("users/admin", "projects/default/endpoints/iris/methods/predict")
    assert (called["decision"], called["rule"], called["outcome"]) == ("ALLOWED", "endpoint", "200")
    assert called["model_version"]
    (denied,) = found(iris, 1, "--decision", "denied", "--request-id", refused.headers["x-request-id"])
    assert (denied["subject"], denied["outcome"]) == ("", "401")

    pushed = found(iris, 1, "--action", "registry", "--resource", "models/iris")
    # Other tests call on the same platform, and are refused.
    made = {(event["source"], event["rule"]) for event in pushed if event["outcome"] == "OK"}
    assert made == {("registry", "built in: admin")}
    assert "projects/default/models/iris/versions/1" in {event["resource"] for event in pushed}
    deployed = found(iris, 1, "--action", "deployer.deployments.create")
    assert deployed[0]["source_address"] == "127.0.0.1"
    assert found(iris, 1, "--action", "router.endpoints.create")[0]["source"] == "router"

    lines = iris.kea("audit", "export").stdout
    assert len([json.loads(line) for line in lines.splitlines()]) >= 6
    for secret in ("query-secret", iris.token, "0.123454321"):
        assert secret not in lines
    assert "intact" in iris.kea("audit", "verify").stdout


def test_a_byte_that_is_changed_is_found(tmp_path: Path) -> None:
    platform = start(tmp_path / "data")
    try:
        for role in ("one", "two", "three"):
            platform.kea("auth", "roles", "create", role, "--permission", "registry.models.get")
        found(platform, 3, "--action", "auth.roles.create")
        known = platform.kea_json("audit", "verify")["segments"][-1]["hash"]
        platform.kea("audit", "verify", "--known-hash", known)
        (segment,) = (platform.data / "audit" / "000").glob("*.audit")
        content = bytearray(segment.read_bytes())
        content[len(content) // 2] ^= 1
        segment.write_bytes(content)
        told = platform.kea("audit", "verify", check=False)
        assert told.returncode == 1
        assert "BROKEN at segment 1, byte" in told.stdout

        stop(platform)
        platform = start(tmp_path / "data")
        platform.kea("auth", "roles", "create", "four", "--permission", "registry.models.get")
        assert len(found(platform, 1, "--action", "auth.roles.create")) >= 1
        told = platform.kea("audit", "verify", check=False)
        assert (told.returncode, told.stdout.count("BROKEN at segment 1,")) == (1, 1)
    finally:
        stop(platform)
