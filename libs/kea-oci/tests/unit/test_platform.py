from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea_oci.errors import BadImageReference
from kea_oci.platform import LINUX_AMD64, Platform

WORDS = st.text("abz019", min_size=1, max_size=8)
PLATFORMS = st.builds(Platform, WORDS, WORDS, st.just("") | WORDS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("linux/amd64", LINUX_AMD64),
        ("linux/arm64/v8", Platform("linux", "arm64", "v8")),
        ("linux/arm/v7", Platform("linux", "arm", "v7")),
        ("wasip1/wasm", Platform("wasip1", "wasm")),
        ("linux/x86_64", Platform("linux", "x86_64")),
    ],
)
def test_platforms_are_read_and_written(text: str, expected: Platform) -> None:
    assert Platform.parse(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "amd64", "/", "linux/", "/amd64", "linux/amd64/", "linux/arm/v7/x", "Linux/amd64", "linux/amd64\n"),
        *("linux amd64", "linux/am d64", "linux/amd64/v 8", "linux//v8", "línux/amd64", " linux/amd64", "linux/٣"),
    ],
)
def test_what_is_no_platform_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(BadImageReference, match="expected OS/ARCHITECTURE, for example linux/amd64") as caught:
        Platform.parse(text)
    assert caught.value.metadata["image"] == text


@given(PLATFORMS)
def test_what_is_written_is_read_the_same_way(platform: Platform) -> None:
    assert Platform.parse(str(platform)) == platform


@pytest.mark.parametrize(
    ("machine", "image", "runs"),
    [
        ("linux/amd64", "linux/amd64", True),
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/arm64/v8", "linux/arm64/v9", False),
        ("linux/arm/v7", "linux/arm/v7", True),
        ("linux/arm/v7", "linux/arm", False),
        ("linux/arm", "linux/arm/v8", False),
        ("linux/amd64", "linux/amd64/v3", False),
        ("linux/amd64", "linux/arm64", False),
        ("linux/amd64", "windows/amd64", False),
    ],
)
def test_a_machine_runs_what_was_made_for_it(machine: str, image: str, *, runs: bool) -> None:
    assert Platform.parse(machine).runs(Platform.parse(image)) is runs


@given(PLATFORMS, PLATFORMS)
def test_running_is_the_same_both_ways(one: Platform, other: Platform) -> None:
    assert one.runs(one)
    assert one.runs(other) == other.runs(one)
