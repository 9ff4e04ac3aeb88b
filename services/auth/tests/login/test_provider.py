from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kea_auth.login.provider import read_providers
from kea_auth.login.settings import LoginSettings
from kea_core.settings import SettingsError
from kea_core.testing.certificates import Authority

GOOD = {"id": "corp", "issuer": "https://id.example.org", "client_id": "kea", "client_secret_file": "secret"}


def write(directory: Path, *entries: dict[str, Any]) -> str:
    (directory / "secret").write_text("very-secret\n")
    file = directory / "providers.json"
    file.write_text(json.dumps({"providers": entries}))
    return str(file)


def test_the_secret_comes_from_its_file_and_is_not_shown(tmp_path: Path) -> None:
    found = read_providers(write(tmp_path, GOOD))["corp"]
    assert found.client_secret.reveal() == "very-secret"
    assert "very-secret" not in f"{found!r}{found}"
    assert found.title == "corp"


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "local"},
        {"id": "end"},
        {"id": "renew"},
        {"id": "A/B"},
        {"issuer": "http://id.example.org"},
        {"issuer": "ftp://id.example.org"},
        {"issuer": "https://user@id.example.org"},
        {"client_id": ""},
        {"scopes": ["profile"]},
        {"scopes": "openid"},
        {"trusted_for": ["all"]},
        {"trusted_for": ["exchange"]},
        {"groups_pattern": "("},
        {"client_secret": "inline"},
        {"client_secret_file": "missing"},
        {"ca_file": "missing"},
        {"ca_file": "secret"},
        {"unknown": "x"},
    ],
    ids=str,
)
def test_what_is_wrong_is_told_before_anything_starts(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        read_providers(write(tmp_path, GOOD | changes))


def test_files_are_beside_the_list_unless_their_names_say_where(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(Authority().issue("id.example.org").authority)
    files = {"ca_file": "ca.crt", "token_file": "/run/token"}
    found = read_providers(write(tmp_path, GOOD | files))["corp"]
    assert (found.ca_file, found.token_file, found.jwks_file) == (str(tmp_path / "ca.crt"), "/run/token", "")


def test_issuers_and_ids_are_there_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="twice"):
        read_providers(write(tmp_path, GOOD, GOOD | {"id": "other"}))


@pytest.mark.parametrize("text", ["", "[]", '{"providers": {}}', '{"providers": [1]}', "{"])
def test_a_file_that_is_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "providers.json"
    file.write_text(text)
    with pytest.raises(SettingsError):
        read_providers(str(file))


@pytest.mark.parametrize(
    "settings",
    [
        {"public_url": "http://kea.example.org"},
        {"public_url": "https://kea.example.org/path"},
        {"providers_file": "x"},
        {"access_ttl_seconds": 601.0},
        {"session_ttl_seconds": 1.0},
        {"attempts_per_minute": 0},
    ],
    ids=str,
)
def test_settings_that_are_not_safe(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        LoginSettings(**settings)


def test_this_machine_may_be_reached_in_plaintext() -> None:
    assert LoginSettings(public_url="http://127.0.0.1:8080").public_url
