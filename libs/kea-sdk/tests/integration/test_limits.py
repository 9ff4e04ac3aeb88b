from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from command_line import Kea
from fake_gateway import FakeGateway
from kea_sdk import Aborted, Client, Limits, RateLimit
from sklearn.linear_model import LogisticRegression

ENDPOINT = "projects/default/endpoints/iris"


@pytest.fixture
def deployed(client: Client) -> Client:
    client.push("iris", LogisticRegression().fit(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0, 1])))
    client.deploy("iris")
    return client


def test_an_endpoints_limits_are_set_as_a_whole_and_kept_by_other_changes(deployed: Client) -> None:
    assert deployed.endpoint("iris").limits == Limits()
    total = RateLimit(requests=10, period_seconds=60, burst=3)
    wanted = Limits(total=total, max_concurrent_requests=4, max_concurrent_requests_per_consumer=2)
    assert deployed.update_endpoint("iris", limits=wanted).limits == wanted
    assert deployed.update_endpoint("iris", timeout_seconds=5).limits == wanted
    other = Limits(per_consumer=RateLimit(requests=1))
    assert deployed.update_endpoint("iris", limits=other).limits == other
    assert deployed.update_endpoint("iris", limits=Limits()).limits == Limits()


def test_who_changed_the_endpoint_meanwhile_is_not_overruled(deployed: Client, gateway: FakeGateway) -> None:
    read = deployed.endpoint("iris")
    gateway.world.endpoints[ENDPOINT].etag = "other"
    with pytest.raises(Aborted):
        deployed.update_endpoint("iris", limits=Limits(), etag=read.etag)


def test_a_projects_limits_are_set_and_taken_away(client: Client) -> None:
    assert client.project_limits().total is None
    made = client.update_project_limits(total=RateLimit(requests=5), max_concurrent_requests=4)
    assert client.project_limits() == made
    assert (made.total, made.max_concurrent_requests) == (RateLimit(requests=5), 4)
    gone = client.update_project_limits(etag=made.etag)
    assert (gone.total, gone.max_concurrent_requests) == (None, 0)


def test_limits_are_set_one_by_one_on_the_command_line_and_shown(kea: Kea, deployed: Any) -> None:
    assert "limits" not in kea("endpoints", "get", "iris").out
    assert kea("endpoints", "update", "iris", "--limit", "10/m,burst=3").lines == ["iris is changed"]
    kea("endpoints", "update", "iris", "--consumer-limit", "2/s", "--concurrency", 4, "--consumer-concurrency", 3)
    shown = kea("endpoints", "get", "iris").out
    lines = ("10/m, burst=3 of all requests", "2/s of each consumer", "4 in progress", "3 of each consumer in progress")
    for line in lines:
        assert line in shown
    kea("endpoints", "update", "iris", "--limit", "none", "--concurrency", 0)
    found = kea("endpoints", "get", "iris", "-o", "json").json["endpoint"]["limits"]
    assert found == {
        "total": None,
        "per_consumer": {"requests": 2, "period_seconds": 1, "burst": 0},
        "max_concurrent_requests": 0,
        "max_concurrent_requests_per_consumer": 3,
    }
    assert "'many' is no rate" in kea("endpoints", "update", "iris", "--limit", "many", fails=6).err


def test_a_projects_limits_are_shown_and_changed_on_the_command_line(kea: Kea) -> None:
    assert kea("limits", "get").lines == ["project        default", "all endpoints  no limit"]
    assert kea("limits", "update", "--limit", "100/s").lines == ["the limits of default are changed"]
    kea("limits", "update", "--concurrency", 9)
    shown = kea("limits", "get").lines[1:]
    assert [line.removeprefix("all endpoints").strip() for line in shown] == ["100/s of all requests", "9 in progress"]
    found = kea("limits", "update", "--limit", "none", "-o", "json").json
    assert (found["total"], found["max_concurrent_requests"]) == (None, 9)
    assert "nothing to change" in kea("limits", "update", fails=2).err
