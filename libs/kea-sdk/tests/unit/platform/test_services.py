from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from kea_auth.login.settings import LoginSettings
from kea_core.settings import Secret, SettingsError
from kea_deployer.builds.settings import ImageSettings
from kea_sdk.platform.layout import layout_of
from kea_sdk.platform.options import UpOptions
from kea_sdk.platform.platform import Platform
from kea_sdk.platform.services import services_of

SET = {"KEA_DEPLOYER_IMAGES_REPOSITORY": "r.example/models", "KEA_DEPLOYER_IMAGES_BASE": "python:3.11"}


def test_the_deployer_is_told_how_models_become_images(tmp_path: Path, runtime: Path) -> None:
    images = ImageSettings(repository="r.example/models", base="python:3.11")
    services = services_of(
        layout_of(tmp_path), Secret(""), lifeline=3, keep_replicas=False, images=images, login=LoginSettings()
    )
    environments = {service.name: service.environment for service in services}
    assert SET.items() <= environments["deployer"].items()
    assert not any("IMAGES" in key for name in ("auth", "registry", "router") for key in environments[name])


async def test_what_is_said_of_images_and_cannot_be_is_told(
    tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEA_DEPLOYER_IMAGES_REGISTRY", "r.example")
    with pytest.raises(SettingsError, match="KEA_DEPLOYER_IMAGES_REGISTRY is not a setting"):
        await Platform(UpOptions(data=tmp_path), layout_of(tmp_path)).run(asyncio.Event(), ready=lambda _: None)
