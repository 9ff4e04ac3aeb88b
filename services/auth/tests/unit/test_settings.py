from __future__ import annotations

from pathlib import Path

import pytest
from kea_auth.settings import PREFIX, AuthSettings
from kea_core.settings import DrainSettings, SettingsError, read_settings

NEEDED = {
    "KEA_AUTH_ADDRESS": "unix:/run/auth.sock",
    "KEA_AUTH_DATABASE_URL": "sqlite:////data/auth.db",
    "KEA_AUTH_SERVICE_CREDENTIALS_DIRECTORY": "/run/credentials",
}


def test_defaults_are_what_the_contract_says() -> None:
    settings = read_settings(AuthSettings, PREFIX, NEEDED)
    assert settings.address == "unix:/run/auth.sock"
    assert settings.service_credentials_directory == Path("/run/credentials")
    assert settings.bootstrap_token_file == ""
    assert settings.activation_delay_seconds == 5
    assert settings.rotate_after_seconds == 30 * 86_400
    assert settings.service_token_ttl_seconds == 3600
    assert settings.bootstrap_token_ttl_seconds == 86_400
    assert settings.drain == DrainSettings()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("UPKEEP_SECONDS", "0"),
        ("ROTATE_AFTER_SECONDS", "-1"),
        ("ACTIVATION_DELAY_SECONDS", "-1"),
        ("BOOTSTRAP_TOKEN_TTL_SECONDS", "86401"),
    ],
)
def test_what_cannot_work_is_refused(key: str, value: str) -> None:
    with pytest.raises(SettingsError, match=key.lower()):
        read_settings(AuthSettings, PREFIX, NEEDED | {f"KEA_AUTH_{key}": value})
