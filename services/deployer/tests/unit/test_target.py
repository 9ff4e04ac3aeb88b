from __future__ import annotations

import re
import sys

import pytest
from kea_core.settings import SettingsError
from kea_deployer.builds.target import Target
from kea_oci.errors import BadImageReference
from kea_oci.platform import Platform

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.mark.parametrize(
    ("platform", "wheels"),
    [
        ("linux/amd64", "x86_64-unknown-linux-gnu"),
        ("linux/arm64", "aarch64-unknown-linux-gnu"),
        ("linux/arm64/v8", "aarch64-unknown-linux-gnu"),
    ],
)
def test_a_target_names_the_wheels_it_runs(platform: str, wheels: str) -> None:
    target = Target.parse(platform, "3.11")
    assert (target.platform, target.python, target.wheels) == (Platform.parse(platform), "3.11", wheels)
    assert str(target) == f"{platform}, Python 3.11"


@pytest.mark.parametrize("platform", ["linux/riscv64", "windows/amd64"])
def test_what_images_are_not_made_for_is_refused_with_what_they_are_made_for(platform: str) -> None:
    told = f"platform is {platform}; images are made for linux/amd64, linux/arm64"
    with pytest.raises(SettingsError, match=told):
        Target.parse(platform, "3.11")


@pytest.mark.parametrize("python", ["", "3", "3.0", "2.7", "3.11.7", "3.111", "3.11\n", ">=3.11", "python3.11"])
def test_a_python_is_a_minor_version(python: str) -> None:
    with pytest.raises(SettingsError, match=f"python is {re.escape(repr(python))}; expected a minor version"):
        Target.parse("linux/amd64", python)


def test_what_is_no_platform_is_refused() -> None:
    with pytest.raises(BadImageReference, match="is no platform"):
        Target.parse("linux", "3.11")


def test_only_the_python_that_runs_here_compiles() -> None:
    assert Target.parse("linux/arm64", HERE).compiles  # bytecode is of a Python, not of a machine
    assert not Target.parse("linux/amd64", "3.99").compiles
    assert not Target.parse("linux/amd64", "3.1").compiles
