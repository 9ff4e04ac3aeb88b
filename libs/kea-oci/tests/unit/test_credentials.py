from __future__ import annotations

import base64
import contextlib
import json
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea_core.settings import Secret, SettingsError
from kea_oci.credentials import MAX_FILE_BYTES, Credentials, read_credentials


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.json"


def read(path: Path, auths: object) -> dict[str, tuple[str, str, str]]:
    path.write_text(json.dumps({"auths": auths, "credsStore": "desktop"}))
    return {
        registry: (found.user, found.password.reveal(), found.identity_token.reveal())
        for registry, found in read_credentials(path).items()
    }


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"auth": encoded("kea:secret")}, ("kea", "secret", "")),
        ({"auth": encoded("kea:se:cr:et")}, ("kea", "se:cr:et", "")),
        ({"auth": encoded("kea:secret\0\0")}, ("kea", "secret", "")),
        ({"auth": encoded("kéa:sécret")}, ("kéa", "sécret", "")),
        ({"username": "kea", "password": "secret"}, ("kea", "secret", "")),
        ({"username": "old", "password": "old", "auth": encoded("kea:new")}, ("kea", "new", "")),
        ({"auth": encoded("00000000-0000-0000-0000-000000000000:"), "identitytoken": "t"}, ("0" * 8, "", "t")),
        ({"identitytoken": "t"}, ("", "", "t")),
        ({"auth": ""}, ("", "", "")),
        ({}, ("", "", "")),
    ],
)
def test_entries_are_read_as_docker_writes_them(
    path: Path, entry: dict[str, str], expected: tuple[str, str, str]
) -> None:
    user, password, token = read(path, {"ghcr.io": entry})["ghcr.io"]
    assert (user.partition("-")[0], password, token) == expected


@pytest.mark.parametrize(
    ("key", "registry"),
    [
        ("https://index.docker.io/v1/", "docker.io"),
        ("index.docker.io", "docker.io"),
        ("registry-1.docker.io", "docker.io"),
        ("docker.io", "docker.io"),
        ("ghcr.io", "ghcr.io"),
        ("https://ghcr.io", "ghcr.io"),
        ("https://ghcr.io/v2/", "ghcr.io"),
        ("http://localhost:5000", "localhost:5000"),
        ("ghcr.io/team", "ghcr.io"),
    ],
)
def test_keys_name_the_registry_they_are_for(path: Path, key: str, registry: str) -> None:
    assert read(path, {key: {"auth": encoded("a:b")}}) == {registry: ("a", "b", "")}


@pytest.mark.parametrize(
    "key", ["https://index.docker.io/v1", "index.docker.io/v1/", "https://registry-1.docker.io/v2/"]
)
def test_other_spellings_of_docker_hub_are_docker_hub(path: Path, key: str) -> None:
    assert list(read(path, {key: {"auth": encoded("a:b")}})) == ["docker.io"]


def test_null_is_nothing(path: Path) -> None:
    entry = {"username": None, "password": None, "identitytoken": None}
    assert read(path, {"ghcr.io": entry}) == {"ghcr.io": ("", "", "")}


def test_a_file_without_credentials_has_none(path: Path) -> None:
    path.write_text('{"credHelpers": {"gcr.io": "gcloud"}}')
    assert read_credentials(path) == {}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hunter2",
        b"\xffhunter2",
        b'["hunter2"]',
        b'"hunter2"',
        b'{"auths": "hunter2"}',
        b'{"auths": ["hunter2"]}',
        b'{"auths": {"ghcr.io": "hunter2"}}',
        b'{"auths": {"ghcr.io": ["hunter2"]}}',
        b'{"auths": {"ghcr.io": null}, "x": "hunter2"}',
        b'{"auths": {"ghcr.io": {"auth": "hunter2!"}}}',
        b'{"auths": {"ghcr.io": {"auth": "hunter2"}}}',
        b'{"auths": {"ghcr.io": {"auth": ["hunter2"]}}}',
        b'{"auths": {"ghcr.io": {"auth": "' + base64.b64encode(b"hunter2:\xff") + b'"}}}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_configuration_is_told_without_what_is_in_it(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(SettingsError, match="is no Docker configuration; expected JSON with auths") as caught:
        read_credentials(path)
    told = "".join(traceback.format_exception(caught.value))
    assert str(path) in told
    assert "hunter2" not in told


def test_a_file_that_is_not_there_or_too_large_is_told(path: Path) -> None:
    with pytest.raises(SettingsError, match=r"config\.json cannot be read: No such file or directory"):
        read_credentials(path)
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        read_credentials(path.parent)
    path.write_bytes(b" " * (MAX_FILE_BYTES - 2) + b"{}")
    assert read_credentials(path) == {}
    path.write_bytes(b" " * (MAX_FILE_BYTES - 1) + b"{}")
    with pytest.raises(SettingsError, match=f"larger than {MAX_FILE_BYTES} bytes"):
        read_credentials(path)


def test_credentials_do_not_show_themselves() -> None:
    credentials = Credentials("kea", Secret("hunter2"), Secret("hunter3"))
    assert repr(credentials) == "Credentials(user='kea', password=***, identity_token=***)"
    assert "hunter" not in f"{credentials} {credentials.password} {credentials!r}"


ENTRIES = st.dictionaries(
    st.sampled_from(["auth", "username", "password", "identitytoken"]),
    st.text() | st.integers() | st.none() | st.lists(st.text()) | st.text().map(encoded),
)


@given(auths=st.dictionaries(st.text(), ENTRIES | st.text() | st.none()) | st.none() | st.text() | st.integers())
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, auths: object) -> None:
    path = tmp_path_factory.mktemp("any") / "config.json"
    with contextlib.suppress(SettingsError):
        assert all("/" not in registry for registry in read(path, auths))
