"""`kea build` and `kea builds`, and the client's half of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import USAGE, Kea
from fake_gateway import FakeGateway
from kea.deployer.v1 import build_pb2
from kea_sdk import BuildFailed, Client, DeadlineExceeded, NotFound, image_download
from sklearn.linear_model import LogisticRegression

Build = build_pb2.Build


@pytest.fixture(autouse=True)
def pushed(client: Client) -> None:
    client.push("iris", LogisticRegression().fit(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0, 1])))


def test_build_waits_for_the_image_and_shows_the_lines(kea: Kea, gateway: FakeGateway) -> None:
    done = kea("build", "iris")
    assert done.out == f"{gateway.world.image}\n"
    assert done.err.splitlines() == [
        "[resolving] the requirements",
        "it is  [31mdone",
        "at once",
        "iris:1 for linux/amd64, 5.0 MB pushed",
    ]


def test_build_says_what_for(kea: Kea, gateway: FakeGateway) -> None:
    made = kea("build", "iris:1", "--platform", "linux/amd64", "--platform", "linux/arm64", "-o", "json").json
    assert (made["model"], made["version"], made["platforms"]) == ("iris", 1, ["linux/amd64", "linux/arm64"])
    assert made["image"] == gateway.world.image
    assert len(gateway.world.request_ids[-1]) == 36


def test_build_need_not_wait(kea: Kea, gateway: FakeGateway) -> None:
    gateway.world.build_ends = Build.STATE_RUNNING
    assert kea("build", "iris", "--no-wait").out == "building iris:1 as b1\n"
    assert kea("build", "iris", "--no-wait", "-o", "yaml").yaml["state"] == "RUNNING"


def test_a_build_that_fails_says_why(kea: Kea, gateway: FakeGateway) -> None:
    gateway.world.build_ends = Build.STATE_FAILED
    last = kea("build", "iris", fails=1).err.splitlines()[-1]
    assert last == "error: No solution found: clack is not there [ENVIRONMENT_FAILED]"
    assert kea("build", "none", fails=3).err == "error: there is no such model [MODEL_NOT_FOUND]\n"


def test_a_build_that_takes_too_long_says_how_to_go_on(kea: Kea, gateway: FakeGateway) -> None:
    gateway.world.build_ends = Build.STATE_RUNNING
    last = kea("build", "iris", "--timeout", 1, fails=7).err.splitlines()[-1]
    assert last == "error: build b1 took longer than 1 s; it goes on: wait for it, or cancel it [DEADLINE_EXCEEDED]"


def test_whoever_interrupts_a_build_cancels_it(kea: Kea, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway.world.build_ends = Build.STATE_RUNNING
    find = Client.find_build

    def interrupted(client: Client, build: str) -> Any:
        found = find(client, build)
        if gateway.world.log("StreamBuildLogs"):
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(Client, "find_build", interrupted)  # where Ctrl-C meets whoever waits
    done = kea("build", "iris", fails=130)
    assert "cancelling build b1" in done.err
    assert gateway.world.builds["projects/default/builds/b1"].step == "cancelling"


def test_lines_that_break_off_are_taken_up_and_not_shown_twice(kea: Kea, gateway: FakeGateway) -> None:
    gateway.world.broken_streams, gateway.world.build_looks = 1, 6
    shown = kea("build", "iris").err.splitlines()
    assert len(gateway.world.log("StreamBuildLogs")) == 2
    assert shown[:-1] == ["[resolving] the requirements", "it is  [31mdone", "at once"]


def test_an_image_can_be_brought_into_a_file(
    kea: Kea, gateway: FakeGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def download(image: str, path: Path, *, plain_http: bool, progress: Callable[[int, int], None]) -> None:
        progress(1, 2)
        asked.append((image, path, plain_http))

    monkeypatch.setattr(image_download, "download_image", download)  # a registry has tests of its own
    kea("build", "iris", "--layout", tmp_path / "iris.tar", "--plain-http")
    assert asked == [(gateway.world.image, tmp_path / "iris.tar", True)]
    assert "--no-wait" in kea("build", "iris", "--layout", "iris.tar", "--no-wait", fails=USAGE).err


def test_builds_are_listed_newest_first_in_every_form(kea: Kea) -> None:
    kea("build", "iris")
    kea("build", "iris", "--no-wait")
    lines = [line.split() for line in kea("builds", "list").lines]
    assert lines[0] == ["BUILD", "MODEL", "STATE", "PLATFORMS", "AGE", "IMAGE"]
    assert [line[:4] for line in lines[1:]] == [
        ["b2", "iris:1", "RUNNING", "linux/amd64"],
        ["b1", "iris:1", "SUCCEEDED", "linux/amd64"],
    ]
    for found in (kea("builds", "list", "-o", "json").json, kea("builds", "list", "-o", "yaml").yaml):
        assert [entry["name"] for entry in found] == ["b2", "b1"]


def test_a_build_is_shown_with_its_packages(kea: Kea, gateway: FakeGateway) -> None:
    kea("build", "iris")
    shown = kea("builds", "get", "b1").out
    assert re.search(r"^packages +click==8\.1\.7\n +numpy==2\.0$", shown, re.MULTILINE)
    assert re.search(rf"^image +{re.escape(gateway.world.image)}$", shown, re.MULTILINE)
    assert "problem" not in shown
    found = kea("builds", "get", "b1", "-o", "json").json
    assert "--hash=sha256:3" in found["locks"]["linux/amd64, Python 3.11"]
    assert kea("builds", "get", "b2", fails=3).err == "error: there is no such build [BUILD_NOT_FOUND]\n"
    kea("builds", "get", "B!", fails=6)
    gateway.world.build_ends = Build.STATE_FAILED
    kea("build", "iris", fails=1)
    shown = kea("builds", "get", "b2").out
    assert re.search(r"^problem +No solution found:\n +clack is not there \[ENVIRONMENT_FAILED\]$", shown, re.MULTILINE)


def test_the_log_of_a_build_is_printed_in_every_form(kea: Kea) -> None:
    kea("build", "iris")
    lines = [line.partition(" ")[2] for line in kea("builds", "logs", "b1").lines]
    assert lines[0] == "b1 | [resolving] the requirements"
    followed = [json.loads(line) for line in kea("builds", "logs", "b1", "-f", "-o", "json").lines]
    assert [line["text"] for line in followed] == ["[resolving] the requirements", "it is \x1b[31mdone", "at once"]
    assert kea("builds", "logs", "b1", "-o", "yaml").out.count("---\n") == 3


def test_a_build_is_cancelled_and_forgotten(kea: Kea, gateway: FakeGateway) -> None:
    gateway.world.build_ends = Build.STATE_RUNNING
    kea("build", "iris", "--no-wait")
    assert kea("builds", "cancel", "b1").out == "b1 is being cancelled\n"
    assert kea("builds", "cancel", "b1", "-o", "json").json["step"] == "cancelling"
    assert kea("builds", "get", "b1", "-o", "json").json["state"] == "CANCELLED"
    assert kea("builds", "cancel", "b1").out == "b1 is cancelled\n"
    assert kea("builds", "delete", "b1").out == "deleted b1\n"
    assert kea("builds", "list").err == "nothing found\n"


def test_the_client_gives_the_build_or_why_there_is_none(client: Client, gateway: FakeGateway) -> None:
    steps: list[str] = []
    built = client.build("iris", platforms=["linux/arm64"], report=steps.append)
    assert (built.image, built.state, built.ended) == (gateway.world.image, "SUCCEEDED", True)
    assert set(steps) == {"resolving the requirements"}
    assert [line.text for line in client.build_logs(built.name)][-1] == "at once"
    gateway.world.build_ends = Build.STATE_CANCELLED
    with pytest.raises(BuildFailed, match="build b2 was cancelled") as caught:
        client.build("iris")
    assert (caught.value.reason, caught.value.metadata) == ("BUILD_CANCELLED", {"build": "b2"})
    client.delete_build("b2")
    with pytest.raises(NotFound):
        client.find_build("b2")
    gateway.world.build_ends = Build.STATE_RUNNING
    with pytest.raises(DeadlineExceeded):
        client.build("iris", timeout=0.1)
