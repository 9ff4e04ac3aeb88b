"""What is made for whom, and how long registries are waited for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest
from kea_core.errors import KeaError
from kea_deployer.builds import workshop
from kea_deployer.builds.settings import ImageSettings
from kea_deployer.builds.workshop import ImageWorkshop
from kea_deployer.domain.build import Build
from kea_deployer.domain.build_errors import BuildPlatformUnsupported
from kea_deployer.domain.build_ports import BuildRefusal
from kea_deployer.provision.artifacts import ArtifactError, ArtifactStalledError
from kea_oci.errors import RegistryUnavailable

SETTINGS = ImageSettings(repository="r.example/models", base="python:3.11", platforms=("linux/arm64",))


class Failing:
    """Artifacts that cannot be had."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.asked = 0

    async def get(self, _model: Any) -> Path:
        self.asked += 1
        raise self.error


def make(directory: Path, artifacts: Any = None, patience: float = 0.0) -> ImageWorkshop:
    """Returns a workshop of which nothing is asked but where artifacts are."""
    nothing: Any = None
    return ImageWorkshop(
        SETTINGS,
        uv=nothing,
        recipe=nothing,
        cache=nothing,
        registries=nothing,
        artifacts=artifacts,
        directories=nothing,
        scratch=directory,
        patience_seconds=patience,
    )


def left(directory: Path) -> list[Path]:
    return list(directory.iterdir())


def away(code: grpc.StatusCode, details: str = "") -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details)


def test_an_image_is_for_what_is_wanted_each_once_or_for_what_is_set(tmp_path: Path) -> None:
    made = make(tmp_path)
    assert made.platforms(()) == ("linux/arm64",)
    assert made.platforms(("linux/amd64", "linux/arm64", "linux/amd64")) == ("linux/amd64", "linux/arm64")
    for platform in ("windows/amd64", "linux"):
        with pytest.raises(BuildPlatformUnsupported) as caught:
            made.platforms(("linux/amd64", platform))
        assert caught.value.metadata == {"platform": platform}


def test_an_image_goes_where_its_model_and_its_version_say(tmp_path: Path, helpers: Any) -> None:
    assert make(tmp_path).destination(helpers.make_model()) == "r.example/models/default/echo:1"


@pytest.mark.parametrize(
    ("error", "reason", "message", "again"),
    [
        (ArtifactError("not the archive"), "ARTIFACT_FAILED", "not the archive", False),
        (ArtifactStalledError("nothing for 30 s"), "ARTIFACT_FAILED", "nothing for 30 s", True),
        (away(grpc.StatusCode.NOT_FOUND, "is gone"), "ARTIFACT_FAILED", "is gone", False),
        (away(grpc.StatusCode.UNAVAILABLE), "ARTIFACT_FAILED", "UNAVAILABLE", True),
        (RegistryUnavailable("r", "away", retry_after=""), "REGISTRY_UNAVAILABLE", "registry r: away", True),
        (RegistryUnavailable("r", "no registry"), "REGISTRY_UNAVAILABLE", "registry r: no registry", False),
        (KeaError("whatever"), "INTERNAL", "whatever", False),
    ],
)
async def test_a_build_is_given_up_at_once_or_after_a_while_and_leaves_nothing(
    error: Exception,
    reason: str,
    message: str,
    again: bool,  # noqa: FBT001 - a parameter
    tmp_path: Path,
    helpers: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workshop, "FIRST_PAUSE_SECONDS", 0.01)
    artifacts, steps = Failing(error), list[str]()
    build = Build.queue("default", helpers.make_model(), ("linux/amd64",), "r/i:1", helpers.NOON)
    with pytest.raises(BuildRefusal, match=message) as caught:
        await make(tmp_path, artifacts, 0.05).make(build, note=lambda _: None, step=steps.append, seal=lambda: None)  # pyright: ignore[reportArgumentType] - it does not get that far
    assert caught.value.reason == reason
    assert (artifacts.asked > 1) == again == (steps[-1] != "fetching the artifact")
    assert left(tmp_path) == []
